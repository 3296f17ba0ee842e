"""What an answer to exercise 05-2 is tried on: bursts, failing urls, and cancellations.

`ex_05_2.py` calls it. It talks to the check's own server, with clients of its own.
"""

import asyncio
import ssl

import httpx

from workbench.checking.record import Wrong, all_reach, expect

GATES = ("first", "second", "third", "fourth", "fifth")
POOL = 0.15  # seconds
PATIENCE = 2.0  # seconds to end in, once nothing holds the answer up any more
CANCELLED = object()


class Trial:
    """An answer, a server, and the clients on which the one is tried at the other.

    asked: the urls of the requests that were begun. given: the list that the answer got. left: the
    tasks that the answer had still running when it was over.
    """

    def __init__(self, attempt, server):
        self.attempt, self.server = attempt, server
        self.context = ssl.create_default_context()
        self.asked, self.given, self.left = [], [], []

    def client(self, limit, trace=None):
        async def note(request):
            self.asked.append(str(request.url))
            if request.url.query == b"code=418":
                raise LookupError("from a hook of the client")
            if trace is not None:
                request.extensions["trace"] = trace

        self.asked.clear()
        limits = httpx.Limits(max_connections=limit)
        timeout = httpx.Timeout(5, pool=POOL)
        hooks = {"request": [note]}
        return httpx.AsyncClient(
            verify=self.context, limits=limits, timeout=timeout, event_hooks=hooks
        )

    def start(self, client, urls, limit):
        """Call the answer in a task of its own."""

        async def noting():
            try:
                return await self.attempt(client, self.given, limit)
            finally:
                # Without those of anyio, which connects in tasks: their names say nothing here.
                self.left = [n for n in self.attempt.pending if not n.startswith("TaskHandle.")]

        self.left, self.given = [], list(urls)
        return asyncio.create_task(noting())

    async def check_burst(self, limit):
        """More urls than connections, all held back by the server for longer than `pool=`."""
        gates = [f"{gate}-of-{limit}" for gate in GATES]
        urls = [f"{self.server.url}/faults/hold?gate={gate}" for gate in gates]
        moved_up = True
        with self.server.ledger.watch() as seen:
            async with self.client(limit) as client:
                running = self.start(client, urls, limit)
                if together := await all_reach(self.server, running, gates[:limit]):
                    await asyncio.wait([running], timeout=2 * POOL)
                    self.server.gates.open(gates[1])
                    moved_up = await all_reach(self.server, running, gates[limit : limit + 1])
                for gate in gates:
                    self.server.gates.open(gate)
                responses = await self.ended(running, "all urls were answered")
                closed = client.is_closed
        self.judge_burst(limit, urls, seen, responses)
        expect(
            together,
            f"{limit} urls at the same time.",
            happened=f"Fewer than {limit} came at a time: a connection was free and nobody used it."
            if limit > 2
            else "They came one after another: a connection was free and nobody used it.",
        )
        expect(
            moved_up,
            "A connection that comes free is used at once.",
            happened="The second url was answered, and the next had to wait for the first: in "
            "batches the slowest one holds up all the others.",
        )
        expect(
            not closed,
            "The client is left open: it came from outside.",
            happened="Your function closed the client.",
        )

    async def ended(self, running, when, cancelled=False):
        """Wait for its end; return what it returned, or `CANCELLED`; raise what it raised."""
        await asyncio.wait([running], timeout=PATIENCE)
        expect(
            not self.attempt.blocked,
            "The event loop goes on while your code waits.",
            happened=f"Your code stopped it: {next(iter(self.attempt.blocked), '')}",
        )
        if not running.done():
            running.cancel()
            raise Wrong(
                f"It ends when {when}.",
                happened="It did not end. What is taken (a place, a lock) has to be given back on "
                "every way out.",
            )
        if running.cancelled():
            expect(
                cancelled,
                f"It goes on until {when}.",
                happened="It raised CancelledError, and nobody had cancelled it.",
            )
            return CANCELLED
        if error := running.exception():
            if any(isinstance(each, httpx.PoolTimeout) for each in _all_in(error)):
                raise Wrong(
                    "Every url is answered, however long the server takes.",
                    happened="`PoolTimeout('')`: calls were waiting in the pool's own queue, "
                    "where `pool=` ends the wait. A semaphore keeps them out of it if all of them "
                    "share the same one.",
                ) from error
            raise error
        return running.result()

    def judge_burst(self, limit, urls, seen, responses):
        if not self.asked:
            self.attempt.require_request(seen)
        expect(
            self.asked,
            "The requests are made with the client that was given.",
            happened="They were made with a client of its own.",
        )
        expect(
            seen.connections <= limit,
            f"At most {limit} connections.",
            happened=f"The server saw {seen.connections}.",
        )
        expect(
            self.given == urls,
            "The list of urls stays as it is: it is the caller's.",
            happened="Your function changed it: "
            f"{len(urls)} urls before the call, and {len(self.given)} after it.",
        )
        expect(
            isinstance(responses, list | tuple) and len(responses) == len(urls),
            f"A list of {len(urls)} responses.",
            happened="Answers are missing, and no exception says so.",
        )
        expect(
            [str(getattr(response, "url", response)) for response in responses] == urls,
            "The responses in the order of the urls.",
            happened="They are in another order, or something else.",
        )
        expect(
            len(self.asked) <= len(urls),
            "Each url is asked for once.",
            happened=f"{len(self.asked)} requests were begun for {len(urls)} urls: whoever gave up "
            "stood in the queue again, behind everybody else.",
        )
        self.require_nothing_left("It had returned")

    async def check_none(self):
        """No urls at all: there is nothing to wait for, and nothing to raise."""
        async with self.client(2) as client:
            outcome = await self.ended(self.start(client, [], 2), "there is no url")
        expect(
            isinstance(outcome, list | tuple) and not outcome,
            "An empty list for no urls.",
            happened=f"For no urls it returned an object of type `{type(outcome).__name__}`.",
        )

    async def check_failing(self, failing):
        """Two failing urls among good ones, one of which the server holds back for a while."""
        gate = f"beside-{failing[1:7]}"
        paths = (f"/faults/hold?gate={gate}", failing, failing, "/echo", "/echo")
        async with self.client(2) as client:
            running = self.start(client, [self.server.url + path for path in paths], 2)
            await asyncio.wait([running], timeout=POOL)
            self.server.gates.open(gate)
            try:
                outcome = await self.ended(running, "a url has failed")
            except (httpx.ReadError, LookupError, ExceptionGroup) as error:
                raised = _all_in(error)
            else:
                raised = []
                results = outcome if isinstance(outcome, list | tuple) else ()
                handed_out = any(isinstance(each, Exception) for each in results)
                happened = (
                    "The exception was handed out as a result."
                    if handed_out
                    else ("It returned, and the exception was swallowed.")
                )
            expect(
                raised,
                f"What fails is raised: `{failing}` does.",
                happened="" if raised else happened,
            )
            again = max(map(self.asked.count, self.asked)) > 2  # two of the urls are the same
            expect(
                not again,
                "Each url is asked for once: whether twice does no harm, the caller knows.",
                happened=f"`{failing}` failed, and was asked for again.",
            )
            self.require_nothing_left("It had raised")

    async def check_cancelling(self, turns, moment=None, held=0):
        """Cancel the whole call at a moment of a request, or at its start, or some turns later.

        The request is held there for so many turns: an answer may need a few of them to pass the
        cancellation on, from the task that is cancelled to the one that makes the request.
        """
        when = f"{turns} {'turn' if turns == 1 else 'turns'} of the event loop after "
        when += f"`{moment}`" if moment else "its start"
        when += f", drawn out by {held} {'turn' if held == 1 else 'turns'}" if held else ""
        reached = asyncio.Event()

        async def trace(name, info):
            if name == moment and not reached.is_set():
                reached.set()
                if turns == 0:  # at once, from within the request
                    running.cancel()
                for _ in range(held):
                    await asyncio.sleep(0)

        async with self.client(1, trace) as client:
            running = self.start(client, [self.server.url + "/echo"] * 3, 1)
            if moment is not None:
                await reached.wait()
            if moment is None or turns > 0:
                for _ in range(turns):
                    await asyncio.sleep(0)
                running.cancel()
            await self.judge_cancelled(running, client, when)

    async def judge_cancelled(self, running, client, when):
        outcome = await self.ended(
            running, "it is cancelled and its requests have ended", cancelled=True
        )
        expect(
            outcome is CANCELLED or (isinstance(outcome, list | tuple) and len(outcome) == 3),
            "Who is cancelled raises CancelledError.",
            happened=f"Cancelled {when}, it returned, as if nothing had happened.",
        )
        self.require_nothing_left("It had been cancelled, and was over")
        try:
            await client.get(self.server.url + "/echo")
        except httpx.PoolTimeout as error:
            raise Wrong(
                "After a cancelled `fetch_all` the client works as before.",
                happened=f"`{error!r}`: it was cancelled {when}, and the pool has a connection "
                "that no request has. Waiting longer does not bring it back.",
            ) from error

    def require_nothing_left(self, when):
        expect(
            not self.left,
            "When it is over, none of its requests is under way.",
            happened=f"{when}, and a task of its own still ran: `{next(iter(self.left), '')}`. "
            "Who closes the client now closes it under a request.",
        )


def _all_in(error):
    """Return the exceptions in a group, and in its groups; a single one by itself."""
    if isinstance(error, BaseExceptionGroup):
        return [each for inner in error.exceptions for each in _all_in(inner)]
    return [error]
