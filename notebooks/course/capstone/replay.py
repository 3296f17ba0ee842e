"""Replay a schedule against a service, and note what became of it, at both ends."""

import asyncio
import contextlib
import gc
import time
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from course.capstone.loading import Unusable, line_of, loaded
from course.capstone.schedule import AT_ONCE, FIRST, LAST, SECOND, Call, Schedule
from course.capstone.upstream import KEEP_ALIVE, create_upstream, half
from server.ledger import Seen
from server.local import LocalServer

PATIENCE = 4.0  # seconds that the judge waits for an answer
BUDGET = 12.0  # seconds that all answers together may take
GATHERING = 0.5  # seconds that a burst may take to arrive; less than an answer may
LATE = 2.0  # seconds that the reviews on a drip take at least
PAUSE = KEEP_ALIVE + 0.2  # seconds
CLOSING = 1.0  # seconds that the FINs of a service that has stopped may take


@dataclass(frozen=True)
class Outcome:
    """What came of a call.

    status: None without an answer. said: the answer's text, or why there is none. right: whether
    the call got the status that it should, and the facts. seconds: how long it took.
    """

    call: Call
    status: int | None
    said: str
    right: bool
    seconds: float


@dataclass(frozen=True)
class Streamed:
    """What came of the catalogue.

    status: None without an answer. received: bytes. whole: whether they are the catalogue.
    in_pieces: whether the first came before the stock system had sent the last. said: as above.
    """

    status: int | None = None
    received: int = 0
    whole: bool = False
    in_pieces: bool = False
    said: str = ""


@dataclass
class Observed:
    """What the judge and the stock system saw.

    raised: by path, the exception that came out of the service, with its line.
    asked_first: how many connections under load were opened to ask for what.
    held: by what was asked last, the connections that were open at the end of the schedule.
    arrived: how often each order arrived at the stock system.
    left: connections that were open after the service had stopped. stopped: whether it did.
    """

    outcomes: dict[str, list[Outcome]] = field(default_factory=dict)
    streamed: Streamed = field(default_factory=Streamed)
    raised: dict[str, str] = field(default_factory=dict)
    asked_first: Counter = field(default_factory=Counter)
    held: Counter = field(default_factory=Counter)
    arrived: Counter = field(default_factory=Counter)
    left: int = 0
    stopped: bool = True


async def replay(path: Path, schedule: Schedule) -> Observed:
    """Start the service of a file in front of the stock system and put the schedule to it.

    Raises `Unusable` for a file without a service that starts.
    """
    observed = Observed()
    app = noting = None
    try:
        with LocalServer(create_upstream(schedule.script), timeout_keep_alive=60) as upstream:
            with loaded(path, upstream.url) as app:
                noting = _noting(app, path, observed.raised)
                await _serve(path, noting, upstream, schedule, observed)
            with contextlib.suppress(TimeoutError):
                upstream.ledger.wait_until_closed(CLOSING)
            observed.left = upstream.ledger.open_connections
    finally:
        with warnings.catch_warnings():
            # Python warns of the sockets that a service forgets; the report has counted them.
            warnings.simplefilter("ignore", ResourceWarning)
            app = noting = None
            gc.collect()
    return observed


async def _serve(
    path: Path, app: Any, upstream: LocalServer, schedule: Schedule, observed: Observed
) -> None:
    service = LocalServer(app, timeout_keep_alive=60)
    try:
        service.start()
    except RuntimeError as error:
        raise Unusable(f"{path.name} does not start: {error}") from None
    try:
        async with httpx.AsyncClient(base_url=service.url, verify=False, timeout=None) as client:
            await _Replay(client, upstream, schedule, observed).run()
    finally:
        try:
            service.stop()
        except TimeoutError:
            observed.stopped = False


class _Replay:
    """One run of the schedule. The phases are those of `Schedule`."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        upstream: LocalServer,
        schedule: Schedule,
        observed: Observed,
    ) -> None:
        self.client = client
        self.upstream = upstream
        self.schedule = schedule
        self.observed = observed
        self.ends = time.monotonic() + BUDGET

    async def run(self) -> None:
        plan, ledger = self.schedule, self.upstream.ledger
        with ledger.watch() as everything:
            with ledger.watch() as load:
                await self.burst("burst", plan.burst, FIRST)
                await self.one_by_one("mixed", plan.mixed)
            await self.catalogue()
            await self.one_by_one("faulty", plan.faulty)
            await self.slow_and_pause()
            await self.one_by_one("misses", plan.misses)
            await self.burst("last_burst", plan.last_burst, LAST)
        self.observed.asked_first = _kinds(load, first=True)
        self.observed.held = _kinds(everything, first=False)
        self.observed.arrived = Counter(
            event.path
            for event in everything.events
            if event.kind == "request" and event.method == "POST"
        )

    async def slow_and_pause(self) -> None:
        """While slow answers are awaited, all other connections are idle for too long."""
        plan, began = self.schedule, time.monotonic()
        async with asyncio.TaskGroup() as group:
            slow = group.create_task(self.at_once("slow", plan.slow))
            await self.arrival([call.path for call in plan.slow])
            await self.burst("second_burst", plan.second_burst, SECOND)
            await asyncio.sleep(PAUSE)
            await self.one_by_one("after_pause", plan.after_pause)
            await asyncio.wait({slow}, timeout=max(0, began + LATE - time.monotonic()))
            self.upstream.gates.open("reviews")

    async def arrival(self, paths: list[str]) -> None:
        """Wait until these were asked of the stock system, or `GATHERING` is over."""

        def arrived(ledger) -> bool:
            return set(paths) <= {event.path for event in ledger.events}

        with contextlib.suppress(TimeoutError):
            await asyncio.to_thread(self.upstream.ledger.wait_until, arrived, GATHERING)

    async def burst(self, phase: str, calls: list[Call], gate: str) -> None:
        """Make the calls at once; the stock system answers when all have reached it."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.at_once(phase, calls))
            with contextlib.suppress(TimeoutError):
                await self.upstream.gates.reached(gate, AT_ONCE, timeout=GATHERING)
            self.upstream.gates.open(gate)

    async def one_by_one(self, phase: str, calls: list[Call]) -> None:
        self.observed.outcomes[phase] = [await self.ask(call) for call in calls]

    async def at_once(self, phase: str, calls: list[Call]) -> None:
        self.observed.outcomes[phase] = await asyncio.gather(*map(self.ask, calls))

    def patience(self) -> float:
        return max(0.0, min(PATIENCE, self.ends - time.monotonic()))

    async def ask(self, call: Call) -> Outcome:
        began, patience = time.monotonic(), self.patience()
        status, right = None, False
        try:
            async with asyncio.timeout(patience):
                response = await self.client.request(call.method, call.path, json=call.body)
        except TimeoutError:
            said = f"no answer within {patience:.0f} s" if patience else "the judge's time was up"
        except httpx.HTTPError as error:
            said = repr(error)
        else:
            status, said = response.status_code, response.text
            right = status == call.expected and (status >= 400 or _holds(response, call.facts))
        return Outcome(call, status, said, right, time.monotonic() - began)

    async def catalogue(self) -> None:
        """Get it. The stock system sends the second half when the first has reached the page."""
        gates, patience = self.upstream.gates, self.patience()
        expected = (half(0) + half(1)).encode()
        received, status, said, in_pieces = b"", None, "", False
        try:
            async with asyncio.timeout(patience), self._opening(gates, patience / 2) as opened:
                async with self.client.stream("GET", "/catalogue") as response:
                    status = response.status_code
                    async for piece in response.aiter_raw():
                        in_pieces |= not opened.is_set()
                        gates.open("catalogue")
                        received += piece
        except TimeoutError:
            said = "it did not come to an end"
        except httpx.HTTPError as error:
            said = repr(error)
        if status is not None and status != 200:
            said = received.decode(errors="replace")
        self.observed.streamed = Streamed(
            status, len(received), received == expected, in_pieces, said
        )

    @contextlib.asynccontextmanager
    async def _opening(self, gates, seconds: float):
        """Open the catalogue's gate after so many seconds, or at the end of the block."""
        opened = asyncio.Event()

        async def open_late() -> None:
            await asyncio.sleep(seconds)
            opened.set()
            gates.open("catalogue")

        opening = asyncio.create_task(open_late())
        try:
            yield opened
        finally:
            opening.cancel()
            gates.open("catalogue")


def _holds(response: httpx.Response, facts: dict) -> bool:
    try:
        answer = response.json()
    except ValueError:
        return False
    return isinstance(answer, dict) and all(answer.get(key) == facts[key] for key in facts)


def _kinds(seen: Seen, first: bool) -> Counter:
    """Count connections by what was asked on them: first of all, or last by those still open."""
    asked: dict[int, str] = {}
    closed = set()
    for event in seen.events:
        if event.kind == "closed":
            closed.add(event.connection)
        elif event.kind == "request" and not (first and event.connection in asked):
            asked[event.connection] = event.path.split("/")[1]
    return Counter(kind for connection, kind in asked.items() if first or connection not in closed)


def _noting(app: Any, path: Path, raised: dict[str, str]) -> Any:
    """Return `app`, wrapped so that an exception that comes out of it is noted, with its line."""

    async def noting(scope, receive, send) -> None:
        try:
            await app(scope, receive, send)
        except Exception as error:
            if scope["type"] == "http":
                raised[scope["path"]] = _described(error, path)
            raise

    return noting


def _described(error: BaseException, path: Path) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    where, line = line_of(error, path)
    words = traceback.format_exception_only(error)[-1].strip()
    return f"{words} ({where})" if line else words
