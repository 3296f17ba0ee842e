"""What several faults share: the request from which on they strike, and the empty hand."""

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from server.params import MAX_PIECES, Params
from server.state import connection_of


class FromNth(Params):
    nth: int = Field(
        1, ge=1, le=MAX_PIECES, description="the first request of a connection that fails"
    )


class NoResponse(Response):
    """For a request whose connection is gone: sends nothing."""

    async def __call__(self, scope, receive, send) -> None:
        return None


def healthy(request: Request) -> JSONResponse:
    """Return the answer that a fault gives while it does not strike."""
    connection = connection_of(request)
    return JSONResponse({"connection": connection.number, "request": connection.requests})
