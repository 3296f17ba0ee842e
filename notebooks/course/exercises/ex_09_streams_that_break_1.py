"""A download that breaks off, and goes on where it broke."""

import asyncio
import contextlib

import httpx

from course.exercises.download_trial import MOST, check
from workbench.checking.record import Exercise, WrongAnswer


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
                if etag.startswith("W/"):
                    headers.clear()
                async for piece in response.aiter_bytes():
                    body += piece
                    if not etag.startswith("W/"):
                        headers["Range"] = f"bytes={len(body)}-"
                        if tag:
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


async def sends_any_version(client, url):
    body, headers = bytearray(), {}
    for _ in range(MOST):
        try:
            async with client.stream("GET", url, headers=headers) as response:
                response.raise_for_status()
                if response.status_code == 200:
                    body.clear()
                async for piece in response.aiter_bytes():
                    body += piece
                    etag = response.headers["etag"]
                    headers = {"Range": f"bytes={len(body)}-", "If-Range": etag}
            return bytes(body)
        except httpx.TransportError as error:
            problem = error
    raise problem


async def takes_a_weak_version_for_a_strong_one(client, url):
    body, version = bytearray(), None
    for _ in range(MOST):
        headers = {"Range": f"bytes={len(body)}-"} if body else {}
        try:
            async with client.stream("GET", url, headers=headers) as response:
                response.raise_for_status()
                etag = response.headers["etag"]
                if response.status_code == 206 and etag != version:
                    body.clear()
                    continue
                if response.status_code == 200:
                    body.clear()
                version = etag
                async for piece in response.aiter_bytes():
                    body += piece
            return bytes(body)
        except httpx.TransportError as error:
            problem = error
    raise problem


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


async def sets_a_header_for_all(client, url):
    client.headers["Accept-Encoding"] = "identity"
    return await solution(client, url)


async def raises_one_of_its_own(client, url):
    try:
        return await solution(client, url)
    except httpx.TransportError as error:
        raise httpx.ReadError("it broke too often") from error


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
        strong = version and not version.startswith("W/")
        headers = {"range": f"bytes={len(body)}-"} if body and strong else {}
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
        "for the whole of another one. Without `W/` in front, that is: with it, other bytes may "
        "have the same tag.",
        "`raise_for_status()` before the body is read. After the last attempt, `raise` what broke "
        "it.",
    ],
    wrong=[
        WrongAnswer(asks_for_it_whole, "`RemoteProtocolError` came out"),
        WrongAnswer(catches_one_way_of_breaking, "`ReadError` came out"),
        WrongAnswer(catches_no_timeout, "`ReadTimeout` came out"),
        WrongAnswer(does_not_look_at_the_version, "some of the old file and some of the new one"),
        WrongAnswer(sends_any_version, "does not name one file byte by byte"),
        WrongAnswer(takes_a_weak_version_for_a_strong_one, "the tag was still"),
        WrongAnswer(takes_each_answer_for_a_part, "some lines are there twice"),
        WrongAnswer(takes_an_error_page_for_the_file, "The server answered 404, and nothing"),
        WrongAnswer(asks_again_for_a_missing_file, "the server was asked 6 times"),
        WrongAnswer(looks_for_404_only, "The server answered 503, and nothing"),
        WrongAnswer(sets_a_header_for_all, "Its `headers` was changed"),
        WrongAnswer(raises_one_of_its_own, "not what the last request ended with"),
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
