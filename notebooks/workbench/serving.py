"""Run an ASGI application on uvicorn and ask it, from a lesson, a check or a test.

async with serve(app) as service:
    response = await service.caller.get("/price")
service.errors      # what the application raised, and nobody in it caught
"""

import asyncio
import functools
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from server.ledger import Ledger
from server.local import LocalServer

# Made once, and not before it is needed: that takes longer than starting the service.
_context = functools.cache(ssl.create_default_context)
# After an exception uvicorn closes the connection, a moment after the 500: a caller that keeps
# connections alive may run into that (lesson 04).
ONE_USE = {"Connection": "close"}


@dataclass
class Service:
    """A running application.

    caller: a client whose base URL is the service's. ledger: what the service saw of its callers.
    errors: the exceptions that left the application, oldest first. One leaves it a moment after the
    500 that it causes: `ledger.settle()` waits for that.
    """

    url: str
    caller: httpx.AsyncClient
    ledger: Ledger
    errors: list[Exception] = field(default_factory=list)


@asynccontextmanager
async def serve(
    app: Any, *, headers: Mapping[str, str] = ONE_USE, timeout: float = 30.0
) -> AsyncIterator[Service]:
    """Start an ASGI application, give it with a caller, and stop it at the end of the block.

    headers, timeout: the caller's.

    Raises as `LocalServer.start` and `LocalServer.stop` do.
    """
    errors: list[Exception] = []
    server = LocalServer(noting(app, lambda scope, error: errors.append(error)))
    async with (
        running(server),
        httpx.AsyncClient(
            base_url=server.url, headers=headers, timeout=timeout, verify=_context()
        ) as caller,
    ):
        yield Service(server.url, caller, server.ledger, errors)


@asynccontextmanager
async def running(server: LocalServer) -> AsyncIterator[None]:
    """Start a server, and stop it at the end of the block, while this event loop goes on."""
    await asyncio.to_thread(server.start)
    try:
        yield
    finally:
        await asyncio.to_thread(server.stop)


def noting(app: Any, note: Callable[[Mapping[str, Any], Exception], None]) -> Any:
    """Return an ASGI application that calls `note(scope, error)` for each that `app` raises."""

    async def noted(scope, receive, send) -> None:
        try:
            await app(scope, receive, send)
        except Exception as error:
            note(scope, error)
            raise

    return noted
