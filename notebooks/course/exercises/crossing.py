"""A schedule for checks: a request that leaves while the server's FIN is on its way."""

import asyncio

import httpx

from server.ledger import clock
from server.local import LocalServer
from server.wire import Link


async def cross_the_fin(client: httpx.AsyncClient, server: LocalServer, link: Link) -> None:
    """Send a request, wait until the server has closed all connections, and send another.

    The second leaves at once, while the FIN is on the link to `server`. On a machine that was too
    busy for that, it begins again. Raises what the client raises.
    """
    while True:
        await client.get(link.url + "/echo")
        await asyncio.to_thread(server.ledger.wait_until_closed)
        closed = max(event.time for event in server.ledger.events if event.kind == "closed")
        if clock() - closed < link.delay / 2:
            await client.get(link.url + "/echo")
            return
