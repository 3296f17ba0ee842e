"""The server holds the answer back until a gate is opened.

On the wire: nothing until then, as with a slow server, but the lesson decides how long "slow" is.
A gate is opened with `server.gates.open("name")` or with `POST /gates/name`.
The client raises: nothing, or what its own time limits make of it.
"""

import asyncio

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from server.faults.common import NoResponse, healthy
from server.params import MAX_SECONDS, NAME_PATTERN, Params, parse, takes
from server.state import connection_of, gates_of


class Gate(Params):
    gate: str = Field("default", pattern=NAME_PATTERN, description="name of the gate")


@takes(Gate)
async def hold(request: Request, params: Gate) -> Response:
    """Answers when its gate is opened; 503 if that takes longer than any delay may."""
    passing = asyncio.create_task(gates_of(request).passed(params.gate))
    leaving = asyncio.create_task(connection_of(request).lost_within(MAX_SECONDS))
    try:
        await asyncio.wait({passing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if passing.done():
            return healthy(request)
        if leaving.result():
            return NoResponse()
        return JSONResponse({"error": f"gate {params.gate} stayed closed"}, status_code=503)
    finally:
        passing.cancel()
        leaving.cancel()


async def open_gate(request: Request) -> Response:
    """Opens a gate and says how many requests it let through."""
    params = parse(Gate, [("gate", request.path_params["name"])])
    return JSONResponse({"gate": params.gate, "released": gates_of(request).open(params.gate)})


ROUTES = [Route("/hold", hold, methods=["GET", "POST"])]
