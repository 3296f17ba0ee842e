"""The check of exercise 04-http2-1: orders, and an HTTP/2 server that ends their connections.

`ex_04_http2_1.py` uses it. It asks the server that `serve` makes, with clients of its own.
"""

import asyncio
import contextlib
from functools import partial

import h2.errors
import httpx

from course.exercises.ownership import settings_of
from server.http2 import Http2Server
from server.wire import refused
from workbench.checking.record import expect

PLACES = 5  # streams that the server allows at once
PATIENCE = 3.0  # seconds for the calls of one trial
HASTY = 0.3  # seconds that a client waits for an answer that never comes
FAILURES = (httpx.RemoteProtocolError, httpx.ReadError, httpx.ReadTimeout)  # of these trials


class NotingTransport(httpx.AsyncHTTPTransport):
    """Speaks HTTP/2 as `over_http2` does; `raised` are the exceptions that came out of it."""

    def __init__(self):
        super().__init__(http1=False, http2=True, verify=False)
        self.raised = []

    async def handle_async_request(self, request):
        try:
            return await super().handle_async_request(request)
        except httpx.TransportError as error:
            self.raised.append(error)
            raise


def refuse_all(connection, *code):
    for stream in connection.streams:
        connection.refuse(stream, *code)


# What the first connection of a trial does when PLACES requests are there, by their path.
ENDS = {
    "/none-processed": lambda connection: connection.goaway(),
    "/two-processed": lambda connection: connection.goaway(connection.streams[1]),
    "/five-processed": lambda connection: connection.goaway(connection.streams[4]),
    "/too-many": lambda connection: connection.goaway(code=h2.errors.ErrorCodes.ENHANCE_YOUR_CALM),
    "/refused": refuse_all,
    "/closed": lambda connection: connection.close(),
    "/reset": lambda connection: connection.reset(),
    "/broken-off": lambda connection: refuse_all(connection, h2.errors.ErrorCodes.INTERNAL_ERROR),
}


def serve():
    """Return the server, which ends its connections as a request's path says."""
    first = {}  # path -> the number of its first connection

    def rule(connection, stream):
        if stream.method != "POST":
            connection.streams.remove(stream)  # not one of the orders
            connection.answer(stream, 405)
            return
        if stream.path in ("/busy", "/well"):
            connection.answer(stream, 503 if stream.path == "/busy" else 200)
            return
        if stream.path in ("/never", "/silent"):
            if stream.path == "/never":
                connection.refuse(stream)
            return
        if stream.path == "/twice":
            first.setdefault("/twice", connection.number)
            later = connection.number - first["/twice"]
            if later > 1:
                connection.answer(stream)
            else:  # the first has not processed it, the second may have
                connection.goaway(stream if later else connection.streams[-2])
            return
        of_the_first = first.setdefault(stream.path, connection.number) == connection.number
        if not of_the_first or len(connection.streams) > PLACES:
            connection.answer(stream)
        elif len(connection.streams) == PLACES:
            ENDS[stream.path](connection)

    return Http2Server(rule, max_streams=PLACES)


async def check(attempt, server):
    await _uses_the_client(attempt, server)
    asked = partial(_trial, attempt, server)
    await asked("/closed", 5, again=0, failed=5, what="The connection was closed without a word")
    await asked("/reset", 5, again=0, failed=5, what="The connection was reset")
    await asked("/none-processed", 5, again=5, failed=0, what="The last stream was 0: none was")
    await asked("/too-many", 5, again=5, failed=0, what="ENHANCE_YOUR_CALM, and the last stream 0")
    await asked("/two-processed", 5, again=3, failed=2, what="Two streams may be processed")
    await asked("/refused", 5, again=5, failed=0, what="Each stream was refused")
    await asked("/broken-off", 5, again=0, failed=5, what="An INTERNAL_ERROR ended each stream")
    await asked("/five-processed", 10, again=5, failed=5, what="Five were never sent")
    await _twice(attempt, server)
    await _gives_up(attempt, server)
    await _times_out(attempt, server)
    await _finds_no_server(attempt)
    await _cancelled(attempt, server)


async def _calls(attempt, server, path, count, tries, read=20.0):
    """Return what came of so many calls at once on one client, and what the server saw."""
    transport, timeout = NotingTransport(), httpx.Timeout(20, read=read)
    async with httpx.AsyncClient(transport=transport, timeout=timeout) as client:
        before = settings_of(client)
        with server.ledger.watch() as seen:
            async with asyncio.timeout(PATIENCE):
                came = await asyncio.gather(
                    *(_raised(attempt(client, server.url + path, tries)) for _ in range(count)),
                    return_exceptions=True,
                )
            await attempt.settle()
        after = settings_of(client)
    attempt.require_request(seen)
    changed = [name for name, value in after.items() if value != before[name]]
    expect(
        not changed,
        "The client is the caller's, and stays as it is.",
        happened=f"It came back with other `{', '.join(changed)}`.",
        seen=seen,
    )
    for outcome in came:
        if isinstance(outcome, BaseException):
            _expect_raised_by_the_client(outcome, transport.raised, seen)
        else:
            expect(
                isinstance(outcome, httpx.Response),
                "A response, or the exception that was raised for it.",
                happened=f"Nothing was raised, and `{outcome!r}` was returned, as if it were one.",
                seen=seen,
            )
    return came, seen


async def _raised(call):
    """Return what a call returned. Raises `Wrong` if that is an exception."""
    came = await call
    expect(
        not isinstance(came, BaseException),
        "The exception that was raised for an order comes out.",
        happened=f"`{came!r}` was returned, as if it were a response.",
    )
    return came


def _expect_raised_by_the_client(error, raised, seen):
    """Refuse an exception in place of another; raise one that is a mistake of the answer's."""
    by_the_client = any(error is one for one in raised)
    in_its_place = isinstance(error, FAILURES) or any(error.__cause__ is one for one in raised)
    expect(
        by_the_client or not in_its_place,
        "The exception that the client raised comes out.",
        happened=f"The client raised `{raised[-1]!r}`, and another one came out in its place: "
        f"`{error!r}`."
        if raised
        else f"The client raised nothing, and out came `{error!r}`.",
        seen=seen,
    )
    if not isinstance(error, FAILURES):
        raise error


async def _uses_the_client(attempt, server):
    for path, status in (("/well", 200), ("/busy", 503)):
        [came], seen = await _calls(attempt, server, path, 1, tries=3)
        expect(
            isinstance(came, httpx.Response) and came.status_code == status and seen.requests == 1,
            "What is answered is returned as it is, also a 503.",
            happened=f"`{came!r}` came of {seen.requests} requests.",
            seen=seen,
        )
    [came, *_], seen = await _calls(attempt, server, "/well", 5, tries=1)
    expect(
        seen.connections == 1,
        "The requests go out on the client that was passed in.",
        happened=f"Five calls opened {seen.connections} connections.",
        seen=seen,
    )


async def _trial(attempt, server, path, count, *, again, failed, what):
    """So many calls: how many requests came again, how many exceptions came out."""
    came, seen = await _calls(attempt, server, path, count, tries=3)
    errors = [outcome for outcome in came if isinstance(outcome, Exception)]
    repeated = seen.requests - min(count, PLACES)
    expect(
        repeated <= again,
        "What may be processed is not sent a second time.",
        happened=f"{what}, and of {count} orders {repeated} were sent again or anew, where "
        f"{again} may be.",
        seen=seen,
    )
    expect(
        len(errors) >= failed,
        "What is not known to be unprocessed fails with the exception that was raised.",
        happened=f"{what}, and {len(errors)} exceptions came out, where {failed} should.",
        seen=seen,
    )
    expect(
        len(errors) == failed,
        "What the server did not process is sent again.",
        happened=f"{what}, and {len(errors)} of {count} orders failed: `{errors[-1:]!r}`.",
        seen=seen,
    )


async def _twice(attempt, server):
    """An order that the first connection has not processed, and the second one may have."""
    async with httpx.AsyncClient(transport=NotingTransport(), timeout=20) as client:
        for _ in range(PLACES - 1):
            await client.post(server.url + "/well")
        with server.ledger.watch() as seen:
            try:
                outcome = await attempt(client, server.url + "/twice", 3)
            except httpx.RemoteProtocolError as error:
                outcome = error
    expect(
        isinstance(outcome, Exception) and seen.requests == 2,
        "Each time it is this time's stream that counts.",
        happened=f"The first connection had not processed an order, the second may have: its last "
        f"stream was the order's own. It was sent {seen.requests} times in all.",
        seen=seen,
    )


async def _gives_up(attempt, server):
    for tries in (1, 2, 3, 5):
        try:
            [came], seen = await _calls(attempt, server, "/never", 1, tries)
        except TimeoutError:
            came, seen = None, attempt.seen
        expect(
            isinstance(came, httpx.RemoteProtocolError) and seen.requests == tries,
            f"With tries={tries} an order is sent {tries} times at most, and then fails.",
            happened=f"It was refused each time, and there was no end within {PATIENCE:g} s."
            if came is None
            else f"It was refused each time, and sent {seen.requests} times.",
            seen=seen,
        )


async def _times_out(attempt, server):
    [came], seen = await _calls(attempt, server, "/silent", 1, tries=3, read=HASTY)
    expect(
        isinstance(came, httpx.ReadTimeout) and seen.requests == 1,
        "What is not known to be unprocessed fails with the exception that was raised.",
        happened=f"No answer came in time, which says nothing of what the server did. The order "
        f"was sent {seen.requests} times, and then came `{came!r}`.",
        seen=seen,
    )


async def _finds_no_server(attempt):
    """No stream was opened, and no server has said anything."""
    transport = NotingTransport()
    async with httpx.AsyncClient(transport=transport) as client:
        with refused() as endpoint:
            with contextlib.suppress(httpx.ConnectError):
                await attempt(client, endpoint.url, 3)
    expect(
        len(transport.raised) == 1,
        "What the server has not said is unprocessed fails with the exception that was raised.",
        happened=f"No server was there, and it tried {len(transport.raised)} times to connect.",
    )


async def _cancelled(attempt, server):
    """Its caller is cancelled while the server is silent."""
    async with httpx.AsyncClient(transport=NotingTransport(), timeout=20) as client:
        with server.ledger.watch() as seen:
            call = asyncio.ensure_future(attempt(client, server.url + "/silent", 3))
            await asyncio.to_thread(server.ledger.wait_until, lambda ledger: seen.requests == 1)
            call.cancel()
            await asyncio.wait({call}, timeout=PATIENCE)
            left, ended = attempt.pending, call.cancelled()
        call.cancel()
    expect(
        ended,
        "A caller that is cancelled gets CancelledError.",
        happened="It was cancelled while its order was under way, and no CancelledError came.",
        seen=seen,
    )
    expect(
        not left,
        "A caller that is cancelled leaves nothing running.",
        happened=f"It was cancelled while its order was under way, and a task went on: "
        f"`{next(iter(left), '')}`. Nobody hears whether that order failed, or was sent again.",
        seen=seen,
    )
