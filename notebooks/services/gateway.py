"""The gateway of lesson 09: it asks another service, its upstream, and passes the answers on.

Lesson 09 runs it, and so do its tests. It opens connections to the upstream and touches nothing
else. One client serves all requests: it is opened when the service starts, closed when it stops.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Annotated, Any

import httpx
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, StreamingResponse

routes = APIRouter()


def create_app(
    upstream: str, timeout: float | httpx.Timeout = 5.0, connections: int = 100
) -> FastAPI:
    """Return a gateway in front of the upstream at this address.

    timeout: that of its client, seconds. connections: to the upstream, at most.
    """
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with httpx.AsyncClient(
            base_url=upstream, timeout=timeout, limits=limits, cookies=no_cookies()
        ) as client:
            yield {"client": client}

    app = FastAPI(lifespan=lifespan)
    app.include_router(routes)
    app.add_exception_handler(httpx.HTTPError, request_failed)
    app.add_exception_handler(httpx.InvalidURL, no_such_url)
    return app


def no_cookies() -> CookieJar:
    """Return a jar that accepts no cookie: the client serves callers who must not meet."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))


async def get_client(request: Request) -> httpx.AsyncClient:
    """Return the client that `lifespan` has opened."""
    return request.state.client


Client = Annotated[httpx.AsyncClient, Depends(get_client)]


def asked_for(request: Request, client: httpx.AsyncClient) -> httpx.URL:
    """Return the upstream's URL for the caller's path and query, as the caller wrote them.

    Raw: Starlette's `path` is decoded, and a `?` or a `#` in it would end the upstream's path.
    """
    raw_path, query = request.scope["raw_path"], request.scope["query_string"]
    _, slash, rest = raw_path.removeprefix(b"/").partition(b"/")  # what follows on the route
    if not slash:
        raise HTTPException(404, "the slash after the route's name must not be encoded")
    target = client.base_url.raw_path + rest + (b"?" + query if query else b"")
    return client.base_url.copy_with(raw_path=target)


@routes.get("/answers/{path:path}")
async def answers(request: Request, client: Client) -> Any:
    """Pass the upstream's JSON on; 404 where it says 404."""
    response = await client.get(asked_for(request, client))
    if response.status_code == 404:
        raise HTTPException(404, "the upstream has no such thing")
    response.raise_for_status()
    try:
        return response.json()
    except ValueError:
        raise HTTPException(502, "the upstream's answer is no JSON") from None


async def opened(request: Request, client: Client) -> AsyncIterator[httpx.Response]:
    """Hand out the upstream's response with its body still to come, and close it at the end."""
    async with client.stream("GET", asked_for(request, client)) as response:
        yield response


@routes.get("/files/{path:path}")
async def files(upstream: Annotated[httpx.Response, Depends(opened)]) -> StreamingResponse:
    """Pass the upstream's body on, piece by piece, whatever its status.

    `aiter_bytes` decodes what is compressed. So neither `content-encoding` nor `content-length`
    is passed on: they tell of the upstream's bytes, not of ours.
    """
    kind = upstream.headers.get("content-type")
    return StreamingResponse(upstream.aiter_bytes(), upstream.status_code, media_type=kind)


# For an exception that is none of these, the closest of its base classes counts.
STATUS = {
    httpx.HTTPError: 502,  # the upstream gave no proper answer
    httpx.TimeoutException: 504,  # it gave none in time
    httpx.PoolTimeout: 503,  # it was not asked: we got no connection of our pool in time
}
OUR_MISTAKES = (httpx.LocalProtocolError, httpx.UnsupportedProtocol)  # what we sent is no HTTP


async def request_failed(request: Request, error: httpx.HTTPError) -> JSONResponse:
    """Say whose failure it was, as far as httpx can tell."""
    if isinstance(error, OUR_MISTAKES):
        raise error  # a 500, and a traceback in our log
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    return JSONResponse({"error": type(error).__name__}, status)


async def no_such_url(request: Request, error: httpx.InvalidURL) -> JSONResponse:
    """Say that the caller's path makes no URL of the upstream: it may be too long for one."""
    return JSONResponse({"error": type(error).__name__}, 400)
