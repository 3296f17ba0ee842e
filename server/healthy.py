"""The healthy routes: what they answer is what was asked for."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from pydantic import Field, ValidationInfo, field_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from server.params import MAX_BYTES, MAX_PIECES, MAX_SECONDS, Params, takes
from server.state import connection_of


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
    """Answers after a while.

    On the wire: nothing until then. A client that half-closes meanwhile (sends its FIN) is taken
    for one that has left: it gets a FIN and no answer.
    """
    await connection_of(request).lost_within(params.seconds)
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
    book = connection_of(request).ledger
    return JSONResponse(
        {"totals": book.totals(), "events": [event.as_dict() for event in book.events]}
    )
