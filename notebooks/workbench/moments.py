"""Arrange what is under way when something happens: a connection held, a step reached.

    async with held_connection(client, server):
        await client.get(url)               # waits in the pool, if the client may have one

    moment = Moment("connection.connect_tcp.started")
    call = client.get(url, extensions={"trace": moment})
    await moment.reached.wait()             # in another task

    await get_as_server_closes(client, server, url)     # the request and the FIN cross

Lessons call it. It sends requests of the client that it is given, and opens a gate of the server
that no one else uses.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from server.ledger import clock
from server.local import LocalServer

_numbers = itertools.count(1)
POLL = 0.02  # seconds between two looks at the ledger


@asynccontextmanager
async def held_connection(client: httpx.AsyncClient, server: LocalServer) -> AsyncIterator[None]:
    """Hold one of the client's connections while the block runs, by a request that waits.

    server: one that runs the course's own application. The request, a GET of `/faults/hold`,
        stands at a gate there; it is answered when the block ends, however it ends.

    Raises what httpx raises for that request.
    """
    gate = f"held-{next(_numbers)}"
    holding = asyncio.create_task(client.get(f"{server.url}/faults/hold?gate={gate}"))
    reaching = asyncio.create_task(server.gates.reached(gate))
    try:
        await asyncio.wait({holding, reaching}, return_when=asyncio.FIRST_COMPLETED)
        if holding.done():  # it failed before it stood at the gate
            holding.result()
        await reaching
        yield
    finally:
        reaching.cancel()
        server.gates.open(gate)
        await holding


class Moment:
    """A step of a request that others can wait for; it is given to httpx as its `trace`.

    step: as httpcore names it (https://www.encode.io/httpcore/extensions/), such as
        "connection.connect_tcp.started". `reached` is an `asyncio.Event`, set the first time that
        a request with this trace comes to the step. Who waits for it runs in the loop's next turn.
    hold: an async function without arguments; the request goes on when it has returned. It may be
        an event's `wait`. Without one the request does not stop.
    """

    def __init__(self, step: str, hold: Callable[[], Awaitable[object]] | None = None) -> None:
        self.step = step
        self._hold = hold
        self.reached = asyncio.Event()

    async def __call__(self, name: str, info: Mapping[str, Any]) -> None:
        if name == self.step:
            self.reached.set()
            if self._hold is not None:
                await self._hold()


async def get_as_server_closes(
    client: httpx.AsyncClient, server: LocalServer, url: str, *, within: float = 0.15
) -> httpx.Response:
    """GET twice, the second time as soon as the server has closed the first one's connection.

    server: closes idle connections (`timeout_keep_alive=1`). url: of an answer that says on which
        connection it came, `/faults/flaky?probability=0`, at the server or at a link to it.
    within: seconds. Where this machine took longer to hear of the close, it begins again with a
        new connection; over a link of a longer delay the FIN is still under way.

    Returns the second response. Raises what httpx raises for either request, and `TimeoutError` if
    the server has not closed the connection within 10 s.
    """
    while True:
        response = await client.get(url)
        if await _closed_ago(server, response.json()["connection"]) < within:
            return await client.get(url)


async def _closed_ago(server: LocalServer, connection: int) -> float:
    """Wait until the server has closed this connection; return how many seconds ago that was."""
    async with asyncio.timeout(10):
        while True:
            for event in reversed(server.ledger.events):
                if event.kind == "closed" and event.connection == connection:
                    server.ledger.settle()  # the FIN has left the server's socket
                    return clock() - event.time
            await asyncio.sleep(POLL)
