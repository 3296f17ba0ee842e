"""The phases of a schedule: what is asked at once, what after a pause, what beside what."""

import asyncio
import contextlib
import time
from collections.abc import Iterable, Sequence

from course.capstone.observed import Answer, Observed
from course.capstone.page import Page
from course.capstone.schedule import AFTER_PAUSE, ALLOWED, Call, Schedule
from course.capstone.upstream import CLOSES_AFTER, LATE
from server.ledger import Event, clock
from server.local import LocalServer

FIRST = 2.0  # seconds that the first call of a burst may take to arrive
STILL = 0.5  # seconds without a new call, after which no more are expected
ARRIVING = 0.5  # seconds that slow calls may take to arrive; less than an answer may
HELD = 0.4  # seconds for which a crowd is held, on a machine that is not too slow for it
ONE_MORE = 0.2  # seconds in which a connection too many shows
LONGEST = 1.4  # seconds; the storefront promises one
JUST_BEFORE = CLOSES_AFTER + 0.03  # seconds; the stock system has closed, and 1.0 s are not over
IN_TIME = 0.97  # seconds; a call that comes later cannot tell 1.0 s from less
APART = 0.03  # seconds between the calls before the second is over
LONG_AFTER = 1.2  # seconds
BEGINS = 1.2  # seconds that a catalogue may take to begin


class Phases:
    """One run of the schedule. `load` are the ledger's events of the first phase."""

    def __init__(
        self, page: Page, upstream: LocalServer, plan: Schedule, observed: Observed
    ) -> None:
        self.page = page
        self.upstream = upstream
        self.gates = upstream.gates
        self.plan = plan
        self.observed = observed
        self.load: list[Event] = []
        self.open_before = self.open_now()

    def open_now(self) -> int:
        """Return how many connections the stock system has."""
        self.upstream.ledger.settle()
        return self.upstream.ledger.open_connections

    async def first_start(self) -> None:
        """Load, a crowd, faults, slow answers, a pause, misses."""
        plan = self.plan
        try:
            with self.upstream.ledger.watch() as load:
                await self.burst("burst", plan.burst)
                await self.one_by_one("mixed", plan.mixed)
            self.load = load.events
            await self.crowd_beside_catalogue()
            await self.one_by_one("faulty", plan.faulty)
            await self.faulty_catalogues()
            await self.slow_ones()
            await self.pause()
            await self.one_by_one("stock_faults", plan.stock_faults)
            await self.one_by_one("misses", plan.misses)
            await self.burst("last_burst", plan.last_burst)
        finally:
            self.gates.open(LATE)
            self.gates.open("catalogue")

    async def second_start(self) -> None:
        """A crowd, some calls, and more calls than connections that are never answered."""
        await self.crowd("second_crowd", self.plan.second_crowd)
        await self.one_by_one("second_start", self.plan.second_start)
        await self.at_once("flood", self.plan.flood)

    # What is asked

    async def one_by_one(self, phase: str, calls: Sequence[Call]) -> None:
        self.note(phase, [await self.page.ask(call) for call in calls])

    async def at_once(self, phase: str, calls: Sequence[Call]) -> None:
        self.note(phase, await asyncio.gather(*map(self.page.ask, calls)))

    async def stream(self, played: str, begun: asyncio.Event | None = None, *, leave=False) -> None:
        """Get the catalogue while the stock system plays this for it."""
        self.plan.script["/catalogue"] = played
        streamed = await self.page.stream(begun, leave=leave)
        self.observed.catalogues.setdefault("left" if leave else played, []).append(streamed)

    def note(self, phase: str, answers: Iterable[Answer]) -> None:
        self.observed.answers[phase] = list(answers)

    # The phases

    async def burst(self, gate: str, calls: Sequence[Call]) -> None:
        """Make the calls at once; the stock system answers when all have reached it."""
        self.gates.close(gate)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.at_once(gate, calls))
            await self.gathered(gate, len(calls))
            self.observed.gathered = max(self.observed.gathered, self.gates.waiting(gate))
            self.gates.open(gate)

    async def gathered(self, gate: str, count: int) -> None:
        """Wait until so many calls stand at a gate, or none has come for a while."""
        waiting, since = 0, time.monotonic()
        while waiting < count and time.monotonic() - since < (STILL if waiting else FIRST):
            await asyncio.sleep(0.002)
            if self.gates.waiting(gate) > waiting:
                waiting, since = self.gates.waiting(gate), time.monotonic()

    async def crowd(self, gate: str, calls: Sequence[Call], others: int = 0) -> None:
        """Make more calls at once than there are connections, and count those.

        others: connections that are in use already.
        """
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.at_once(gate, calls))
            await self.gathered(gate, ALLOWED - others)
            await asyncio.sleep(ONE_MORE)
            count = await asyncio.to_thread(self.open_now) - self.open_before
            self.observed.at_once = max(self.observed.at_once, count)
            self.gates.open(gate)
            self.observed.stalled = max(self.observed.stalled, time.monotonic() - began - HELD)

    async def crowd_beside_catalogue(self) -> None:
        """While half of the catalogue is on its way."""
        begun = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(self.stream("", begun))
            waiting = group.create_task(begun.wait())
            await asyncio.wait(
                {reading, waiting}, timeout=BEGINS, return_when=asyncio.FIRST_COMPLETED
            )
            waiting.cancel()
            self.observed.in_pieces = begun.is_set()
            await self.crowd("crowd", self.plan.crowd, others=int(not reading.done()))
            self.gates.open("catalogue")
        self.gates.close("catalogue")

    async def faulty_catalogues(self) -> None:
        """It is refused, lies elsewhere, breaks off; the page goes away in the middle."""
        await self.stream("/status?code=503")
        await self.stream("/moved")
        await self.stream("", leave=True)
        await self.stream("/broken-off")

    async def slow_ones(self) -> None:
        """Answers that come drop by drop, and a few calls beside them."""
        plan, began = self.plan, time.monotonic()
        async with asyncio.TaskGroup() as group:
            slow = {
                group.create_task(self.at_once("slow", plan.slow)),
                group.create_task(self.stream("/slow-head")),
            }
            await self.arrival({"/catalogue", *(call.path for call in plan.slow)})
            await self.burst("beside", plan.beside)
            await asyncio.wait(slow, timeout=max(0, began + LONGEST + 0.2 - time.monotonic()))
            self.gates.open(LATE)

    async def arrival(self, paths: set[str]) -> None:
        """Wait until these were asked of the stock system, or `ARRIVING` is over."""
        with self.upstream.ledger.watch() as seen:

            def arrived(ledger) -> bool:
                return paths <= {event.path for event in seen.events}

            with contextlib.suppress(TimeoutError):
                await asyncio.to_thread(self.upstream.ledger.wait_until, arrived, ARRIVING)

    async def pause(self) -> None:
        """Connections are idle for as long as the stock system allows, and for longer.

        Beside them, a catalogue that takes its time. The pause is tried again where nothing was
        lost and the machine made it too long to tell.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self.stream("/parts"))
            for calls in self.plan.after_pause:
                in_time = await self.rest_and_ask(calls)
                if in_time or not all(each.right for each in self.observed.answers[AFTER_PAUSE]):
                    break

    async def rest_and_ask(self, calls: Sequence[Call]) -> bool:
        """Return whether the first call came while 1.0 s were not over."""
        await self.burst("resting", self.plan.resting)
        rested = clock()
        self.gates.close(AFTER_PAUSE)
        self.upstream.app.state.hasty.set()
        asking = []
        with self.upstream.ledger.watch() as seen:
            for place, call in enumerate(calls):
                late = place == len(calls) - 1
                due = rested + (LONG_AFTER if late else JUST_BEFORE + place * APART)
                await asyncio.sleep(max(0.0, due - clock()))
                asking.append(asyncio.create_task(self.page.ask(call)))
            await self.arrival({calls[-1].path})
            self.gates.open(AFTER_PAUSE)
            self.note(AFTER_PAUSE, await asyncio.gather(*asking))
        self.upstream.app.state.hasty.clear()
        came = [e.time for e in seen.events if e.kind == "request" and e.path == calls[0].path]
        return bool(came) and came[0] - rested < IN_TIME
