"""The server takes the request and never answers.

On the wire: nothing, until the client gives up; after the longest delay that any route has, a FIN.
The client raises: `httpx.ReadTimeout`, whose `str()` is empty.
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.faults.common import NoResponse
from server.params import MAX_SECONDS, Params, takes
from server.state import connection_of


@takes(Params)
async def never(request: Request, params: Params) -> Response:
    """Never answers."""
    connection = connection_of(request)
    if not await connection.lost_within(MAX_SECONDS):
        await connection.close()
    return NoResponse()


ROUTES = [Route("/silence", never, methods=["GET", "POST"])]
