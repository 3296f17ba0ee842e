"""The check of exercise 09-streams-that-break-1: a file from servers that break off.

`ex_09_streams_that_break_1.py` uses it. It asks the check's own server, with a client of its own.
"""

import asyncio

import httpx

from course.exercises.ended import check_cancelled
from course.exercises.ownership import settings_of
from workbench.checking.record import Wrong, expect

SIZE = 10_000  # bytes of each file
MOST = 6  # requests for one file
WEAK = 'W/"1"'  # RFC 9110, 8.8.1: other bytes may have it, too


# query, read limit in seconds, the version that is to come, and what this server does
CASES = (
    ("broken=0", 30, b"v1", "sends the whole file at once"),
    ("how=close", 30, b"v1", "closes the connection after each 4,000 bytes"),
    ("how=reset", 30, b"v1", "resets the connection after each 4,000 bytes"),
    ("how=stall", 0.5, b"v1", "sends 4,000 bytes, and nothing more on this connection"),
    ("ranges=none&broken=2", 30, b"v1", "ignores `Range`, and breaks off twice"),
    ("edited=2&broken=3", 30, b"v2", "has another file from the second request on"),
    ("edited=2&broken=2&key=weak", 30, b"v2", f"names each version `{WEAK}`, also another file"),
)


async def check(attempt, server):
    asked = []

    async def note(request):
        asked.append(request)

    async def weaken(response):
        if response.request.url.params.get("key") == "weak":
            response.headers["etag"] = WEAK

    # One place in the pool: a stream that is left open is missed by the next request.
    limits, hooks = httpx.Limits(max_connections=1), {"request": [note], "response": [weaken]}
    async with httpx.AsyncClient(verify=False, limits=limits, event_hooks=hooks) as client:
        before = settings_of(client)
        for query, read, version, does in CASES:
            client.timeout = httpx.Timeout(30, read=read, pool=3)
            await _one_file(attempt, server, client, query, version, does)
        client.timeout = httpx.Timeout(30, pool=3)
        _no_weak_tag_sent(asked)
        expect(
            len(asked) == attempt.seen.requests,
            "All requests by the client that your function is given.",
            happened="Some were made by another client.",
        )
        for status in (404, 503):
            await _refused(attempt, server, client, status)
        _client_as_it_was(client, before | {"timeout": httpx.Timeout(30, pool=3)})
        await _without_end(attempt, server, client, asked)
        expect(
            not client.is_closed,
            "The client is the caller's, and stays open.",
            happened="Your function has closed it.",
        )
        await check_cancelled(lambda: attempt(client, server.url + "/echo"))
    await attempt.require_nothing_left()


def _client_as_it_was(client, before):
    after = settings_of(client)
    changed = [name for name in before if after[name] != before[name]]
    expect(
        not changed,
        "The client is the caller's, and is left as it was.",
        happened=f"Its `{', '.join(changed)}` was changed, for every later request.",
    )


def _no_weak_tag_sent(asked):
    """Raise `Wrong` if one of the requests names a weak version in `If-Range`."""
    expect(
        WEAK not in [request.headers.get("if-range") for request in asked],
        "`If-Range` with a strong `ETag`, or none.",
        happened=f"`If-Range: {WEAK}` was sent. A tag with `W/` does not name one file byte by "
        "byte, so it must not stand there (RFC 9110, 13.1.5).",
    )


async def _one_file(attempt, server, client, query, version, does):
    expected = f"The file of {SIZE} bytes, from a server that {does}."
    with server.ledger.watch() as seen:
        try:
            body = await attempt(client, f"{server.url}/faults/interrupted/file?{query}")
        except httpx.TransportError as error:
            happened = f"`{type(error).__name__}` came out of your function, after "
            raise Wrong(expected, happened=f"{happened}{_requests(seen)}.", seen=seen) from error
    attempt.require_request(seen)
    whole = b"".join(b"%s %06d\n" % (version, number) for number in range(SIZE // 10))
    expect(
        isinstance(body, bytes | bytearray),
        expected,
        happened=f"It returned `{body!r}`." if body is None else "It returned no bytes.",
        seen=seen,
    )
    happened = _difference(bytes(body), whole)
    if version == b"v2" and "weak" in query and len(body) == SIZE:
        happened = f"Bytes of two files came: the tag was still `{WEAK}`, and they were others."
    expect(body == whole, expected, happened=happened, seen=seen)
    expect(
        seen.requests <= MOST,
        f"{MOST} requests for one file at most.",
        happened=f"The server, which {does}, saw {seen.requests}.",
        seen=seen,
    )


def _difference(body, whole):
    lines = body.splitlines()
    if len({line[:2] for line in lines}) > 1:
        return f"{len(body)} bytes came, some of the old file and some of the new one."
    if len(set(lines)) < len(lines):
        return f"{len(body)} bytes came: some lines are there twice."
    if whole.startswith(body):
        return f"{len(body)} bytes came, and were handed out as the file."
    return f"{len(body)} bytes came, and they are not the file's."


async def _refused(attempt, server, client, status):
    """What is answered with an error is no file: raised, and of a missing one at once."""
    with server.ledger.watch() as seen:
        try:
            await attempt(client, f"{server.url}/status?code={status}")
        except httpx.HTTPStatusError:
            returned = False
        else:
            returned = True
    expected = f"A {status} is raised, as `raise_for_status()` does."
    happened = f"The server answered {status}, and nothing was raised."
    expect(not returned, expected, happened=happened, seen=seen)
    expect(
        seen.requests == 1 or status != 404,
        "A missing file is raised after one request.",
        happened=f"The file is missing, and the server was asked {seen.requests} times.",
        seen=seen,
    )


async def _without_end(attempt, server, client, asked):
    expected = f"An error of httpx's after {MOST} requests at most, when each of them breaks off."
    url = f"{server.url}/faults/interrupted/file?ranges=none"
    with server.ledger.watch() as seen:
        running = asyncio.ensure_future(attempt(client, url))
        while not running.done() and seen.requests <= 2 * MOST:
            await asyncio.wait({running}, timeout=0.02)
        running.cancel()
        [ended] = await asyncio.gather(running, return_exceptions=True)
    expect(
        seen.requests <= MOST,
        expected,
        happened="The server was asked more than that, and broke off each time.",
        seen=seen,
    )
    if isinstance(ended, Exception) and not isinstance(ended, httpx.TransportError):
        raise ended
    expect(
        isinstance(ended, Exception),
        expected,
        happened=f"Nothing was raised, and an object of type `{type(ended).__name__}` was "
        "returned.",
        seen=seen,
    )
    last = getattr(ended, "_request", None)  # `ended.request` raises where there is none
    expect(
        last is asked[-1],
        "The last error is raised, as httpx raised it.",
        happened=f"`{ended!r}` came out, and it is not what the last request ended with.",
        seen=seen,
    )


def _requests(seen):
    return "1 request" if seen.requests == 1 else f"{seen.requests} requests"
