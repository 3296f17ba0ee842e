"""The upstream's routes on one screen: the healthy ones here, the faults from `server.faults`.

Every parameter has a cap (`server.params`), the server listens on loopback only, and a request
that names another host is refused, so that no web page can reach it by DNS rebinding.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from pydantic import Field, ValidationInfo, field_validator
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from server import faults
from server.body import WholeBody
from server.counters import Counters
from server.gates import Gates
from server.params import (
    MAX_BYTES,
    MAX_PIECES,
    MAX_SECONDS,
    BadParameter,
    Params,
    bad_parameter_response,
    describe,
    takes,
)

LOOPBACK_NAMES = ["127.0.0.1", "localhost"]
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def create_app(seed: int = 0) -> Starlette:
    """Return the application. `seed` is the one that `/faults/flaky` takes when none is given."""
    app = Starlette(
        routes=[
            Route("/", index),
            Route("/echo", echo, methods=METHODS),
            Route("/delay", delay, methods=METHODS),
            Route("/bytes", some_bytes),
            Route("/drip", drip),
            Route("/status", status, methods=METHODS),
            Route("/ledger", ledger),
            Route("/gates/{name}", faults.hold.open_gate, methods=["POST"]),
            Mount("/faults", routes=faults.ROUTES),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=LOOPBACK_NAMES),
            Middleware(WholeBody),
        ],
        exception_handlers={
            BadParameter: bad_parameter_response,
            404: unknown_path,
            405: wrong_method,
        },
    )
    # A path with a slash too many is unknown, not redirected: each answer here is deliberate.
    app.router.redirect_slashes = False
    app.state.gates = Gates()
    app.state.counters = Counters()
    app.state.seed = seed
    return app


@takes(Params)
async def index(request: Request, params: Params) -> JSONResponse:
    """What this server offers."""
    return JSONResponse(
        {"about": "the upstream that misbehaves on purpose", "routes": offers(request)}
    )


async def echo(request: Request) -> JSONResponse:
    """Says what arrived: method, headers, body length, and the JSON if it was some."""
    body = await request.body()
    return JSONResponse(
        {
            "method": request.method,
            "headers": dict(request.headers),
            "body_length": len(body),
            "json": _json_or_none(body),
        }
    )


def _json_or_none(body: bytes) -> Any:
    try:
        value = json.loads(body)
        # Python reads more than it may send back: NaN, and halves of a surrogate pair.
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return value


class Delay(Params):
    seconds: float = Field(
        0.1, ge=0, le=MAX_SECONDS, description="wait before the answer, in seconds"
    )


@takes(Delay)
async def delay(request: Request, params: Delay) -> JSONResponse:
    """Answers after a while."""
    await request.state.connection.lost_within(params.seconds)
    return JSONResponse({"delayed_seconds": params.seconds})


class Size(Params):
    size: int = Field(1024, ge=0, le=MAX_BYTES, description="length of the body, in bytes")


@takes(Size)
async def some_bytes(request: Request, params: Size) -> Response:
    """Answers with a body of a given size, in one piece."""
    return Response(b"x" * params.size, media_type="application/octet-stream")


class Drip(Params):
    pieces: int = Field(5, ge=1, le=MAX_PIECES, description="number of pieces")
    gap: float = Field(
        0.1,
        ge=0,
        le=MAX_SECONDS,
        validate_default=True,
        description=f"pause between pieces, in seconds, together {MAX_SECONDS:g} at most",
    )
    size: int = Field(
        1, ge=1, le=MAX_BYTES // MAX_PIECES, description="length of a piece, in bytes"
    )

    @field_validator("gap")
    @classmethod
    def cap_all_together(cls, gap: float, info: ValidationInfo) -> float:
        if gap * (info.data.get("pieces", 1) - 1) > MAX_SECONDS:
            raise ValueError("the pauses together are too long")
        return gap


@takes(Drip)
async def drip(request: Request, params: Drip) -> StreamingResponse:
    """Answers at once, then sends the body piece by piece."""

    async def pieces() -> AsyncIterator[bytes]:
        for number in range(params.pieces):
            if number:
                await asyncio.sleep(params.gap)
            yield b"x" * params.size

    return StreamingResponse(pieces(), media_type="application/octet-stream")


class Status(Params):
    code: int = Field(200, ge=200, le=599, description="status code of the answer")


@takes(Status)
async def status(request: Request, params: Status) -> Response:
    """Answers with a given status code."""
    # RFC 9110, 15.3.5 and 15.4.5: these two have no content.
    if params.code in (204, 304):
        return Response(status_code=params.code)
    return JSONResponse({"status": params.code}, status_code=params.code)


@takes(Params)
async def ledger(request: Request, params: Params) -> JSONResponse:
    """What the server has seen so far, this request included."""
    book = request.state.connection.ledger
    return JSONResponse(
        {"totals": book.totals(), "events": [event.as_dict() for event in book.events]}
    )


async def unknown_path(request: Request, exc: HTTPException) -> JSONResponse:
    """Answer 404 with a list of what exists."""
    return JSONResponse(
        {"error": f"no such path: {request.url.path}", "routes": offers(request)}, status_code=404
    )


async def wrong_method(request: Request, exc: HTTPException) -> JSONResponse:
    """Answer 405 (RFC 9110, 15.5.6) and say which methods the path has."""
    allowed = ", ".join(sorted((exc.headers or {}).get("Allow", "").split(", ")))
    return JSONResponse(
        {"error": f"{request.method} is not allowed here", "allowed": allowed},
        status_code=405,
        headers=exc.headers,
    )


def offers(request: Request) -> dict[str, dict[str, object]]:
    """Return path -> methods, purpose and parameters of every route of the application."""
    found: dict[str, dict[str, object]] = {}

    def add(prefix: str, routes: list) -> None:
        for route in routes:
            if isinstance(route, Mount):
                add(prefix + route.path, route.routes)
            else:
                found[prefix + route.path] = {
                    "methods": sorted((route.methods or set()) - {"HEAD"}),
                    "what": (route.endpoint.__doc__ or "").strip().partition("\n")[0],
                    "parameters": describe(getattr(route.endpoint, "params", Params)),
                }

    add("", request.app.routes)
    return found
