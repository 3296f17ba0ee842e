"""What answers to exercises 03-1 and 03-2 are tried on: slow answers, failing urls, a cancellation.

`gathering.py` and `report_trial.py` call it. It talks to the check's own server. While a trial
runs, httpx's transport notes which requests are under way, and has no time limits: how long a
server takes is decided by gates, and by the clock of the event loop, which can be made to run fast.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from unittest import mock

import httpx

from workbench.checking.record import Wrong, expect, still_open

QUIET = 100  # rounds of the loop, 5 ms each or more: longer than anyone takes between two calls
CONNECTING = 4 * QUIET  # the same, while requests are under way that no gate has seen
TURNS = 300  # of the event loop: far more than an answer needs to come to rest
HOUR = 3600.0  # seconds
PATIENCE = 6.0  # seconds for what waits for nothing any more, also on a busy machine
LIMITS = ("connect", "read", "write", "pool")


class Trial:
    """One call of an answer, beside the gates that it has to wait for.

    outcome: what it returned; `error`: what it raised, None if it returned. cut: the requests that
    were under way when their client was closed. left: the tasks of its own that still ran when it
    was over.
    """

    def __init__(self, attempt, server, name):
        self.attempt, self.server, self.name = attempt, server, name
        self.outcome, self.error = None, None
        self.cut, self.left = [], []
        self._under_way = {}  # the requests of each transport
        self._failed = asyncio.Event()
        self._held, self._held_urls, self._failing = [], [], set()

    def held(self, *numbers):
        """Return urls that are answered when their gates are opened."""
        return [f"{self.server.url}/faults/hold?gate={self._gate(number)}" for number in numbers]

    def _gate(self, number):
        return f"{self.name}-{number}"

    @contextlib.contextmanager
    def start(self, urls, held, failing=()) -> Iterator[asyncio.Task]:
        """Call the answer with the urls, in a task.

        held: the numbers of those with gates. failing: those that fail, each when all the held
            ones are under way.
        """
        self._held = [self._gate(number) for number in held]
        self._held_urls = self.held(*held)
        self._failing = set(failing)
        with self._watching_transports(), self.server.ledger.watch() as self.seen:
            running = asyncio.create_task(self._noting(urls))
            try:
                yield running
            finally:
                running.cancel()
                for gate in self._held:
                    self.server.gates.open(gate)

    async def _noting(self, urls):
        try:
            self.outcome = await self.attempt(urls)
        except BaseException as error:
            self.error = error
        finally:
            # Without those of anyio, which connects in tasks: their names say nothing here.
            self.left = [n for n in self.attempt.pending if not n.startswith("TaskHandle.")]

    @contextlib.contextmanager
    def _watching_transports(self):
        transport = httpx.AsyncHTTPTransport
        handle, aclose, leave = (
            transport.handle_async_request,
            transport.aclose,
            transport.__aexit__,
        )

        async def handling(this, request):
            request.extensions["timeout"] = dict.fromkeys(LIMITS)
            under_way = self._under_way.setdefault(this, [])
            under_way.append(request)
            try:
                if str(request.url) in self._failing:
                    await self._all_held()
                return await handle(this, request)
            finally:
                under_way.remove(request)
                self._failing.discard(str(request.url))
                if not self._failing:
                    self._failed.set()

        async def closing(this):
            self.cut += self._under_way.get(this, [])
            await aclose(this)

        async def leaving(this, *exc_info):
            self.cut += self._under_way.get(this, [])
            await leave(this, *exc_info)

        with (
            mock.patch.object(transport, "handle_async_request", handling),
            mock.patch.object(transport, "aclose", closing),
            mock.patch.object(transport, "__aexit__", leaving),
        ):
            yield

    async def _all_held(self):
        """Wait until what is held stands at its gate, and what is not has been answered."""
        while self._failing and (self._still_to_come() or self._being_answered()):
            await asyncio.sleep(0.005)
        for _ in range(TURNS):  # a body is read after its head, and its connection is idle then
            await asyncio.sleep(0)

    def _still_to_come(self):
        return [gate for gate in self._held if not self.server.gates.waiting(gate)]

    def _being_answered(self):
        waiting = {*self._failing, *self._held_urls}
        return [request for request in self._requests() if str(request.url) not in waiting]

    def _requests(self):
        return [request for requests in self._under_way.values() for request in requests]

    async def all_arrive(self, running):
        """Return whether all held requests stand at their gates at one time.

        They do not if for a while nothing is added: counted in rounds of the loop, which come
        slowly on a busy machine, and not at all while the answer computes.
        """
        before, quiet, enough = None, 0, QUIET
        while not running.done() and quiet < enough:
            at_gates = sum(self.server.gates.waiting(gate) > 0 for gate in self._held)
            if at_gates == len(self._held):
                return True
            sent = [each for each in self._requests() if str(each.url) not in self._failing]
            now = (at_gates, len(sent))
            quiet = quiet + 1 if now == before else 0
            # Those that a pool holds back never come: it lets fewer through than are asked for.
            enough = QUIET if at_gates >= now[1] else CONNECTING
            before = now
            await asyncio.sleep(0.005)
        return False

    async def settle(self, running):
        """Wait until what is not held has been answered."""
        while not running.done() and self._being_answered():
            await asyncio.sleep(0.005)
        await _turns(running)

    async def fails(self, running):
        """Wait until what fails has failed, and give the answer its time to react."""
        failing = asyncio.create_task(self._failed.wait())
        await asyncio.wait(
            {failing, running}, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED
        )
        failing.cancel()
        await _turns(running)

    def release(self):
        """Have what is to fail wait for nobody any more."""
        self._failing.clear()

    async def open(self, running):
        """Open the gates, the last first, and wait for the answer to be over."""
        self.release()
        in_turn = True
        for number, gate in enumerate(reversed(self._held), start=self.seen.responses + 1):
            self.server.gates.open(gate)
            if in_turn and not running.done():
                in_turn = await asyncio.to_thread(self._responses_come, number)
            await asyncio.sleep(0.02)  # the client reads this one before the next is sent
        await self.ends(running)

    def _responses_come(self, number):
        """Return whether so many responses have been sent: not if one gate hides another."""
        try:
            self.server.ledger.wait_until(lambda _: self.seen.responses >= number, timeout=1)
        except TimeoutError:
            return False
        return True

    async def ends(self, running):
        """Wait until the answer is over. Raises `Wrong` if nothing holds it up, and it is not."""
        await asyncio.wait([running], timeout=PATIENCE)
        if not running.done():
            raise Wrong(
                "It ends when all its requests have ended.",
                happened="They had, and it did not end.",
            )

    def require_running_loop(self):
        """Raise `Wrong` if the answer has stopped the event loop."""
        expect(
            not self.attempt.blocked,
            "The event loop goes on while your code waits.",
            happened=f"Your code stopped it: {next(iter(self.attempt.blocked), '')}",
        )

    def require_nothing_cut(self, when):
        """Raise `Wrong` if a client was closed under a request; `when` names the trial."""
        cut = self.cut[0].url.raw_path.decode() if self.cut else ""
        expect(
            not self.cut,
            "A client is closed when none of its requests is under way.",
            happened=f"{when}: the client was closed while `GET {cut}` was under way.",
            seen=self.seen,
        )

    async def require_nothing_left(self, when):
        """Raise `Wrong` if something of the answer still ran, or is open, when it was over."""
        expect(
            not self.left,
            "When it is over, none of its tasks runs any more.",
            happened=f"{when}, it was over, and a task of its own still ran: "
            f"`{next(iter(self.left), '')}`.",
        )
        await self.attempt.settle()
        expect(
            not still_open(self.seen),
            "Every connection is closed at the end.",
            happened=f"{when}, it was over, and a connection is still open that nobody can close.",
            seen=self.seen,
        )


async def let_an_hour_pass(running):
    """Have the event loop's clock run an hour ahead, in steps: whoever sleeps on it wakes up."""
    loop = asyncio.get_running_loop()
    time, ahead = loop.time, 0.0
    loop.time = lambda: time() + ahead
    for _ in range(TURNS):
        if running.done():
            break
        ahead += HOUR / TURNS
        await asyncio.sleep(0)
    await _turns(running)


async def _turns(running):
    for _ in range(TURNS):
        if running.done():
            break
        await asyncio.sleep(0)


async def check_cancelled(attempt, server, name):
    """Cancel the call when two of its requests are under way and one has been answered."""
    trial = Trial(attempt, server, name)
    urls = [*trial.held(1, 2), f"{server.url}/echo?name={name}"]
    with trial.start(urls, (1, 2)) as running:
        await trial.all_arrive(running)
        await trial.settle(running)
        running.cancel()
        await _turns(running)
        await trial.open(running)
    expect(
        isinstance(trial.error, asyncio.CancelledError),
        "Who is cancelled ends with CancelledError.",
        happened=f"It was cancelled, and ended with `{trial.error!r}`."
        if trial.error
        else "It was cancelled, and returned as if nothing had happened.",
    )
    trial.require_nothing_cut("It was cancelled")
    await trial.require_nothing_left("It was cancelled")


def all_in(error):
    """Return the exceptions in a group, and in its groups; a single one by itself, none of None."""
    if isinstance(error, BaseExceptionGroup):
        return [each for inner in error.exceptions for each in all_in(inner)]
    return [] if error is None else [error]
