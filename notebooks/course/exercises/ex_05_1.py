"""The headers alone, and the connection back in the pool whatever they say."""

import asyncio
import gc

import httpx

from workbench.checking.record import Exercise, Wrong, WrongAnswer, expect

CONNECTIONS = 2
MISSING = 6  # more than there are connections
LIMITS = {"connect": 5.0, "read": 1.0, "write": 5.0, "pool": 0.2}  # seconds
LONGEST = 0.5  # what a longer limit for the pool is cut to, so that nobody waits for it


async def size_of(client, url):
    """Return the file's Content-Length as an int, without reading its body; None if missing."""
    response = await client.send(client.build_request("GET", url), stream=True)
    if response.status_code == 404:
        return None
    size = int(response.headers["content-length"])
    await response.aclose()
    return size


async def solution(client, url):
    """Return the file's Content-Length as an int, without reading its body; None if missing."""
    async with client.stream("GET", url) as response:
        if response.status_code == 404:
            return None
        return int(response.headers["content-length"])


async def waits_longer(client, url):
    request = client.build_request("GET", url, timeout=60)
    response = await client.send(request, stream=True)
    if response.status_code == 404:
        return None
    size = int(response.headers["content-length"])
    await response.aclose()
    return size


async def collects_the_garbage(client, url):
    response = await client.send(client.build_request("GET", url), stream=True)
    if response.status_code == 404:
        del response
        gc.collect()
        return None
    size = int(response.headers["content-length"])
    await response.aclose()
    return size


async def tries_again(client, url):
    for attempt in range(3):
        try:
            response = await client.send(client.build_request("GET", url), stream=True)
        except httpx.PoolTimeout:
            if attempt == 2:
                raise
            await asyncio.sleep(0.05)
        else:
            break
    if response.status_code == 404:
        return None
    size = int(response.headers["content-length"])
    await response.aclose()
    return size


async def swallows_the_error(client, url):
    try:
        response = await client.send(client.build_request("GET", url), stream=True)
    except httpx.PoolTimeout:
        return None
    if response.status_code == 404:
        return None
    size = int(response.headers["content-length"])
    await response.aclose()
    return size


async def takes_a_larger_pool(client, url):
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(limits=limits) as own:
        response = await own.send(own.build_request("GET", url), stream=True)
        if response.status_code == 404:
            return None
        return int(response.headers["content-length"])


async def reads_everything(client, url):
    response = await client.get(url)
    if response.status_code == 404:
        return None
    return int(response.headers["content-length"])


async def closes_the_client(client, url):
    async with client:
        async with client.stream("GET", url) as response:
            if response.status_code == 404:
                return None
            return int(response.headers["content-length"])


async def check(attempt, server):
    asked = []

    async def note(request):
        asked.append(request.extensions["timeout"].get("pool"))
        request.extensions["timeout"]["pool"] = min(asked[-1] or LONGEST, LONGEST)

    client = httpx.AsyncClient(
        limits=httpx.Limits(max_connections=CONNECTIONS),
        timeout=httpx.Timeout(**LIMITS),
        event_hooks={"request": [note]},
    )
    try:
        await _check(attempt, server, client, asked)
    finally:
        await client.aclose()


async def _check(attempt, server, client, asked):
    for number in range(MISSING + 1):
        missing = number < MISSING
        asked.clear()
        try:
            path = "/status?code=404" if missing else "/bytes?size=12345"
            size = await attempt(client, server.url + path)
        except httpx.PoolTimeout as error:
            raise Wrong(
                f"After {MISSING} missing files the client works as before.",
                happened=f"`{error!r}` in call {number + 1}: {_why(asked)}",
            ) from error
        expect(
            asked,
            "The requests are made with the client that was given.",
            happened="Your function made a client of its own. It costs a new connection for each "
            "call, and the responses are still left open.",
        )
        expect(
            not client.is_closed,
            "The client is left open: it came from outside, and others may be using it.",
            happened="Your function closed the client. Its own to close is the response.",
        )
        if missing:
            expect(
                size is None,
                "`None` for a missing file.",
                happened=f"It returned `{size!r}`.",
            )
        else:
            expect(
                size is not None,
                "`12345` for a file that is there.",
                happened="It returned `None`: a dry pool was taken for a missing file. The "
                "`PoolTimeout` was swallowed.",
            )
            expect(size == 12345, "`12345`, as an int.", happened=f"It returned `{size!r}`.")
    try:
        size = await attempt(client, server.url + "/faults/headers-only")
    except httpx.ReadTimeout as error:
        raise Wrong(
            "The size, as soon as the headers are there.",
            happened="It waited for the body. This server sends none, and a large file takes long.",
        ) from error
    expect(size == 10, "`10`, from the headers.", happened=f"It returned `{size!r}`.")


def _why(asked):
    if len(asked) > 1:
        return (
            f"your function asked {len(asked)} times, and the pool was as dry the last time as the "
            "first. Nothing comes back by itself."
        )
    if asked and (asked[-1] is None or asked[-1] > LIMITS["pool"]):
        return "it was ready to wait longer for a connection, and none would ever have come back."
    return (
        "the responses of the missing files are still open. The pool itself holds on to them, so "
        "neither `del` nor the garbage collector closes them."
    )


EXERCISE = Exercise(
    id="05-1",
    title="Missing files that cost nothing",
    task="`size_of` looks up how large a file is. Repair it, so that it works for ever with the "
    "client's few connections, whether the files are there or not.",
    starter=size_of,
    hints=[
        "Which path through the function leaves the response open?",
        "`aclose()` would have to stand on every path, also where an exception comes up. There is "
        "a statement for that.",
        "`async with client.stream(...) as response:` closes the response at the end of its block, "
        "also when the block is left by `return`.",
    ],
    wrong=[
        WrongAnswer(waits_longer, "ready to wait longer"),
        WrongAnswer(collects_the_garbage, "neither `del` nor the garbage collector"),
        WrongAnswer(tries_again, "as dry the last time as the first"),
        WrongAnswer(swallows_the_error, "taken for a missing file"),
        WrongAnswer(takes_a_larger_pool, "a client of its own"),
        WrongAnswer(reads_everything, "It waited for the body"),
        WrongAnswer(closes_the_client, "Your function closed the client"),
    ],
    solution=solution,
    why="The block closes the response on every way out of it, so each connection comes back.",
    check=check,
)
