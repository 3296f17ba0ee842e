"""The first bytes of a body that does not end, read inside the stream's block."""

import asyncio

import httpx

from workbench.checking.record import Exercise, Wrong, WrongAnswer, expect, still_open

COUNT = 3
PATIENCE = 2.0  # seconds


async def first_bytes(client, url, count):
    """Return the first `count` bytes of the body, without waiting for the rest of it."""
    async with client.stream("GET", url) as response:
        response.raise_for_status()
    body = b""
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) >= count:
            break
    return body[:count]


async def solution(client, url, count):
    """Return the first `count` bytes of the body, without waiting for the rest of it."""
    body = b""
    async with client.stream("GET", url) as response:
        response.raise_for_status()
        async for piece in response.aiter_bytes():
            body += piece
            if len(body) >= count:
                break
    return body[:count]


async def takes_the_content(client, url, count):
    async with client.stream("GET", url) as response:
        response.raise_for_status()
    return response.content[:count]


async def reads_all_of_it(client, url, count):
    async with client.stream("GET", url) as response:
        body = await response.aread()
    return body[:count]


async def returns_the_first_piece(client, url, count):
    async with client.stream("GET", url) as response:
        async for piece in response.aiter_bytes():
            return piece[:count]


async def sends_and_forgets(client, url, count):
    response = await client.send(client.build_request("GET", url), stream=True)
    body = b""
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) >= count:
            break
    return body[:count]


async def closes_the_client(client, url, count):
    response = await client.send(client.build_request("GET", url), stream=True)
    body = b""
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) >= count:
            break
    await client.aclose()
    return body[:count]


async def gives_up_on_errors(client, url, count):
    body = b""
    try:
        async with client.stream("GET", url) as response:
            response.raise_for_status()
        async for piece in response.aiter_bytes():
            body += piece
    except Exception:
        pass
    return body[:count]


async def check(attempt, server):
    async with httpx.AsyncClient() as client:
        url = server.url + "/drip?pieces=1000&gap=0.02"
        try:
            with server.ledger.watch() as during:
                async with asyncio.timeout(PATIENCE):
                    body = await attempt(client, url, COUNT)
        except TimeoutError as error:
            raise Wrong(
                f"The first {COUNT} bytes, as soon as they are there.",
                happened="It waited for the end of the body, and this one takes 20 s to end. "
                "`aread()` and `client.get()` read all of it.",
            ) from error
        except httpx.ResponseNotRead as error:
            raise Wrong(
                "The body is read piece by piece, inside the block.",
                happened="`content` and `text` of a stream are empty-handed: nobody had read it.",
            ) from error
        except httpx.StreamClosed as error:
            raise Wrong(
                "The body is read before its block ends.",
                happened="The block of `client.stream()` had ended, and closed the response.",
            ) from error
        expect(
            body != b"",
            f"The first {COUNT} bytes of the body.",
            happened="It returned no bytes at all: the exception that says why was swallowed.",
        )
        expect(
            body == b"x" * COUNT,
            f"The first {COUNT} bytes of the body: `{b'x' * COUNT!r}`.",
            happened=f"It returned `{body!r}`. A piece is what happened to arrive together.",
        )
        expect(
            not client.is_closed,
            "The client is left open: it came from outside, and others may be using it.",
            happened="Your function closed the client. Its own to close is the response.",
        )
        expect(
            not still_open(during),
            "The connection is closed when the function returns, since the rest is not wanted.",
            happened="The connection is still in use, and the server still sends: a response from "
            "`send(stream=True)` is open until someone calls its `aclose()`.",
            seen=during,
        )


EXERCISE = Exercise(
    id="03-2",
    title="The beginning of an endless body",
    task="`first_bytes` is to return the first `count` bytes of a body that may never end, and to "
    "leave nothing open but the client. Repair it.",
    starter=first_bytes,
    hints=[
        "When is a response from `client.stream()` closed? Which line comes after that?",
        "Only the last line may stand outside the block: it reads nothing any more.",
        "Leaving the block early, by `break` or `return`, is safe: the block closes the response.",
    ],
    wrong=[
        WrongAnswer(takes_the_content, "nobody had read it"),
        WrongAnswer(reads_all_of_it, "waited for the end of the body"),
        WrongAnswer(returns_the_first_piece, "what happened to arrive together"),
        WrongAnswer(sends_and_forgets, "the server still sends"),
        WrongAnswer(closes_the_client, "Your function closed the client"),
        WrongAnswer(gives_up_on_errors, "was swallowed"),
    ],
    solution=solution,
    why="All the reading is done inside the block. When enough has arrived, the block closes the "
    "response, and with it the connection that would otherwise bring the rest.",
    check=check,
)
