"""The answer ends before it is complete.

On the wire, `/truncated`: fewer bytes than its Content-Length says, then a FIN.
The client raises: `httpx.RemoteProtocolError: peer closed connection without sending complete
message body (received 10 bytes, expected 100)`.

On the wire, `/truncated-chunked`: chunks without the last one of length zero (RFC 9112, 7.1), then
a FIN.
The client raises: `httpx.RemoteProtocolError: peer closed connection without sending complete
message body (incomplete chunked read)`.
"""

from collections.abc import AsyncIterator

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from server.params import MAX_BYTES, MAX_PIECES, Params, takes
from server.state import connection_of


class Missing(Params):
    sent: int = Field(10, ge=0, le=MAX_BYTES, description="bytes of the body that are sent")
    missing: int = Field(90, ge=1, le=MAX_BYTES, description="bytes that are announced, not sent")


@takes(Missing)
async def with_length(request: Request, params: Missing) -> Response:
    """Sends less than its Content-Length says."""

    async def body() -> AsyncIterator[bytes]:
        if params.sent:
            yield b"x" * params.sent
        await connection_of(request).close()

    announced = {"content-length": str(params.sent + params.missing)}
    return StreamingResponse(body(), headers=announced)


class Chunks(Params):
    pieces: int = Field(2, ge=0, le=MAX_PIECES, description="chunks that are sent")
    size: int = Field(10, ge=1, le=MAX_BYTES // MAX_PIECES, description="bytes in a chunk")


@takes(Chunks)
async def chunked(request: Request, params: Chunks) -> Response:
    """Sends a chunked body without its end."""

    async def body() -> AsyncIterator[bytes]:
        for _ in range(params.pieces):
            yield b"x" * params.size
        await connection_of(request).close()

    return StreamingResponse(body())


ROUTES = [
    Route("/truncated", with_length, methods=["GET", "POST"]),
    Route("/truncated-chunked", chunked, methods=["GET", "POST"]),
]
