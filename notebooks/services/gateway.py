"""The gateway of lesson 09: it asks another service, its upstream, and passes the answers on.

One client serves all requests. It is opened when the service starts and closed when it stops.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse

routes = APIRouter()


def create_app(upstream: str, timeout: float = 5.0) -> FastAPI:
    """Return a gateway in front of the upstream at this address."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with httpx.AsyncClient(base_url=upstream, timeout=timeout) as client:
            yield {"client": client}

    app = FastAPI(lifespan=lifespan)
    app.include_router(routes)
    app.add_exception_handler(httpx.HTTPError, upstream_failed)
    return app


async def get_client(request: Request) -> httpx.AsyncClient:
    """Return the client that `lifespan` has opened."""
    return request.state.client


Client = Annotated[httpx.AsyncClient, Depends(get_client)]


@routes.get("/answers/{path:path}")
async def answers(path: str, request: Request, client: Client) -> Any:
    """Pass the upstream's JSON on."""
    response = await client.get("/" + path, params=request.query_params)
    response.raise_for_status()
    return response.json()


async def opened(path: str, request: Request, client: Client) -> AsyncIterator[httpx.Response]:
    """Hand out the upstream's response with its body still to come, and close it at the end."""
    async with client.stream("GET", "/" + path, params=request.query_params) as response:
        yield response


@routes.get("/files/{path:path}")
async def files(upstream: Annotated[httpx.Response, Depends(opened)]) -> StreamingResponse:
    """Pass the upstream's body on, piece by piece, whatever its status."""
    kind = upstream.headers.get("content-type")
    return StreamingResponse(upstream.aiter_bytes(), upstream.status_code, media_type=kind)


async def upstream_failed(request: Request, error: httpx.HTTPError) -> JSONResponse:
    """Say that it was not this service that failed."""
    status = 504 if isinstance(error, httpx.TimeoutException) else 502
    return JSONResponse({"upstream": type(error).__name__}, status)
