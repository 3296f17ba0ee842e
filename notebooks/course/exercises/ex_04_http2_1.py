"""Send an order again where the HTTP/2 server has said that it did not process it."""

import asyncio
import re
import sys

import h2.errors
import h2.events
import httpx

from course.exercises.order_trial import check, serve
from workbench.checking.record import Exercise, WrongAnswer


async def order(client, url, tries):
    """POST to the url, `tries` times at most, and never a second time what may be processed."""
    ...


def not_processed(error, stream_id):
    """The notebook's own function, which its learner has."""
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
    """Return an answer that sends once more where `again(error, *stream_ids)` says so."""

    async def order(client, url, tries):
        streams = []

        async def trace(name, info):
            if name == "http2.send_request_headers.started":
                streams.append(info["stream_id"])

        for _ in range(tries - 1):
            try:
                return await client.post(url, extensions={"trace": trace})
            except httpx.TransportError as error:
                if not again(error, *streams):
                    raise
        return await client.post(url)

    order.__name__ = name
    return order


repeats_everything = repeating_where("repeats_everything", lambda error, *streams: True)
repeats_each_goaway = repeating_where(
    "repeats_each_goaway",
    lambda error, *streams: re.search("ConnectionT|error_code:7", str(error)),
)
repeats_each_reset = repeating_where(
    "repeats_each_reset",
    lambda error, *streams: "StreamReset" in str(error) or not_processed(error, streams[-1]),
)
knows_stream_zero_only = repeating_where(
    "knows_stream_zero_only",
    lambda error, *streams: re.search("last_stream_id:0,|error_code:7", str(error)),
)
knows_goaway_only = repeating_where(
    "knows_goaway_only",
    lambda error, *streams: (
        streams[-1] > getattr(error.__cause__.args[0], "last_stream_id", streams[-1])
    ),
)
knows_no_error_only = repeating_where(
    "knows_no_error_only",
    lambda error, *streams: (
        re.search("error_code:[07],", str(error)) and not_processed(error, streams[-1])
    ),
)
remembers_its_first_stream = repeating_where(
    "remembers_its_first_stream",
    lambda error, first, *later: (
        isinstance(error, httpx.RemoteProtocolError) and not_processed(error, first)
    ),
)


def repeats_too(name, kind):
    return repeating_where(
        name,
        lambda error, *streams: (
            isinstance(error, kind)
            or (isinstance(error, httpx.RemoteProtocolError) and not_processed(error, streams[-1]))
        ),
    )


repeats_a_read_error = repeats_too("repeats_a_read_error", httpx.ReadError)
repeats_a_connect_error = repeats_too("repeats_a_connect_error", httpx.ConnectError)
repeats_a_timeout = repeats_too("repeats_a_timeout", httpx.TimeoutException)


async def never_gives_up(client, url, tries):
    return await solution(client, url, sys.maxsize)


async def tries_three_times_at_most(client, url, tries):
    return await solution(client, url, min(tries, 3))


async def asks_with_get(client, url, tries):
    return await client.get(url)


async def hides_the_exception(client, url, tries):
    try:
        return await solution(client, url, tries)
    except httpx.RemoteProtocolError:
        return None


async def returns_the_exception(client, url, tries):
    try:
        return await solution(client, url, tries)
    except httpx.HTTPError as error:
        return error


async def raises_one_of_its_own(client, url, tries):
    try:
        return await solution(client, url, tries)
    except httpx.RemoteProtocolError as error:
        raise httpx.RemoteProtocolError("the order may have been processed") from error


async def lets_it_go_on(client, url, tries):
    return await asyncio.shield(solution(client, url, tries))


async def swallows_a_cancellation(client, url, tries):
    try:
        return await solution(client, url, tries)
    except asyncio.CancelledError:
        return None


async def repeats_a_503(client, url, tries):
    for _ in range(tries - 1):
        response = await solution(client, url, tries)
        if response.status_code < 500:
            return response
    return await solution(client, url, tries)


async def changes_the_client(client, url, tries):
    client.timeout = 60
    return await solution(client, url, tries)


async def makes_a_client_of_its_own(client, url, tries):
    async with httpx.AsyncClient(http1=False, http2=True, verify=False) as own:
        return await solution(own, url, tries)


EXERCISE = Exercise(
    id="04-http2-1",
    title="Send again what was not processed",
    task="`order(client, url, tries)` sends a POST and returns the response, whatever its status. "
    "Where it fails, and the server has said that it did not process this stream (a GOAWAY with a "
    "last stream below it, or REFUSED_STREAM), it is sent again, `tries` times in all. Otherwise "
    "the exception comes out. A caller that is cancelled leaves nothing running.",
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
        WrongAnswer(knows_no_error_only, "ENHANCE_YOUR_CALM, and the last stream 0, and 5 of 5"),
        WrongAnswer(knows_goaway_only, "Each stream was refused, and 5 of 5"),
        WrongAnswer(repeats_each_reset, "An INTERNAL_ERROR ended each stream, and of 5"),
        WrongAnswer(tries_three_times_at_most, "With tries=5"),
        WrongAnswer(remembers_its_first_stream, "the second may have: its last stream"),
        WrongAnswer(asks_with_get, "`<Response [405"),
        WrongAnswer(never_gives_up, "no end within"),
        WrongAnswer(hides_the_exception, "`None` was returned, as if"),
        WrongAnswer(returns_the_exception, "was returned, as if it were a response"),
        WrongAnswer(raises_one_of_its_own, "another one came out in its place"),
        WrongAnswer(repeats_a_read_error, "The connection was reset, and of 5"),
        WrongAnswer(repeats_a_connect_error, "it tried 3 times to connect"),
        WrongAnswer(repeats_a_timeout, "No answer came in time"),
        WrongAnswer(lets_it_go_on, "and a task went on"),
        WrongAnswer(swallows_a_cancellation, "no CancelledError came"),
        WrongAnswer(repeats_a_503, "came of 3 requests"),
        WrongAnswer(changes_the_client, "It came back with other `timeout`"),
        WrongAnswer(makes_a_client_of_its_own, "Five calls opened 5 connections"),
    ],
    right=[reads_the_message],
    solution=solution,
    why="A GOAWAY promises that no stream above its last one was or will be processed, and "
    "REFUSED_STREAM promises it for one stream (RFC 9113, 6.8 and 8.7). A FIN, an RST or a stream "
    "up to the last one promises nothing, so a POST is not sent again.",
    check=check,
    serve=serve,
)
