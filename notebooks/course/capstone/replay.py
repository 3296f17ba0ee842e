"""Replay a schedule against a service, and note what became of it, at both ends."""

import asyncio
import contextlib
import functools
import gc
import time
import traceback
import warnings
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from course.capstone.loading import Unusable, line_of, loaded
from course.capstone.observed import Observed, arrived, held, opened_for
from course.capstone.page import Page, Patience
from course.capstone.phases import Phases
from course.capstone.schedule import Schedule
from course.capstone.upstream import create_upstream
from server.ledger import Ledger
from server.local import LocalServer
from workbench.serving import noting, running

CLOSING = 1.0  # seconds that the FINs of a service that has stopped may take
TICK = 0.02  # seconds


async def replay(path: Path, schedule: Schedule) -> Observed:
    """Start the service of a file in front of the stock system and put the schedule to it.

    Raises `Unusable` for a file without a service that starts.
    """
    observed = Observed()
    app = noted = None
    upstream = LocalServer(create_upstream(schedule.script), timeout_keep_alive=60)
    try:
        async with _stalls_noted(observed), running(upstream):
            with loaded(path, upstream.url) as app:
                noted = noting(app, functools.partial(_note, path, observed.raised))
                await _both_starts(path, noted, upstream, schedule, observed)
    finally:
        with warnings.catch_warnings():
            # Python warns of the sockets that a service forgets; the judge has counted them.
            warnings.simplefilter("ignore", ResourceWarning)
            app = noted = None
            gc.collect()
    return observed


async def _both_starts(
    path: Path, app: Any, upstream: LocalServer, schedule: Schedule, observed: Observed
) -> None:
    patience = Patience()
    with upstream.ledger.watch() as everything:
        async with _serving(path, app, observed) as client:
            phases = Phases(Page(client, patience), upstream, schedule, observed)
            with upstream.ledger.watch() as first_start:
                await phases.first_start()
        observed.held = held(first_start.events)
        observed.left = await _left_open(upstream.ledger)
        async with _serving(path, app, observed) as client:
            await Phases(Page(client, patience), upstream, schedule, observed).second_start()
        observed.left = max(observed.left, await _left_open(upstream.ledger))
    observed.opened_for = opened_for(phases.load)
    observed.arrived = arrived(everything.events)
    observed.cookies = list(upstream.app.state.cookies)


async def _left_open(ledger: Ledger) -> int:
    """Return how many connections are open when those that were closed have had time to end."""

    with contextlib.suppress(TimeoutError):
        await asyncio.to_thread(ledger.wait_until_closed, CLOSING)
    return ledger.open_connections


@contextlib.asynccontextmanager
async def _serving(path: Path, app: Any, observed: Observed) -> AsyncIterator[httpx.AsyncClient]:
    """Start the service, give a client of it, and stop it."""
    service = LocalServer(app, timeout_keep_alive=60)
    try:
        await asyncio.to_thread(service.start)
    except RuntimeError as error:
        raise Unusable(f"{path.name} does not start: {error}") from None
    try:
        # A connection for each call: after a 500 uvicorn closes the connection, a moment later.
        async with httpx.AsyncClient(
            base_url=service.url, headers={"Connection": "close"}, verify=False, timeout=None
        ) as client:
            yield client
    finally:
        try:
            await asyncio.to_thread(service.stop)
        except TimeoutError:
            observed.stopped = False


@contextlib.asynccontextmanager
async def _stalls_noted(observed: Observed) -> AsyncIterator[None]:
    """Note the longest time that the event loop of this block did not get to run."""

    async def tick() -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(TICK)
            observed.stalled = max(observed.stalled, time.monotonic() - before - TICK)

    ticking = asyncio.create_task(tick())
    try:
        yield
    finally:
        ticking.cancel()


def _note(path: Path, raised: dict[str, str], scope: Mapping[str, Any], error: Exception) -> None:
    if scope["type"] == "http":
        raised[scope["path"]] = _described(error, path)


def _described(error: BaseException, path: Path) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, RuntimeError) and error.__cause__ is not None:
        error = error.__cause__  # Starlette's words for what came when the answer had begun
    where, line = line_of(error, path)
    words = traceback.format_exception_only(error)[-1].strip()
    return f"{words} ({where})" if line else words
