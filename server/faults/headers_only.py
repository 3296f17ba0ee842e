"""The server sends the head of an answer and then nothing.

On the wire: status line and headers, with a Content-Length, and no byte of the body; after the
longest delay that any route has, a FIN.
The client raises: `httpx.ReadTimeout`, while it reads the body: a plain `await client.get()` never
hands out the response, `client.stream()` does.
"""

from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from server.params import MAX_SECONDS, Params, takes
from server.state import connection_of


@takes(Params)
async def headers_then_never(request: Request, params: Params) -> Response:
    """Sends headers, never a body."""
    connection = connection_of(request)

    async def body() -> AsyncIterator[bytes]:
        if not await connection.lost_within(MAX_SECONDS):
            await connection.close()
        return
        yield  # makes this an async generator: it has no piece to give

    return StreamingResponse(body(), headers={"content-length": "10"})


ROUTES = [Route("/headers-only", headers_then_never, methods=["GET", "POST"])]
