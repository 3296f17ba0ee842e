"""The stock system that the judged service asks: the fault server, with a shop's paths.

`replay.py` runs it. A script says what a path meets, `{"/products/7": "/faults/reset"}`: another
route of this server is played in its place. "gate:first" lets the answer wait at a gate, "drip"
lets its body begin with a blank every 0.1 s until gate `late` is open.
"""

import asyncio
import json
import random
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.app import create_app
from server.faults.common import NoResponse
from server.ledger import clock

CLOSES_AFTER = 0.85  # seconds: "a second or a little less"
UNKNOWN = range(9000, 10_000)  # numbers of products that do not exist
PIECE = 1000  # lines of a part of the catalogue
PARTS = 6  # of a catalogue that takes its time
BETWEEN = 0.25  # seconds between them: less than any time limit, and together more than a second
GATE = "gate:"
DRIP = "drip"
LATE = "late"  # the gate of everything that is late


def create_upstream(script: dict[str, str]) -> Starlette:
    """Return the application that plays `script`; what it does not name is answered well.

    The script may be changed while it is played. Idle connections are closed while `state.hasty` is
    set. `state.cookies` are the paths of requests that carried a cookie.
    """
    app = create_app()
    app.router.routes[:0] = [
        Route("/products/{number:int}", product),
        Route("/delivery/{number:int}", delivery),
        Route("/stock/{number:int}", stock),
        Route("/reviews/{number:int}", reviews),
        Route("/orders/{basket:int}", order, methods=["POST"]),
        Route("/catalogue", catalogue),
        Route("/parts", parts),
        Route("/broken-off", broken_off),
        Route("/slow-head", slow_head),
        Route("/maintenance", maintenance, methods=["GET", "POST"]),
        Route("/nothing-known", nothing_known),
        Route("/moved", moved),
    ]
    app.state.cookies = []
    app.state.hasty = threading.Event()
    # Behind the fault server's own middleware: a request acts once it has arrived whole.
    app.user_middleware += [
        Middleware(HastyKeepAlive, hasty=app.state.hasty),
        Middleware(NotingCookies, paths=app.state.cookies),
        Middleware(Scripted, script=script, gates=app.state.gates),
    ]
    return app


class Scripted:
    """ASGI middleware: plays the script."""

    def __init__(self, app: ASGIApp, script: dict[str, str], gates) -> None:
        self.app = app
        self.script = script
        self.gates = gates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        played = self.script.get(scope.get("path"), "")
        if played == DRIP:
            send = self._dripping(send)
        elif played.startswith(GATE):
            await self.gates.passed(played.removeprefix(GATE))
        elif played:
            path, _, query = played.partition("?")
            scope = {**scope, "path": path, "raw_path": path.encode()}
            scope["query_string"] = query.encode()
        await self.app(scope, receive, send)

    def _dripping(self, send: Send) -> Send:
        """Return `send` with a body that begins late, and with blanks."""

        async def dripping(message: Message) -> None:
            if message["type"] == "http.response.start":
                known = [pair for pair in message["headers"] if pair[0] != b"content-length"]
                message = {**message, "headers": known}
            else:
                async for blank in until_late(self.gates, b" "):
                    await send({"type": "http.response.body", "body": blank, "more_body": True})
            await send(message)

        return dripping


async def until_late(gates, piece: bytes) -> AsyncIterator[bytes]:
    """Yield a piece every 0.1 s until gate `LATE` is open."""
    passing = asyncio.create_task(gates.passed(LATE))
    try:
        while not passing.done():
            yield piece
            await asyncio.wait({passing}, timeout=0.1)
    finally:
        passing.cancel()


class HastyKeepAlive:
    """ASGI middleware: a connection that was idle for longer than `CLOSES_AFTER` is closed.

    On the wire: the FIN comes when the next request is under way already, as with
    `/faults/close?nth=2` and as happens by chance behind a network with latency. It does so only
    while `hasty` is set: on a slow machine connections are idle at other times, too.
    """

    def __init__(self, app: ASGIApp, hasty: threading.Event) -> None:
        self.app = app
        self.hasty = hasty
        self.answered: dict[int, float] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        connection = scope["state"]["connection"]
        idle = clock() - self.answered.get(connection.number, clock())
        if self.hasty.is_set() and idle > CLOSES_AFTER:
            await connection.close()
            return
        await self.app(scope, receive, send)
        self.answered[connection.number] = clock()


class NotingCookies:
    """ASGI middleware: notes the path of each request that carries a cookie."""

    def __init__(self, app: ASGIApp, paths: list[str]) -> None:
        self.app = app
        self.paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if any(name == b"cookie" for name, _ in scope.get("headers", ())):
            self.paths.append(scope["path"])
        await self.app(scope, receive, send)


def known(request: Request) -> int:
    """Return the number in the path. Raises a 404 for a product that does not exist."""
    number = request.path_params["number"]
    if number in UNKNOWN:
        raise HTTPException(404)
    return number


def about(number: int) -> dict[str, Any]:
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


async def reviews(request: Request) -> Response:
    """Two reviews, a line each."""
    return Response("Good.\nBad.\n", media_type="text/plain")


async def order(request: Request) -> JSONResponse:
    """Takes an order, and sets a cookie for the customer."""
    wanted = json.loads(await request.body())
    response = JSONResponse({"number": wanted["product"], **wanted}, status_code=201)
    response.set_cookie("customer", str(request.path_params["basket"]))
    return response


async def catalogue(request: Request) -> StreamingResponse:
    """All products: the first half at once, the second when gate `catalogue` is open."""

    async def halves() -> AsyncIterator[str]:
        yield part_of_it(0)
        await request.app.state.gates.passed("catalogue")
        yield part_of_it(1)

    return StreamingResponse(halves(), media_type="text/csv")


async def parts(request: Request) -> StreamingResponse:
    """A catalogue that takes its time: a part every 0.25 s."""

    async def one_by_one() -> AsyncIterator[str]:
        for part in range(PARTS):
            yield part_of_it(part)
            if part + 1 < PARTS:
                await asyncio.sleep(BETWEEN)

    return StreamingResponse(one_by_one(), media_type="text/csv")


async def broken_off(request: Request) -> StreamingResponse:
    """The first half of the catalogue, and a FIN in place of the second."""

    async def first_half() -> AsyncIterator[str]:
        yield part_of_it(0)
        await request.state.connection.close()

    return StreamingResponse(first_half(), media_type="text/csv")


async def slow_head(request: Request) -> NoResponse:
    """A header every 0.1 s until gate `late` is open, and then a FIN."""
    connection = request.state.connection
    connection.write(b"HTTP/1.1 200 OK\r\n")
    async with aclosing(until_late(request.app.state.gates, b"X-Wait: a little\r\n")) as lines:
        async for line in lines:
            if await connection.lost_within(0):
                break
            connection.write(line)
    await connection.close()
    return NoResponse()


async def maintenance(request: Request) -> HTMLResponse:
    """A page for people, with status 200."""
    return HTMLResponse("<h1>We will be right back</h1>")


async def nothing_known(request: Request) -> JSONResponse:
    """JSON, and not a word of what was asked for."""
    return JSONResponse({"note": "moved to the new system"})


async def moved(request: Request) -> Response:
    """302, to a page for people."""
    return Response(status_code=302, headers={"location": "/maintenance"})


def part_of_it(part: int) -> str:
    """Return a part of the catalogue, counted from 0."""
    numbers = range(part * PIECE, (part + 1) * PIECE)
    return "".join(f"{number},Product {number},{'x' * 80}\n" for number in numbers)
