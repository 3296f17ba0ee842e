"""A stream through a service: open until the last byte, and no longer."""

import httpx
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.background import BackgroundTask

from course.exercises.export_trial import (
    Trial,
    check_body,
    check_broken,
    check_leaving,
    check_missing,
    check_moved,
    check_unanswered,
    check_zipped,
)
from workbench.checking.record import Exercise, WrongAnswer


async def export(client, url):
    """Return a response that passes on the status and the body of the answer from url."""
    async with client.stream("GET", url) as upstream:
        return StreamingResponse(upstream.aiter_bytes())


async def solution(client, url):
    """Return a response that passes on the status and the body of the answer from url."""
    upstream = await client.send(client.build_request("GET", url), stream=True)
    return StreamingResponse(
        upstream.aiter_bytes(), upstream.status_code, background=BackgroundTask(upstream.aclose)
    )


async def collects_the_body(client, url):
    upstream = await client.get(url)
    return Response(upstream.content, upstream.status_code)


async def opens_it_in_the_generator(client, url):
    async def body():
        async with client.stream("GET", url) as upstream:
            async for piece in upstream.aiter_bytes():
                yield piece

    return StreamingResponse(body())


async def closes_it_in_finally(client, url):
    upstream = await client.send(client.build_request("GET", url), stream=True)
    try:
        return StreamingResponse(upstream.aiter_bytes(), upstream.status_code)
    finally:
        await upstream.aclose()


async def returns_early(client, url):
    upstream = await client.send(client.build_request("GET", url), stream=True)
    if upstream.status_code == 404:
        return JSONResponse({"error": "no such file"}, 404)
    closing = BackgroundTask(upstream.aclose)
    return StreamingResponse(upstream.aiter_bytes(), upstream.status_code, background=closing)


async def hides_a_broken_body(client, url):
    upstream = await client.send(client.build_request("GET", url), stream=True)

    async def body():
        try:
            async for piece in upstream.aiter_bytes():
                yield piece
        except httpx.HTTPError:
            pass
        finally:
            await upstream.aclose()

    return StreamingResponse(body(), upstream.status_code)


async def answers_nothing(client, url):
    return None


async def returns_the_upstreams_response(client, url):
    return await client.get(url)


async def with_a_client_of_its_own(client, url):
    own = httpx.AsyncClient()
    upstream = await own.send(own.build_request("GET", url), stream=True)
    return StreamingResponse(
        upstream.aiter_bytes(), upstream.status_code, background=BackgroundTask(own.aclose)
    )


async def knows_one_bad_status(client, url):
    upstream = await client.send(client.build_request("GET", url), stream=True)
    closing = BackgroundTask(upstream.aclose)
    status = 404 if upstream.status_code == 404 else 200
    return StreamingResponse(upstream.aiter_bytes(), status, background=closing)


async def knows_one_success_only(client, url):
    upstream = await client.send(client.build_request("GET", url), stream=True)
    closing = BackgroundTask(upstream.aclose)
    status = upstream.status_code if upstream.is_error else 200
    return StreamingResponse(upstream.aiter_bytes(), status, background=closing)


async def asks_for_the_status_first(client, url):
    async with client.stream("GET", url) as first:
        status = first.status_code
    response = await opens_it_in_the_generator(client, url)
    response.status_code = status
    return response


async def follows_redirects(client, url):
    asked = client.send(client.build_request("GET", url), stream=True, follow_redirects=True)
    upstream = await asked
    closing = BackgroundTask(upstream.aclose)
    return StreamingResponse(upstream.aiter_bytes(), upstream.status_code, background=closing)


async def cuts_it_at_five_megabytes(client, url):
    upstream = await client.send(client.build_request("GET", url), stream=True)

    async def body():
        sent = 0
        async for piece in upstream.aiter_bytes():
            sent += len(piece)
            if sent > 5_000_000:
                break
            yield piece
        await upstream.aclose()

    return StreamingResponse(body(), upstream.status_code)


async def copies_the_length(client, url):
    upstream = await client.send(client.build_request("GET", url), stream=True)
    length = upstream.headers.get("content-length")
    return StreamingResponse(
        upstream.aiter_bytes(),
        upstream.status_code,
        headers={"content-length": length} if length else None,
        background=BackgroundTask(upstream.aclose),
    )


async def copies_all_headers(client, url):
    upstream = await client.send(client.build_request("GET", url), stream=True)
    headers = {k: v for k, v in upstream.headers.items() if k != "content-length"}
    return StreamingResponse(
        upstream.aiter_bytes(),
        upstream.status_code,
        headers=headers,
        background=BackgroundTask(upstream.aclose),
    )


async def passes_the_raw_bytes(client, url):
    upstream = await client.send(client.build_request("GET", url), stream=True)
    return StreamingResponse(
        upstream.aiter_raw(), upstream.status_code, background=BackgroundTask(upstream.aclose)
    )


async def takes_it_for_text(client, url):
    upstream = await client.send(client.build_request("GET", url), stream=True)
    closing = BackgroundTask(upstream.aclose)
    return StreamingResponse(upstream.aiter_text(), upstream.status_code, background=closing)


async def lifts_the_limits_for_all(client, url):
    client.timeout = None
    return await solution(client, url)


async def hides_that_nobody_answered(client, url):
    try:
        return await solution(client, url)
    except httpx.HTTPError:
        return Response()


async def leaves_it_to_the_body(client, url):
    upstream = await client.send(client.build_request("GET", url), stream=True)
    return StreamingResponse(upstream.aiter_bytes(), upstream.status_code)


async def closes_in_the_generator(client, url):
    upstream = await client.send(client.build_request("GET", url), stream=True)

    async def body():
        try:
            async for piece in upstream.aiter_bytes(65536):
                yield piece
        finally:
            await upstream.aclose()

    return StreamingResponse(body(), upstream.status_code)


async def enters_by_hand(client, url):
    opening = client.stream("GET", url)
    upstream = await opening.__aenter__()
    ending = BackgroundTask(opening.__aexit__, None, None, None)
    return StreamingResponse(upstream.aiter_bytes(), upstream.status_code, background=ending)


async def raw_with_its_headers(client, url):
    upstream = await client.send(client.build_request("GET", url), stream=True)
    return StreamingResponse(
        upstream.aiter_raw(),
        upstream.status_code,
        headers=upstream.headers,
        background=BackgroundTask(upstream.aclose),
    )


class ClosingResponse(StreamingResponse):
    def __init__(self, upstream):
        super().__init__(upstream.aiter_bytes(), upstream.status_code)
        self.upstream = upstream

    async def __call__(self, scope, receive, send):
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self.upstream.aclose()


async def a_response_that_closes(client, url):
    return ClosingResponse(await client.send(client.build_request("GET", url), stream=True))


async def check(attempt, server):
    async with Trial(attempt, server).mounted() as trial:
        await check_body(trial)
        await check_missing(trial)
        await check_moved(trial)
        await check_leaving(trial)
        await check_broken(trial)
        await check_unanswered(trial)
        await check_zipped(trial)


EXERCISE = Exercise(
    id="09-2",
    title="A stream through a service",
    task="`export` passes a file on, with the client that it is given. Repair it: the file arrives "
    "whole and piece by piece, also one that the upstream compresses; the caller gets the "
    "upstream's status, and no connection to the upstream is kept, whether the caller leaves early "
    "or the file is missing.",
    starter=export,
    hints=[
        "When is the upstream's response closed, and when is its body sent to the caller?",
        '`await client.send(client.build_request("GET", url), stream=True)` returns with the '
        "status known and the body still open.",
        "`StreamingResponse(..., status_code, background=BackgroundTask(upstream.aclose))` closes "
        "it after the last byte. All ways out of the function must lead there.",
    ],
    wrong=[
        WrongAnswer(collects_the_body, "waits for the last byte"),
        WrongAnswer(opens_it_in_the_generator, "known when your response was made"),
        WrongAnswer(closes_it_in_finally, "your function had returned by then"),
        WrongAnswer(returns_early, "on that way out nobody closes its response"),
        WrongAnswer(hides_a_broken_body, "took it for the whole"),
        WrongAnswer(answers_nothing, "No request was made"),
        WrongAnswer(returns_the_upstreams_response, "a response of httpx's"),
        WrongAnswer(with_a_client_of_its_own, "by another client"),
        WrongAnswer(knows_one_bad_status, "The upstream said 410, and the caller got 200"),
        WrongAnswer(knows_one_success_only, "The upstream said 201, and the caller got 200"),
        WrongAnswer(asks_for_the_status_first, "For one file it was asked 2 times"),
        WrongAnswer(follows_redirects, "the redirect was followed"),
        WrongAnswer(cuts_it_at_five_megabytes, "The caller got 200 and 49"),
        WrongAnswer(copies_the_length, "the length of the compressed body"),
        WrongAnswer(copies_all_headers, "says that it is compressed, and it is not"),
        WrongAnswer(passes_the_raw_bytes, "nothing told the caller so"),
        WrongAnswer(takes_it_for_text, "what cannot be decoded was replaced"),
        WrongAnswer(lifts_the_limits_for_all, "Its `timeout` was changed"),
        WrongAnswer(hides_that_nobody_answered, "without a word, and the caller got 200"),
    ],
    right=[
        leaves_it_to_the_body,
        closes_in_the_generator,
        enters_by_hand,
        raw_with_its_headers,
        a_response_that_closes,
    ],
    solution=solution,
    why="The status is known before the answer begins, and the upstream's response is closed after "
    "the last byte, or when uvicorn tells that the caller has left. Where sending *raises*, "
    "Starlette skips a background task: a dependency with `client.stream()`, as in the gateway, "
    "does without one. (On uvicorn an answer without the task passes here: a body that is read to "
    "its end, or cancelled meanwhile, closes its response itself. It must have begun for that.)",
    check=check,
)
