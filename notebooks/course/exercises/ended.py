"""How a call ends badly, for the checks of several exercises: cancelled, or without an answer.

Each holds httpx's transport for the call, so nothing is sent.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from unittest import mock

import httpx

from workbench.checking.record import Attempt, expect

PATIENCE = 3.0  # seconds for what waits for nothing any more


@contextmanager
def clients_made() -> Iterator[list[httpx.AsyncClient]]:
    """Give the clients that are made in the block: as the list has them, none is collected."""
    made: list[httpx.AsyncClient] = []
    init = httpx.AsyncClient.__init__

    def noting(client, *args, **kwargs):
        made.append(client)
        init(client, *args, **kwargs)

    with mock.patch.object(httpx.AsyncClient, "__init__", noting):
        yield made


def require_closed(made: list[httpx.AsyncClient], when: str) -> None:
    """Raise `Wrong` if one of the clients is open; `when` says how the call ended."""
    left = sum(not client.is_closed for client in made)
    expect(
        not left,
        "Each client that it makes is closed, however the call ends.",
        happened=f"{when}, and {left} of the {len(made)} clients that it had made were open."
        if len(made) > 1
        else f"{when}, and its client was not closed.",
    )


async def check_cancelled(call: Callable[[], Awaitable]) -> None:
    """Cancel the call while its request is under way: it ends, and so does its client."""
    asked = asyncio.Event()

    async def unanswered(transport, request):
        asked.set()
        await asyncio.Event().wait()

    with clients_made() as made, _transport_that(unanswered):
        running = asyncio.ensure_future(call())
        asking = asyncio.create_task(asked.wait())
        await asyncio.wait({running, asking}, return_when=asyncio.FIRST_COMPLETED)
        asking.cancel()
        under_way = asked.is_set()
        running.cancel()
        await asyncio.wait({running}, timeout=PATIENCE)
        ended = running.cancelled()
        while not running.done():  # as often as it begins again
            running.cancel()
            await asyncio.sleep(0)
    expect(
        under_way,
        "A call sends its request by an `httpx.AsyncClient`, each time that it is called.",
        happened="It was called once more, and no such client was asked for anything: there was "
        "nothing to cancel.",
    )
    expect(
        ended,
        "A call that is cancelled ends with CancelledError.",
        happened="It was cancelled while its request was under way, and it swallowed that.",
    )
    require_closed(made, "It was cancelled while its request was under way")


async def check_cancelled_with_its_tasks(attempt: Attempt, call: Callable[[], Awaitable]) -> None:
    """Cancel the call as `check_cancelled` does; what the answer has started ends with it."""
    await check_cancelled(call)
    expect(
        not attempt.pending,
        "What a call starts has ended when the call has, also when that is cancelled.",
        happened="It was cancelled while its request was under way, and a task still ran that "
        f"nobody waited for: `{next(iter(attempt.pending), '')}`.",
    )


async def tries_of(call: Callable[[], Awaitable]) -> int:
    """Return how many requests the call makes if the connection breaks under each."""
    tries = []

    async def broken(transport, request):
        tries.append(request)
        raise httpx.ReadError("the connection broke", request=request)

    with _transport_that(broken):
        await asyncio.wait([asyncio.ensure_future(_quietly(call))], timeout=PATIENCE)
    return len(tries)


async def _quietly(call: Callable[[], Awaitable]) -> None:
    with suppress(httpx.ReadError):
        await call()


def _transport_that(handles: Callable) -> mock._patch:
    return mock.patch.object(httpx.AsyncHTTPTransport, "handle_async_request", handles)
