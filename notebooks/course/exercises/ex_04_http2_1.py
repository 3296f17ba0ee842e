"""Send an order again where the HTTP/2 server has said that it did not process it."""

import asyncio
import re
import sys
from functools import partial

import h2.errors
import h2.events
import httpx

from course.exercises.over_http2 import over_http2
from server.http2 import Http2Server
from workbench.checking.record import Exercise, WrongAnswer, expect

PLACES = 5  # streams that the server allows at once
PATIENCE = 3.0  # seconds for the calls of one trial


async def order(client, url, tries):
    """POST to the url, `tries` times at most, and never a second time what may be processed."""
    ...


def not_processed(error, stream_id):
    [event] = error.__cause__.args
    if isinstance(event, h2.events.ConnectionTerminated):
        return stream_id > event.last_stream_id
    refused = h2.errors.ErrorCodes.REFUSED_STREAM
    return isinstance(event, h2.events.StreamReset) and event.error_code == refused


async def solution(client, url, tries):
    streams = []

    async def trace(name, info):
        if name == "http2.send_request_headers.started":
            streams.append(info["stream_id"])

    for _ in range(tries - 1):
        try:
            return await client.post(url, extensions={"trace": trace})
        except httpx.RemoteProtocolError as error:
            if not not_processed(error, streams[-1]):
                raise
    return await client.post(url)


async def reads_the_message(client, url, tries):
    stream = 0

    async def trace(name, info):
        nonlocal stream
        if name.startswith("http2.send_request_headers"):
            stream = info.get("stream_id", stream)

    while True:
        tries -= 1
        try:
            request = client.build_request("POST", url, extensions={"trace": trace})
            return await client.send(request)
        except httpx.RemoteProtocolError as error:
            goaway = re.search(r"last_stream_id:(\d+)", str(error))
            above = goaway and stream > int(goaway[1])
            if tries < 1 or not (above or "error_code:7" in str(error)):
                raise


async def sends_once(client, url, tries):
    return await client.post(url)


def repeating_where(name, again):
    """Return an answer that sends once more where `again(error, stream_id)` says so."""

    async def order(client, url, tries):
        streams = []

        async def trace(name, info):
            if name == "http2.send_request_headers.started":
                streams.append(info["stream_id"])

        for _ in range(tries - 1):
            try:
                return await client.post(url, extensions={"trace": trace})
            except httpx.TransportError as error:
                if not again(error, streams[-1]):
                    raise
        return await client.post(url)

    order.__name__ = name
    return order


repeats_everything = repeating_where("repeats_everything", lambda error, stream: True)
repeats_each_goaway = repeating_where(
    "repeats_each_goaway", lambda error, _: re.search("ConnectionT|error_code:7", str(error))
)
repeats_each_reset = repeating_where(
    "repeats_each_reset",
    lambda error, stream: "StreamReset" in str(error) or not_processed(error, stream),
)
knows_stream_zero_only = repeating_where(
    "knows_stream_zero_only",
    lambda error, _: re.search("last_stream_id:0,|error_code:7", str(error)),
)
knows_goaway_only = repeating_where(
    "knows_goaway_only",
    lambda error, stream: stream > getattr(error.__cause__.args[0], "last_stream_id", stream),
)


async def never_gives_up(client, url, tries):
    return await solution(client, url, sys.maxsize)


async def tries_three_times_at_most(client, url, tries):
    return await solution(client, url, min(tries, 3))


async def remembers_its_first_stream(client, url, tries):
    streams = []

    async def trace(name, info):
        if name == "http2.send_request_headers.started":
            streams.append(info["stream_id"])

    for _ in range(tries - 1):
        try:
            return await client.post(url, extensions={"trace": trace})
        except httpx.RemoteProtocolError as error:
            if not not_processed(error, streams[0]):
                raise
    return await client.post(url)


async def asks_with_get(client, url, tries):
    return await client.get(url)


async def hides_the_exception(client, url, tries):
    try:
        return await solution(client, url, tries)
    except httpx.RemoteProtocolError:
        return None


async def repeats_a_503(client, url, tries):
    for _ in range(tries - 1):
        response = await solution(client, url, tries)
        if response.status_code < 500:
            return response
    return await solution(client, url, tries)


async def makes_a_client_of_its_own(client, url, tries):
    async with httpx.AsyncClient(http1=False, http2=True, verify=False) as own:
        return await solution(own, url, tries)


def refuse_all(connection, *code):
    for stream in connection.streams:
        connection.refuse(stream, *code)


# What the first connection of a trial does when PLACES requests are there, by their path.
ENDS = {
    "/none-processed": lambda connection: connection.goaway(),
    "/two-processed": lambda connection: connection.goaway(connection.streams[1]),
    "/five-processed": lambda connection: connection.goaway(connection.streams[4]),
    "/refused": refuse_all,
    "/closed": lambda connection: connection.close(),
    "/broken-off": lambda connection: refuse_all(connection, h2.errors.ErrorCodes.INTERNAL_ERROR),
}


def _serve():
    first = {}  # path -> the number of its first connection

    def rule(connection, stream):
        if stream.method != "POST":
            connection.answer(stream, 405)
            return
        if stream.path in ("/busy", "/well"):
            connection.answer(stream, 503 if stream.path == "/busy" else 200)
            return
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
        if not of_the_first or stream.nth > PLACES:
            connection.answer(stream)
        elif len(connection.streams) == PLACES:
            ENDS[stream.path](connection)

    return Http2Server(rule, max_streams=PLACES)


async def check(attempt, server):
    await _uses_the_client(attempt, server)
    asked = partial(_trial, attempt, server)
    await asked("/closed", 5, again=0, failed=5, what="The connection was closed without a word")
    await asked("/none-processed", 5, again=5, failed=0, what="The last stream was 0: none was")
    await asked("/two-processed", 5, again=3, failed=2, what="Two streams may be processed")
    await asked("/refused", 5, again=5, failed=0, what="Each stream was refused")
    await asked("/broken-off", 5, again=0, failed=5, what="An INTERNAL_ERROR ended each stream")
    await asked("/five-processed", 10, again=5, failed=5, what="Five were never sent")
    await _twice(attempt, server)
    await _gives_up(attempt, server)


async def _calls(attempt, server, path, count, tries):
    """Return what came of so many calls at once on one client, and what the server saw."""
    async with over_http2() as client:
        with server.ledger.watch() as seen:
            async with asyncio.timeout(PATIENCE):
                came = await asyncio.gather(
                    *(attempt(client, server.url + path, tries) for _ in range(count)),
                    return_exceptions=True,
                )
    attempt.require_request(seen)
    for outcome in came:
        if isinstance(outcome, Exception) and not isinstance(outcome, httpx.RemoteProtocolError):
            raise outcome
        expect(
            isinstance(outcome, httpx.Response | httpx.RemoteProtocolError),
            "A response, or the exception that was raised for it.",
            happened=f"Nothing was raised, and `{outcome!r}` was returned, as if it were one.",
            seen=seen,
        )
    return came, seen


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
    async with httpx.AsyncClient(http1=False, http2=True, verify=False, timeout=20) as client:
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


EXERCISE = Exercise(
    id="04-http2-1",
    title="Send again what was not processed",
    task="`order(client, url, tries)` sends a POST and returns the response, whatever its status. "
    "Where it fails, and the server has said that it did not process this stream (a GOAWAY with a "
    "last stream below it, or REFUSED_STREAM), it is sent again, `tries` times in all. Otherwise "
    "the exception comes out.",
    starter=order,
    hints=[
        "Which of the notebook's functions decides from an exception and a stream's number? It is "
        "all you need to know about HTTP/2.",
        'A list and a coroutine `trace(name, info)`, given as `extensions={"trace": trace}`, note '
        "the number of each stream that was tried. The last one is the one that failed.",
        "The loop of exercise 04-2: `range(tries - 1)` with the `try` in it, and one more request "
        "behind it, whose exception comes out by itself.",
    ],
    wrong=[
        WrongAnswer(sends_once, "none was, and 5 of 5 orders failed"),
        WrongAnswer(repeats_everything, "The connection was closed without a word, and of 5"),
        WrongAnswer(repeats_each_goaway, "Two streams may be processed, and of 5 orders"),
        WrongAnswer(knows_stream_zero_only, "Five were never sent, and 10 of 10 orders failed"),
        WrongAnswer(knows_goaway_only, "Each stream was refused, and 5 of 5"),
        WrongAnswer(repeats_each_reset, "An INTERNAL_ERROR ended each stream, and of 5"),
        WrongAnswer(tries_three_times_at_most, "With tries=5"),
        WrongAnswer(remembers_its_first_stream, "the second may have: its last stream"),
        WrongAnswer(asks_with_get, "`<Response [405"),
        WrongAnswer(never_gives_up, "no end within"),
        WrongAnswer(hides_the_exception, "`None` was returned, as if"),
        WrongAnswer(repeats_a_503, "came of 3 requests"),
        WrongAnswer(makes_a_client_of_its_own, "Five calls opened 5 connections"),
    ],
    right=[reads_the_message],
    solution=solution,
    why="A GOAWAY promises that no stream above its last one was or will be processed, and "
    "REFUSED_STREAM promises it for one stream (RFC 9113, 6.8 and 8.7). A FIN, an RST or a stream "
    "below the last one promises nothing, so a POST is not sent again.",
    check=check,
    serve=_serve,
)
