"""The server closes the connection in an orderly way (FIN), at a moment that may hurt.

On the wire, `/close`: a FIN instead of the answer. With `nth=2` the first request of a connection
is answered and the second is not, which is the keep-alive race without the race.
The client raises: `httpx.RemoteProtocolError: Server disconnected without sending a response.`

On the wire, `/connection-close`: an answer with `Connection: close` (RFC 9112, 9.6), then a FIN.
The client raises nothing and does not use the connection again.
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.faults.common import FromNth, NoResponse, healthy
from server.params import Params, takes
from server.state import connection_of


@takes(FromNth)
async def without_answer(request: Request, params: FromNth) -> Response:
    """Closes the connection instead of answering."""
    connection = connection_of(request)
    if connection.requests < params.nth:
        return healthy(request)
    await connection.close()
    return NoResponse()


@takes(Params)
async def after_answer(request: Request, params: Params) -> Response:
    """Answers, and closes the connection after it."""
    response = healthy(request)
    response.headers["connection"] = "close"
    return response


ROUTES = [
    Route("/close", without_answer, methods=["GET", "POST"]),
    Route("/connection-close", after_answer, methods=["GET", "POST"]),
]
