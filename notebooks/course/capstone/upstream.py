"""The stock system that the judged service asks: the fault server, with a shop's paths.

A script says what a path meets, `{"/products/7": "/faults/reset"}`: a route of the fault server is
played in its place. "gate:first" lets the answer wait at a gate, and "drip" lets reviews come line
by line until gate `reviews` is open.
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Mapping

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from server.app import create_app
from server.ledger import clock

KEEP_ALIVE = 1.0  # seconds
UNKNOWN = range(9000, 10_000)  # numbers of products that do not exist
PIECE = 1000  # lines of the catalogue
GATE = "gate:"
DRIP = "drip"


def create_upstream(script: Mapping[str, str]) -> Starlette:
    """Return the application that plays `script`; what it does not name is answered well."""
    app = create_app()
    app.router.routes[:0] = [
        Route("/products/{number:int}", product),
        Route("/delivery/{number:int}", delivery),
        Route("/stock/{number:int}", stock),
        Route("/reviews/{number:int}", reviews),
        Route("/orders/{basket:int}", order, methods=["POST"]),
        Route("/catalogue", catalogue),
    ]
    app.state.script = script
    # Behind the fault server's own middleware: a request acts once it has arrived whole.
    app.user_middleware += [
        Middleware(HastyKeepAlive),
        Middleware(Scripted, script=script, gates=app.state.gates),
    ]
    return app


class Scripted:
    """ASGI middleware: plays the script."""

    def __init__(self, app: ASGIApp, script: Mapping[str, str], gates) -> None:
        self.app = app
        self.script = script
        self.gates = gates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        played = self.script.get(scope.get("path"), "")
        if played.startswith(GATE):
            await self.gates.passed(played.removeprefix(GATE))
        elif played and played != DRIP:
            path, _, query = played.partition("?")
            scope = {**scope, "path": path, "raw_path": path.encode()}
            scope["query_string"] = query.encode()
        await self.app(scope, receive, send)


class HastyKeepAlive:
    """ASGI middleware: a connection that was idle for longer than `KEEP_ALIVE` is closed.

    On the wire: the FIN comes when the next request is under way already, as with
    `/faults/close?nth=2` and as happens by chance behind a network with latency.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.answered: dict[int, float] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        connection = scope["state"]["connection"]
        if clock() - self.answered.get(connection.number, clock()) > KEEP_ALIVE:
            await connection.close()
            return
        await self.app(scope, receive, send)
        self.answered[connection.number] = clock()


def known(request: Request) -> int:
    """Return the number in the path. Raises a 404 for a product that does not exist."""
    number = request.path_params["number"]
    if number in UNKNOWN:
        raise HTTPException(404)
    return number


def about(number: int) -> dict:
    """Return what the shop knows of a product."""
    chance = random.Random(number)
    cents, days = chance.randrange(100, 10_000), chance.randrange(1, 9)
    movements = [chance.randrange(-20, 40) for _ in range(50)]
    return {"name": f"Product {number}", "cents": cents, "days": days, "movements": movements}


async def product(request: Request) -> JSONResponse:
    """Name and price of a product."""
    facts = about(known(request))
    return JSONResponse({"name": facts["name"], "cents": facts["cents"]})


async def delivery(request: Request) -> JSONResponse:
    """Days that a delivery takes."""
    return JSONResponse({"days": about(known(request))["days"]})


async def stock(request: Request) -> Response:
    """Movements of the stock, one a line."""
    return Response("\n".join(map(str, about(known(request))["movements"])) + "\n")


async def reviews(request: Request) -> StreamingResponse:
    """Two reviews, a line each; on a drip a line each 0.1 s, until gate `reviews` is open."""
    gates, script = request.app.state.gates, request.app.state.script

    async def drip() -> AsyncIterator[str]:
        passing = asyncio.create_task(gates.passed("reviews"))
        try:
            while not passing.done():
                yield "Good.\n"
                await asyncio.wait({passing}, timeout=0.1)
        finally:
            passing.cancel()

    lines = drip() if script.get(request.url.path) == DRIP else iter(["Good.\n", "Bad.\n"])
    return StreamingResponse(lines, media_type="text/plain")


async def order(request: Request) -> JSONResponse:
    """Takes an order."""
    wanted = json.loads(await request.body())
    return JSONResponse({"number": wanted["product"], **wanted}, status_code=201)


async def catalogue(request: Request) -> StreamingResponse:
    """All products: the first half at once, the second when gate `catalogue` is open."""

    async def halves() -> AsyncIterator[str]:
        yield half(0)
        await request.app.state.gates.passed("catalogue")
        yield half(1)

    return StreamingResponse(halves(), media_type="text/csv")


def half(which: int) -> str:
    """Return the first half of the catalogue (0) or the second (1)."""
    numbers = range(which * PIECE, (which + 1) * PIECE)
    return "".join(f"{number},Product {number},{'x' * 80}\n" for number in numbers)
