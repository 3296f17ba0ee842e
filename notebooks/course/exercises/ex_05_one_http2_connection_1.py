"""A deadline that takes no place of an HTTP/2 connection with it."""

import asyncio

import httpx

from course.exercises.over_http2 import over_http2
from course.exercises.places_trial import check, serve
from workbench.checking.record import Exercise, WrongAnswer


async def get_within(client, url, seconds):
    """GET the url on an HTTP/2 client and return the response, whatever its status.

    Raises TimeoutError if none has come within so many seconds, and what the client raises before
    that. Its place on the connection comes back as soon as the server has answered, also later.
    """
    async with asyncio.timeout(seconds):
        return await client.get(url)


async def solution(client, url, seconds):
    call = asyncio.create_task(client.get(url))
    # If it fails late, nobody else asks for its exception, and asyncio would log that.
    call.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    async with asyncio.timeout(seconds):
        return await asyncio.shield(call)


async def waits_for_the_task(client, url, seconds):
    call = asyncio.create_task(client.get(url))
    call.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    ended, _ = await asyncio.wait({call}, timeout=seconds)
    if not ended:
        raise TimeoutError
    return call.result()


async def shields_in_wait_for(client, url, seconds):
    return await asyncio.wait_for(asyncio.shield(client.get(url)), timeout=seconds)


async def waits_for_the_call(client, url, seconds):
    return await asyncio.wait_for(client.get(url), seconds)


async def has_httpx_count(client, url, seconds):
    return await client.get(url, timeout=seconds)


async def renames_what_httpx_raises(client, url, seconds):
    try:
        return await client.get(url, timeout=seconds)
    except httpx.TimeoutException as error:
        raise TimeoutError from error


async def comes_out_at_the_end(client, url, seconds):
    call = asyncio.create_task(client.get(url))
    await asyncio.wait({call}, timeout=seconds)
    late = not call.done()
    response = await call
    if late:
        raise TimeoutError
    return response


async def returns_none(client, url, seconds):
    try:
        return await solution(client, url, seconds)
    except TimeoutError:
        return None


async def returns_the_exception(client, url, seconds):
    try:
        return await solution(client, url, seconds)
    except httpx.HTTPError as error:
        return error


async def leaves_the_body_unread(client, url, seconds):
    call = asyncio.create_task(client.send(client.build_request("GET", url), stream=True))
    async with asyncio.timeout(seconds):
        return await asyncio.shield(call)


async def leaves_its_limits_at_the_client(client, url, seconds):
    client.timeout = None
    return await solution(client, url, seconds)


async def takes_a_client_for_each(client, url, seconds):
    async with over_http2() as own, asyncio.timeout(seconds):
        return await own.get(url)


async def closes_the_client(client, url, seconds):
    try:
        async with asyncio.timeout(seconds):
            return await client.get(url)
    except TimeoutError:
        await client.aclose()
        raise


async def makes_each_error_one(client, url, seconds):
    try:
        return await solution(client, url, seconds)
    except httpx.HTTPError as error:
        raise TimeoutError from error


async def raises_for_status(client, url, seconds):
    return (await solution(client, url, seconds)).raise_for_status()


async def asks_again(client, url, seconds):
    try:
        return await solution(client, url, seconds)
    except httpx.RemoteProtocolError:
        return await solution(client, url, seconds)


async def swallows_a_cancellation(client, url, seconds):
    call = asyncio.create_task(client.get(url))
    try:
        await asyncio.wait({call}, timeout=seconds)
    except asyncio.CancelledError:
        return None
    if not call.done():
        raise TimeoutError
    return call.result()


EXERCISE = Exercise(
    id="05-one-http2-connection-1",
    title="A deadline that takes no place with it",
    task="`get_within(client, url, seconds)` asks on an HTTP/2 client, and raises `TimeoutError` "
    "if no response has come in time. As it was given, a call whose deadline passes keeps its "
    "place until another call reads its answer. Write it so that the place comes back with the "
    "answer, however late, and no other call on the connection ends.",
    starter=get_within,
    hints=[
        "Who reads the answer of a call that was cancelled? Nobody, once no place is left: so the "
        "call must not be cancelled. Which part of `get_within` may be?",
        "What waits and what is waited for can be two: make the call a task of its own, and let "
        "the deadline end the wait alone.",
        "`asyncio.shield(call)` passes a cancellation on to nobody; `asyncio.wait({call}, "
        "timeout=seconds)` cancels nothing.",
    ],
    wrong=[
        WrongAnswer(waits_for_the_call, "Of ten calls 10 failed: `LocalProtocolError"),
        WrongAnswer(has_httpx_count, "The deadline passed, and out came `ReadTimeout"),
        WrongAnswer(renames_what_httpx_raises, "that ended, too, with `TimeoutError"),
        WrongAnswer(comes_out_at_the_end, "calls had not ended"),
        WrongAnswer(returns_none, "The deadline passed, and out came `None`"),
        WrongAnswer(returns_the_exception, "was returned, as if it were"),
        WrongAnswer(leaves_the_body_unread, "it keeps its place until it is"),
        WrongAnswer(leaves_its_limits_at_the_client, "It came back with `Timeout"),
        WrongAnswer(takes_a_client_for_each, "Two calls opened 2 connections"),
        WrongAnswer(closes_the_client, "that ended, too, with `ReadError"),
        WrongAnswer(makes_each_error_one, "1 requests were made, and out came `TimeoutError("),
        WrongAnswer(raises_for_status, "answered 503 and 200"),
        WrongAnswer(asks_again, "2 requests were made"),
        WrongAnswer(swallows_a_cancellation, "no CancelledError came"),
    ],
    right=[waits_for_the_task, shields_in_wait_for],
    solution=solution,
    why="A call that is cancelled tells the server nothing, and no longer reads its answer. One "
    "that goes on reads it, and gives the place back. Its caller has left in time all the same.",
    check=check,
    serve=serve,
)
