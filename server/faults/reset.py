"""The server drops the connection with a reset (RST), as a crashed process or a firewall does.

On the wire: an RST instead of the answer, or after some bytes of its body.
The client raises: `httpx.ReadError`, whose `str()` is empty.
"""

from collections.abc import AsyncIterator

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from server.faults.common import FromNth, NoResponse, healthy
from server.params import MAX_BYTES, Params, takes
from server.state import connection_of


@takes(FromNth)
async def before(request: Request, params: FromNth) -> Response:
    """Resets the connection instead of answering."""
    connection = connection_of(request)
    if connection.requests < params.nth:
        return healthy(request)
    await connection.reset()
    return NoResponse()


class Cut(Params):
    sent: int = Field(10, ge=0, le=MAX_BYTES, description="bytes of the body before the reset")


@takes(Cut)
async def in_body(request: Request, params: Cut) -> Response:
    """Resets the connection in the middle of the body."""

    async def body() -> AsyncIterator[bytes]:
        if params.sent:
            yield b"x" * params.sent
        await connection_of(request).reset()

    return StreamingResponse(body(), headers={"content-length": str(params.sent + 1)})


ROUTES = [
    Route("/reset", before, methods=["GET", "POST"]),
    Route("/reset-in-body", in_body, methods=["GET", "POST"]),
]
