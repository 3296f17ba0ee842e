"""Streaming: read as much of a body as is wanted, and leave the rest on the server."""

import asyncio
import random

import httpx
from starlette.applications import Starlette
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from course.exercises.ended import check_cancelled
from server.local import LocalServer
from workbench.checking.record import Exercise, WrongAnswer, expect, still_open

WANTED = 100_000
SHORT_SIZE = 10
# Far more than the sockets' buffers hold, so a server that could send all of it was read from.
LONG, PIECE = 32_000_000, 30_000
CONTENT = random.Random(1).randbytes(1_000_000)  # and it is no text


async def first_bytes(url, wanted):
    """Return the first `wanted` bytes of the body at url, and read no more of it than needed."""
    raise NotImplementedError


async def solution(url, wanted):
    """Return the first `wanted` bytes of the body at url, and read no more of it than needed."""
    body = b""
    async with httpx.AsyncClient() as client, client.stream("GET", url) as response:
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) >= wanted:
                break
    return body[:wanted]


async def reads_it_all(url, wanted):
    async with httpx.AsyncClient() as client:
        response = await client.get(url)
    return response.content[:wanted]


async def awaits_the_stream(url, wanted):
    async with httpx.AsyncClient() as client:
        response = await client.stream("GET", url)
        return (await response.aread())[:wanted]


async def reads_after_the_block(url, wanted):
    async with httpx.AsyncClient() as client:
        async with client.stream("GET", url) as response:
            pass
        return (await response.aread())[:wanted]


async def loops_without_async(url, wanted):
    body = b""
    async with httpx.AsyncClient() as client:
        async with client.stream("GET", url) as response:
            for chunk in response.aiter_bytes():
                body += chunk
    return body[:wanted]


async def keeps_the_whole_last_chunk(url, wanted):
    body = b""
    async with httpx.AsyncClient() as client:
        async with client.stream("GET", url) as response:
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) >= wanted:
                    break
    return body


async def takes_one_chunk(url, wanted):
    async with httpx.AsyncClient() as client:
        async with client.stream("GET", url) as response:
            async for chunk in response.aiter_bytes():
                return chunk[:wanted]


async def leaves_the_stream_open(url, wanted):
    body = b""
    client = httpx.AsyncClient()
    response = await client.send(client.build_request("GET", url), stream=True)
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) >= wanted:
            return body[:wanted]
    return body


async def closes_only_if_all_goes_well(url, wanted):
    client = httpx.AsyncClient()
    response = await client.send(client.build_request("GET", url), stream=True)
    body = b""
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) >= wanted:
            break
    await response.aclose()
    await client.aclose()
    return body[:wanted]


async def returns_what_it_has_when_it_is_cancelled(url, wanted):
    body = b""
    try:
        async with httpx.AsyncClient() as client, client.stream("GET", url) as response:
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) >= wanted:
                    break
    except asyncio.CancelledError:
        pass
    return body[:wanted]


async def forgets_that_a_body_may_be_empty(url, wanted):
    async with httpx.AsyncClient() as client, client.stream("GET", url) as response:
        async for chunk in response.aiter_bytes(wanted):
            return chunk


async def reads_synchronously(url, wanted):
    with httpx.stream("GET", url) as response:
        body = b""
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) >= wanted:
                break
    return body[:wanted]


async def makes_the_bytes_up(url, wanted):
    return b"x" * len(await solution(url, wanted))


async def keeps_the_last_chunk_only(url, wanted):
    kept = b""
    async with httpx.AsyncClient() as client, client.stream("GET", url) as response:
        async for chunk in response.aiter_bytes(wanted // 2 + 1):
            kept = kept + chunk if len(kept) < wanted else chunk
            if len(kept) >= wanted:
                break
    return kept[-wanted:]


async def takes_it_for_text(url, wanted):
    text = ""
    async with httpx.AsyncClient() as client, client.stream("GET", url) as response:
        async for piece in response.aiter_text():
            text += piece
            if len(text) >= wanted:
                break
    return text[:wanted].encode()[:wanted]


async def stops_where_the_check_does(url, wanted):
    body = b""
    async with httpx.AsyncClient() as client, client.stream("GET", url) as response:
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) >= 100_000:
                break
    return body[:100_000]


async def collects_in_a_bytearray(url, wanted):
    body = bytearray()
    async with httpx.AsyncClient() as client, client.stream("GET", url) as response:
        async for chunk in response.aiter_bytes():
            body.extend(chunk[: wanted - len(body)])
            if len(body) == wanted:
                break
    return body


async def takes_chunks_as_long_as_wanted(url, wanted):
    async with httpx.AsyncClient() as client, client.stream("GET", url) as response:
        async for chunk in response.aiter_bytes(wanted):
            return chunk
    return b""


async def closes_in_finally(url, wanted):
    body = b""
    client = httpx.AsyncClient()
    try:
        response = await client.send(client.build_request("GET", url), stream=True)
        chunks = aiter(response.aiter_bytes())
        while len(body) < wanted and (chunk := await anext(chunks, None)) is not None:
            body += chunk
        await response.aclose()
    finally:
        await client.aclose()
    return body[:wanted]


async def check(attempt, server):
    with server.ledger.watch() as seen:
        body = await attempt(f"{server.url}/long", WANTED)
    attempt.require_request(seen)
    expect(
        isinstance(body, bytes | bytearray),
        f"{WANTED} bytes.",
        happened=f"Your function returned an object of type `{type(body).__name__}`.",
        seen=seen,
    )
    expect(
        len(body) >= WANTED,
        f"{WANTED} bytes.",
        happened="Your function returned fewer: a chunk is as long as what happened to arrive.",
        seen=seen,
    )
    expect(
        len(body) == WANTED,
        f"{WANTED} bytes.",
        happened="Your function returned more: the last chunk went past what was asked for.",
        seen=seen,
    )
    expect(
        body == CONTENT[:WANTED],
        f"The first {WANTED} bytes of the body.",
        happened=f"So many bytes came, and they are others: {_compared(body)}.",
        seen=seen,
    )
    expect(
        seen.responses == 0,
        "The reading stops once there is enough; the server never gets to its last piece.",
        happened="The server sent all 32 MB to the end: see the `response` line.",
        seen=seen,
    )
    expect(
        not still_open(seen),
        "Stream and client are closed in the end, whatever is left unread.",
        happened="The bytes are right, but the connection is open, with the rest of the body on "
        "its way.",
        seen=seen,
    )
    await _check_short_bodies(attempt, server)
    await attempt.require_nothing_left()
    if not attempt.blocked:  # or the report says so: a synchronous client is not cancelled
        await check_cancelled(lambda: attempt(f"{server.url}/long", WANTED))


async def _check_short_bodies(attempt, server):
    for size in (SHORT_SIZE, 0):
        body = await attempt(f"{server.url}/short?size={size}", WANTED)
        expect(
            body == CONTENT[:size],
            f"All {size} bytes of a body that has no more.",
            happened=f"Of a body of {size} bytes your function returned `{body!r:.60}`.",
        )
    body = await attempt(f"{server.url}/short?size=1000", SHORT_SIZE)
    expect(
        body == CONTENT[:SHORT_SIZE],
        f"The first {SHORT_SIZE} bytes where `wanted` is {SHORT_SIZE}.",
        happened=f"Asked for {SHORT_SIZE} bytes, your function returned {len(body)}.",
    )


def _compared(body):
    if len(set(body)) == 1:
        return "each is the same, and no two in the server's body need be"
    if CONTENT.find(bytes(body[:100])) > 0:
        return "they stand further on in the body"
    return "the server did not send them"


def _serve():
    """A server whose bodies begin with random bytes, which are no text."""

    async def pieces():
        for start in range(0, LONG, PIECE):
            yield CONTENT[start : start + PIECE] or bytes(PIECE)
            await asyncio.sleep(0)  # so that it learns that the caller has left

    async def long(request):
        return StreamingResponse(pieces())

    async def short(request):
        return Response(CONTENT[: int(request.query_params["size"])])

    return LocalServer(Starlette(routes=[Route("/long", long), Route("/short", short)]))


EXERCISE = Exercise(
    id="02-2",
    title="Read the beginning of a long body",
    task="""\
Write `first_bytes(url, wanted)`: it returns the first `wanted` bytes of the body at `url` and stops
reading there. The check's body has 32 MB: the server must never come to its end. A shorter body is
returned whole. A cancelled call ends as cancelled, its client closed.""",
    starter=first_bytes,
    hints=[
        '`client.stream("GET", url)` is an async context manager: inside its block the body has '
        "not been read yet.",
        "`async for chunk in response.aiter_bytes():` gives the body as it arrives. "
        "How long a chunk is, the network decides, so add the lengths up.",
        "`break` out of the loop once there is enough: the end of the block closes the connection "
        "with the rest unread. Cut what is too much off with `body[:wanted]`.",
    ],
    wrong=[
        WrongAnswer(reads_it_all, "The server sent all 32 MB"),
        WrongAnswer(awaits_the_stream, "the one request method of httpx that is one"),
        WrongAnswer(reads_after_the_block, "can be read inside its `async with` block only"),
        WrongAnswer(loops_without_async, "is read with `async for`"),
        WrongAnswer(keeps_the_whole_last_chunk, "returned more"),
        WrongAnswer(takes_one_chunk, "returned fewer"),
        WrongAnswer(leaves_the_stream_open, "with the rest of the body on its way"),
        WrongAnswer(forgets_that_a_body_may_be_empty, "Of a body of 0 bytes"),
        WrongAnswer(makes_the_bytes_up, "each is the same"),
        WrongAnswer(keeps_the_last_chunk_only, "they stand further on in the body"),
        WrongAnswer(takes_it_for_text, "the server did not send them"),
        WrongAnswer(stops_where_the_check_does, "Asked for 10 bytes, your function returned 1000"),
        WrongAnswer(closes_only_if_all_goes_well, "under way, and its client was not closed"),
        WrongAnswer(returns_what_it_has_when_it_is_cancelled, "and it swallowed that"),
        WrongAnswer(reads_synchronously, "Your code stopped it"),
    ],
    right=[collects_in_a_bytearray, takes_chunks_as_long_as_wanted, closes_in_finally],
    solution=solution,
    why="Leaving the block of `client.stream()` closes the response even if most of it is unread. "
    "The price is the connection, which cannot be used again.",
    check=check,
    serve=_serve,
)
