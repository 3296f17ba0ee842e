"""A stream through a service: open until the last byte, and no longer."""

import asyncio
import ssl
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.background import BackgroundTask

from workbench.checking.record import Exercise, WrongAnswer, expect, still_open
from workbench.serving import serve

SIZE = 300_000
MISSING = 3
PATIENCE = 3.0  # seconds, for the first piece and for the end of a connection
LONG = "/drip?pieces=1000&gap=0.03"  # half a minute


async def export(client, url):
    """Return a response that passes on the status and the body of the answer from url."""
    async with client.stream("GET", url) as upstream:
        return StreamingResponse(upstream.aiter_bytes())


async def solution(client, url):
    """Return a response that passes on the status and the body of the answer from url."""
    upstream = await client.send(client.build_request("GET", url), stream=True)
    return StreamingResponse(
        upstream.aiter_bytes(),
        upstream.status_code,
        background=BackgroundTask(upstream.aclose),
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
    return StreamingResponse(upstream.aiter_bytes(), background=BackgroundTask(upstream.aclose))


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


async def check(attempt, server):
    context = ssl.create_default_context()

    @asynccontextmanager
    async def lifespan(app):
        async with httpx.AsyncClient(verify=context, timeout=30) as client:
            yield {"client": client}

    app = FastAPI(lifespan=lifespan)

    @app.get("/export")
    async def mounted(url: str, request: Request):
        return await attempt(request.state.client, url)

    async with serve(app, timeout=PATIENCE) as service:
        await _check_body(service, server)
        await _check_missing(service, server)
        await _check_leaving(service, server)
        await _check_broken(service, server)


async def _check_body(service, server):
    status, size, problem = await _download(service, f"{server.url}/bytes?size={SIZE}")
    expect(
        problem is None and (status, size) == (200, SIZE),
        f"200, and a body of {SIZE} bytes.",
        happened=f"The caller got {status} and {size} bytes, then `{problem}`. The upstream's "
        "response was closed before its body was sent: your function had returned by then.",
    )


async def _check_missing(service, server):
    with server.ledger.watch() as seen:
        statuses = [
            (await _download(service, f"{server.url}/status?code=404"))[0] for _ in range(MISSING)
        ]
    expect(
        set(statuses) == {404},
        "The upstream's status, 404, for a file that is missing.",
        happened=f"The caller got {statuses[0]}: your response had its status before the upstream "
        "was asked.",
        seen=seen,
    )
    expect(
        len(still_open(seen)) <= 1,
        "A missing file keeps no connection.",
        happened=f"{MISSING} missing files, and {len(still_open(seen))} connections to the "
        "upstream still open: on that way out nobody closes its response.",
        seen=seen,
    )


async def _check_broken(service, server):
    _, _, problem = await _download(service, f"{server.url}/faults/truncated")
    expect(
        problem is not None,
        "If the upstream breaks off, the caller's body breaks off, too.",
        happened="The caller got a part of the file and took it for the whole: your function "
        "swallowed the exception.",
    )


async def _check_leaving(service, server):
    before = server.ledger.totals()["closed"]
    try:
        async with service.caller.stream("GET", "/export", params={"url": server.url + LONG}) as r:
            await anext(r.aiter_bytes())
    except httpx.ReadTimeout:
        expect(
            False,
            "The first piece of a long body comes at once.",
            happened=f"Nothing came within {PATIENCE:g} s: your function waits for the last byte "
            "and holds the whole body in memory.",
        )
    try:
        await asyncio.to_thread(
            server.ledger.wait_until, lambda ledger: ledger.totals()["closed"] > before, PATIENCE
        )
    except TimeoutError:
        expect(
            False,
            "If the caller leaves, the upstream's connection is closed.",
            happened=f"The caller has left, and the upstream was still sending {PATIENCE:g} s "
            "later.",
        )


async def _download(service, url):
    """Return the status, the size of the body, and the exception that ended it too early."""
    size, problem = 0, None
    async with service.caller.stream("GET", "/export", params={"url": url}) as response:
        try:
            async for piece in response.aiter_bytes():
                size += len(piece)
        except httpx.RemoteProtocolError as error:
            problem = error
    if response.status_code == 500:
        service.ledger.settle()  # the exception leaves the app a moment after the 500
        if service.errors:
            raise service.errors[0]
    return response.status_code, size, problem


EXERCISE = Exercise(
    id="09-2",
    title="A stream through a service",
    task="`export` passes a file on. Repair it: the file arrives whole and piece by piece, the "
    "caller gets the upstream's status, and no connection to the upstream is kept, whether the "
    "caller leaves early or the file is missing.",
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
        WrongAnswer(opens_it_in_the_generator, "before the upstream was asked"),
        WrongAnswer(closes_it_in_finally, "your function had returned by then"),
        WrongAnswer(returns_early, "on that way out nobody closes its response"),
        WrongAnswer(hides_a_broken_body, "took it for the whole"),
    ],
    solution=solution,
    why="The status is known before the answer begins, and the upstream's response is closed when "
    "the answer has ended, however it ends.",
    check=check,
)
