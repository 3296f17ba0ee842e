"""The check of exercise 05-one-http2-connection-1: deadlines, and the places of one connection.

`ex_05_one_http2_connection_1.py` uses it. It asks the server that `serve` makes, with clients of
its own.
"""

import asyncio
import gc

import httpx

from course.exercises.over_http2 import over_http2
from server.http2 import Http2Server
from workbench.checking.record import expect

PLACES = 5  # streams that the server allows at once
SHORT = 0.1  # seconds: deadlines that pass
LONG = 30.0  # and one that does not
PAUSE = 0.6  # for what has time, and is not to end
PATIENCE = 3.0  # seconds for what has nothing to wait for


class _Hour:
    """The partner: silent on /slow until it is well, then it answers what is there and all new."""

    def __init__(self):
        self.well = False

    def __call__(self, connection, stream):
        if stream.path == "/close":
            connection.close()
        elif self.well or stream.path != "/slow":
            connection.answer(stream, 503 if stream.path == "/busy" else 200)

    def over(self, connection):
        self.well = True
        for stream in connection.streams:
            if stream.path == "/slow":
                connection.answer(stream)


def serve():
    """Return the server, whose `hour` says what it answers."""
    server = Http2Server(hour := _Hour(), max_streams=PLACES)
    server.hour = hour
    return server


async def check(attempt, server):
    await _answered(attempt, server)
    await _closed(attempt, server)
    await _cancelled(attempt, server)
    await _beside_a_patient_one(attempt, server)
    await _slow_hour(attempt, server)


async def _answered(attempt, server):
    """What is answered in time is returned, on the client that was given."""
    async with over_http2() as client:
        before = client.timeout
        with server.ledger.watch() as seen:
            came = [
                await _end(attempt(client, server.url + path, LONG)) for path in ("/busy", "/well")
            ]
        attempt.require_request(seen)
        expect(
            [getattr(one, "status_code", None) for one in came] == [503, 200],
            "The response, whatever its status.",
            happened=f"The server answered 503 and 200, and out came {_shown(*came)}.",
            seen=seen,
        )
        expect(
            all(response.is_closed for response in came),
            "A response whose body is read.",
            happened="The body of a response is not read, and it keeps its place until it is.",
            seen=seen,
        )
        expect(
            client.timeout == before,
            "The client is the caller's, and stays as it is.",
            happened=f"It came back with `{client.timeout}`, and was lent with `{before}`.",
            seen=seen,
        )
        expect(
            seen.connections == 1,
            "The requests go out on the client that was given.",
            happened=f"Two calls opened {seen.connections} connections.",
            seen=seen,
        )


async def _closed(attempt, server):
    async with over_http2() as client:
        with server.ledger.watch() as seen:
            came = await _end(attempt(client, server.url + "/close", LONG))
    expect(
        isinstance(came, httpx.RemoteProtocolError) and seen.requests == 1,
        "What the client raises comes out.",
        happened=f"The server closed the connection. {seen.requests} requests were made, and out "
        f"came {_shown(came)}.",
        seen=seen,
    )


async def _cancelled(attempt, server):
    """Its caller is cancelled: so is the wait, whatever becomes of the request."""
    async with over_http2() as client:
        with server.ledger.watch() as seen:
            call = asyncio.ensure_future(_end(attempt(client, server.url + "/slow", LONG)))
            await _received(server, seen, 1)
        call.cancel()
        await asyncio.wait({call}, timeout=PATIENCE)
        swallowed = not call.cancelled()
        call.cancel()
    expect(
        not swallowed,
        "A caller that is cancelled does not wait any longer.",
        happened="It was cancelled while its request was under way, and no CancelledError came.",
    )


async def _beside_a_patient_one(attempt, server):
    """A deadline passes while a call that came behind it has time."""
    url = server.url + "/slow"
    async with over_http2() as client:
        await client.get(server.url)  # the connection stands
        hasty = asyncio.ensure_future(_end(attempt(client, url, SHORT)))
        patient = asyncio.ensure_future(_end(attempt(client, url, LONG)))
        await asyncio.wait({hasty}, timeout=PATIENCE)
        await asyncio.wait({patient}, timeout=PAUSE)
        ended = patient.result() if patient.done() else None
        patient.cancel()
        _expect_deadlines([hasty])
    expect(
        ended is None,
        "A deadline ends its own call, and no other.",
        happened=f"A deadline of {SHORT} s passed. A call with {LONG:g} s was under way on the "
        f"same client, and that ended, too, with {_shown(ended)}.",
    )


async def _slow_hour(attempt, server):
    """As many deadlines pass as there are places, then the server is well again."""
    seconds = SHORT
    while not await _hour(attempt, server, seconds):
        seconds *= 2  # a busy machine: not all had been sent as the deadline came


async def _hour(attempt, server, seconds):
    """Return whether all calls were sent before their deadlines: else nothing is shown by them."""
    server.hour.well = False
    async with over_http2() as client:
        await client.get(server.url)  # the connection stands
        with server.ledger.watch() as seen:
            late = [
                asyncio.ensure_future(_end(attempt(client, server.url + "/slow", seconds)))
                for _ in range(PLACES)
            ]
            await asyncio.wait(late, timeout=PATIENCE)
        _expect_deadlines(late)
        gc.collect()  # a task that nobody refers to would be gone now
        await asyncio.to_thread(server.each, server.hour.over)
        came = [await _end(attempt(client, server.url + "/well", LONG)) for _ in range(10)]
    errors = [one for one in came if not isinstance(one, httpx.Response)]
    expect(
        not errors,
        "A place comes back as soon as its answer is there.",
        happened=f"{PLACES} deadlines passed. Then the server answered all that it had, and was "
        f"well. Of ten calls {len(errors)} failed: {_shown(*errors[:1])}.",
    )
    return seen.requests == PLACES


def _expect_deadlines(late):
    pending = [call for call in late if not call.done()]
    for call in pending:
        call.cancel()
    expect(
        not pending,
        "TimeoutError as soon as the seconds have passed.",
        happened=f"The seconds were {SHORT}, the server was silent, and after {PATIENCE:g} s "
        f"{len(pending)} of {len(late)} calls had not ended.",
    )
    came = [call.result() for call in late]
    expect(
        all(isinstance(one, TimeoutError) for one in came),
        "TimeoutError if no response has come in time.",
        happened=f"The deadline passed, and out came {_shown(*came)}.",
    )


async def _received(server, seen, count):
    await asyncio.to_thread(server.ledger.wait_until, lambda ledger: seen.requests == count)


async def _end(call):
    """Return what came out of a call: its result, or httpx's error or TimeoutError."""
    try:
        came = await call
    except (httpx.HTTPError, TimeoutError, RuntimeError) as error:
        if isinstance(error, NotImplementedError):
            raise
        return error
    expect(
        not isinstance(came, BaseException),
        "What fails is raised.",
        happened=f"`{came!r}` was returned, as if it were a response.",
    )
    return came


def _shown(*came):
    return ", ".join(f"`{words}`" for words in dict.fromkeys(map(repr, came)))
