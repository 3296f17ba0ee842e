"""A download that breaks off, and goes on where it broke."""

import asyncio
import contextlib

import httpx

from course.exercises.ended import check_cancelled
from workbench.checking.record import Exercise, Wrong, WrongAnswer, expect

SIZE = 10_000  # bytes of each file
MOST = 6  # requests for one file


async def download(client, url):
    """Return the file's bytes. Go on where it broke, six requests at most."""
    body = bytearray()
    for _ in range(6):
        headers = {"Range": f"bytes={len(body)}-"}
        try:
            async with client.stream("GET", url, headers=headers) as response:
                async for piece in response.aiter_bytes():
                    body += piece
            return bytes(body)
        except httpx.RemoteProtocolError:
            pass


async def solution(client, url):
    """Return the file's bytes. Go on where it broke, six requests at most."""
    body, headers = bytearray(), {"Accept-Encoding": "identity"}
    for _ in range(6):
        try:
            async with client.stream("GET", url, headers=headers) as response:
                response.raise_for_status()
                if response.status_code != 206:  # then it is the whole file
                    body, headers = bytearray(), {"Accept-Encoding": "identity"}
                elif f"bytes {len(body)}-" not in response.headers.get("content-range", ""):
                    raise httpx.RemoteProtocolError("another part than was asked for")
                etag = response.headers.get("etag", headers.get("If-Range", "W/"))
                async for piece in response.aiter_bytes():
                    body += piece
                    if not etag.startswith("W/"):
                        headers |= {"Range": f"bytes={len(body)}-", "If-Range": etag}
            return bytes(body)
        except httpx.TransportError as error:
            problem = error
    raise problem


async def asks_for_it_whole(client, url):
    for _ in range(MOST):
        try:
            response = await client.get(url)
            response.raise_for_status()
            return response.content
        except httpx.TransportError as error:
            problem = error
    raise problem


async def _append(client, url, broke=httpx.TransportError, *, status=True, wipe=True, tag=True):
    """The solution with one thing wrong, or several."""
    body, headers = bytearray(), {}
    for _ in range(MOST):
        try:
            async with client.stream("GET", url, headers=headers) as response:
                if status:
                    response.raise_for_status()
                if wipe and response.status_code == 200:
                    body.clear()
                etag = response.headers.get("etag", "")
                async for piece in response.aiter_bytes():
                    body += piece
                    headers["Range"] = f"bytes={len(body)}-"
                    if tag and not etag.startswith("W/"):
                        headers["If-Range"] = etag
            return bytes(body)
        except broke as error:
            problem = error
    raise problem


async def catches_one_way_of_breaking(client, url):
    return await _append(client, url, httpx.RemoteProtocolError)


async def catches_no_timeout(client, url):
    return await _append(client, url, (httpx.RemoteProtocolError, httpx.ReadError))


async def does_not_look_at_the_version(client, url):
    return await _append(client, url, tag=False)


async def takes_each_answer_for_a_part(client, url):
    return await _append(client, url, wipe=False)


async def takes_an_error_page_for_the_file(client, url):
    return await _append(client, url, status=False)


async def asks_again_for_a_missing_file(client, url):
    return await _append(client, url, httpx.HTTPError)


async def looks_for_404_only(client, url):
    async def look(response):
        if response.status_code == 404:
            response.raise_for_status()

    client.event_hooks["response"].append(look)
    return await _append(client, url, status=False)


async def takes_a_cancellation_for_a_break(client, url):
    return await _append(client, url, (httpx.TransportError, asyncio.CancelledError))


async def makes_a_client_of_its_own(client, url):
    async with httpx.AsyncClient(timeout=client.timeout) as own:
        return await solution(own, url)


async def keeps_what_it_has(client, url):
    body = bytearray()
    with contextlib.suppress(httpx.TransportError):
        async with client.stream("GET", url) as response:
            response.raise_for_status()
            async for piece in response.aiter_bytes():
                body += piece
    return bytes(body)


async def gives_up_without_a_word(client, url):
    try:
        return await solution(client, url)
    except httpx.TransportError:
        return None


async def never_gives_up(client, url):
    while True:
        with contextlib.suppress(httpx.TransportError):
            return await solution(client, url)


async def compares_the_versions_itself(client, url):
    body, version = b"", None
    for left in reversed(range(MOST)):
        headers = {"range": f"bytes={len(body)}-"} if body else {}
        try:
            request = client.build_request("GET", url, headers=headers)
            response = await client.send(request, stream=True)
            try:
                response.raise_for_status()
                etag = response.headers["etag"]
                if response.status_code == 206 and etag != version:
                    body = b""
                    continue
                body, version = body if response.status_code == 206 else b"", etag
                async for piece in response.aiter_raw():
                    body += piece
                return bytearray(body)
            finally:
                await response.aclose()
        except httpx.TransportError:
            if not left:
                raise


# query, read limit in seconds, the version that is to come, and what this server does
CASES = (
    ("broken=0", 30, b"v1", "sends the whole file at once"),
    ("how=close", 30, b"v1", "closes the connection after each 4,000 bytes"),
    ("how=reset", 30, b"v1", "resets the connection after each 4,000 bytes"),
    ("how=stall", 0.5, b"v1", "sends 4,000 bytes, and nothing more on this connection"),
    ("ranges=none&broken=2", 30, b"v1", "ignores `Range`, and breaks off twice"),
    ("edited=2&broken=3", 30, b"v2", "has another file from the second request on"),
)


async def check(attempt, server):
    asked = []

    async def note(request):
        asked.append(request)

    # One place in the pool: a stream that is left open is missed by the next request.
    limits, hooks = httpx.Limits(max_connections=1), {"request": [note]}
    async with httpx.AsyncClient(verify=False, limits=limits, event_hooks=hooks) as client:
        for query, read, version, does in CASES:
            client.timeout = httpx.Timeout(30, read=read, pool=3)
            await _one_file(attempt, server, client, query, version, does)
        client.timeout = httpx.Timeout(30, pool=3)
        expect(
            len(asked) == attempt.seen.requests,
            "All requests by the client that your function is given.",
            happened="Some were made by another client.",
        )
        for status in (404, 503):
            await _refused(attempt, server, client, status)
        await _without_end(attempt, server, client)
        expect(
            not client.is_closed,
            "The client is the caller's, and stays open.",
            happened="Your function has closed it.",
        )
        await check_cancelled(lambda: attempt(client, server.url + "/echo"))
    await attempt.require_nothing_left()


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
    expect(body == whole, expected, happened=_difference(bytes(body), whole), seen=seen)
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


async def _without_end(attempt, server, client):
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


def _requests(seen):
    return "1 request" if seen.requests == 1 else f"{seen.requests} requests"


EXERCISE = Exercise(
    id="09-streams-that-break-1",
    title="Go on where it broke",
    task="`download` appends blindly. Repair it: the file whole, each byte once, all of one "
    "version; what has come is not asked for again where the server lets you go on; six requests "
    "at most, then the last error is raised. A missing file is raised at once.",
    starter=download,
    hints=[
        "A stream breaks in more than one way. What class of httpx's are `RemoteProtocolError`, "
        "`ReadError` and `ReadTimeout`?",
        "Only a 206 is a part. What is the answer's status if the server does not take `Range`?",
        "The `ETag` names the version. `If-Range` with it asks for the rest of that version, or "
        "for the whole of another one.",
        "`raise_for_status()` before the body is read. After the last attempt, `raise` what broke "
        "it.",
    ],
    wrong=[
        WrongAnswer(asks_for_it_whole, "`RemoteProtocolError` came out"),
        WrongAnswer(catches_one_way_of_breaking, "`ReadError` came out"),
        WrongAnswer(catches_no_timeout, "`ReadTimeout` came out"),
        WrongAnswer(does_not_look_at_the_version, "some of the old file and some of the new one"),
        WrongAnswer(takes_each_answer_for_a_part, "some lines are there twice"),
        WrongAnswer(takes_an_error_page_for_the_file, "The server answered 404, and nothing"),
        WrongAnswer(asks_again_for_a_missing_file, "the server was asked 6 times"),
        WrongAnswer(looks_for_404_only, "The server answered 503, and nothing"),
        WrongAnswer(takes_a_cancellation_for_a_break, "and it swallowed that"),
        WrongAnswer(makes_a_client_of_its_own, "Some were made by another client"),
        WrongAnswer(keeps_what_it_has, "4000 bytes came, and were handed out as the file"),
        WrongAnswer(gives_up_without_a_word, "an object of type `NoneType`"),
        WrongAnswer(never_gives_up, "The server was asked more than that"),
    ],
    solution=solution,
    why="What has come counts where the server says 206 and the `ETag` is still the same. "
    "`If-Range` asks for exactly that, and a 200 says that the file begins anew.",
    check=check,
    right=[compares_the_versions_itself],
)
