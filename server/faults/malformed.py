"""The answer breaks HTTP's own grammar.

On the wire: a chunked body whose second chunk has no hexadecimal size (RFC 9112, 7.1).
The client raises: `httpx.RemoteProtocolError: illegal chunk header: ...`, in h11's words.
"""

from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from server.params import Params, takes
from server.state import connection_of


@takes(Params)
async def chunk(request: Request, params: Params) -> Response:
    """Sends one good chunk, then one whose size is no number."""
    connection = connection_of(request)

    async def body() -> AsyncIterator[bytes]:
        yield b"good"
        connection.write(b"zz\r\nbad\r\n")
        await connection.close()

    return StreamingResponse(body())


ROUTES = [Route("/malformed-chunk", chunk, methods=["GET", "POST"])]
