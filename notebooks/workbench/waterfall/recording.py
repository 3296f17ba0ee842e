"""Record a client's requests, and show them above what the server saw, on one time axis.

    with record(client, server.ledger) as waterfall:
        await client.get("/echo")
    waterfall                       # the picture; its text form says the same
    waterfall.plot("The finding")   # under a title of its own
    waterfall.requests              # an `Exchange` per request, in the order of the calls

How a request is followed is in `waterfall/tap.py`, how it is drawn in `waterfall/picture.py`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from itertools import groupby, pairwise

import httpx
from IPython.display import display

from server.ledger import Event, Ledger, Seen, clock
from workbench.figures import Picture
from workbench.waterfall import picture as waterfall_picture
from workbench.waterfall.exchange import ClientConnection, Exchange
from workbench.waterfall.tap import Tap

MOST_LISTED = 8
MOST_IN_TITLE = 3


@contextmanager
def record(
    client: httpx.AsyncClient | None = None, ledger: Ledger | None = None
) -> Iterator["Waterfall"]:
    """Record the client's requests, and what the server sees, while the block runs.

    client: its own hooks, authentication and trace extensions keep working. Clients that are made
        inside the block are added with `waterfall.attach(client)`.
    ledger: the server's, for the lower half of the picture.

    Gives a `Waterfall`, which is complete once the block has ended. Of a request that is under way
    then, nothing that follows is recorded.

    Raises TypeError for a client that is not an `httpx.AsyncClient`.
    """
    waterfall = Waterfall(ledger)
    try:
        with ledger.watch() if ledger is not None else nullcontext() as waterfall.seen:
            waterfall.started = clock()
            if client is not None:
                waterfall.attach(client)
            yield waterfall
    finally:
        waterfall._stop()


class Waterfall:
    """What `record` recorded. As the last line of a cell it shows the picture.

    `seen` is the server's side, None without a ledger. `started` and `ended` are the block's
    times, in seconds on `server.ledger.clock`; `ended` is None while it runs.
    """

    def __init__(self, ledger: Ledger | None) -> None:
        self.seen: Seen | None = None
        self.started = clock()
        self.ended: float | None = None
        self._ledger = ledger
        self._taps: list[Tap] = []
        self._attached = ExitStack()

    def attach(self, client: httpx.AsyncClient) -> httpx.AsyncClient:
        """Record this client's requests too, until the block ends, and return the client.

            async with waterfall.attach(httpx.AsyncClient()) as client:
                ...

        Raises TypeError for anything but an `httpx.AsyncClient`, RuntimeError after the block.
        """
        if not isinstance(client, httpx.AsyncClient):
            raise TypeError(f"can record an httpx.AsyncClient, not a {type(client).__name__}")
        if self.ended is not None:
            raise RuntimeError("the block of this waterfall has ended: it records no more")
        if all(tap.client is not client for tap in self._taps):
            tap = Tap(client)
            self._attached.enter_context(tap.attached())
            self._taps.append(tap)
        return client

    @property
    def requests(self) -> list[Exchange]:
        """The requests in the order of the calls; a redirect counts as a request of its own."""
        exchanges = [exchange for tap in self._taps for exchange in tap.exchanges]
        return sorted(exchanges, key=lambda exchange: exchange.started)

    @property
    def connections(self) -> list[ClientConnection]:
        """The clients' connections, in the order of the calls that first used them."""
        return list({exchange.connection: 0 for exchange in self.requests if exchange.connection})

    @property
    def events(self) -> list[Event]:
        """What the server saw during the block; empty without a ledger."""
        return self.seen.events if self.seen else []

    def plot(self, title: str | None = None) -> Picture:
        """Return the picture.

        title: the finding; without one it counts the requests by what came of them.

        Raises RuntimeError while the block runs.
        """
        if self.ended is None:
            raise RuntimeError("the waterfall can be drawn once its block has ended")
        figure = waterfall_picture.draw(self, title or self._finding())
        return Picture(figure, f"{title}. {self}" if title else str(self))

    def __repr__(self) -> str:
        if self.ended is None:
            return f"Recording, {_plural(len(self.requests), 'request')} so far."
        sentences = [self._sentence_on_clients()]
        if self.seen:
            sentences.append(self._sentence_on_server())
        return " ".join(sentences)

    def displays(self) -> list[tuple[dict, dict]]:
        """Return what a cell shows, as `Picture.displays` does; while the block runs, its words."""
        if self.ended is None:
            return [({"text/plain": repr(self)}, {})]
        return self.plot().displays()

    def _ipython_display_(self) -> None:
        for data, metadata in self.displays():
            display(data, metadata=metadata, raw=True)

    def _counts(self) -> str:
        if not self.requests:
            return "No request"
        requests = _plural(len(self.requests), "request")
        if not self.connections:
            return requests
        return f"{requests} on {_plural(len(self.connections), 'connection')}"

    def _finding(self) -> str:
        outcomes = Counter(exchange.outcome for exchange in self.requests)
        if len(outcomes) > MOST_IN_TITLE:
            outcomes = Counter(exchange.outcome.split(" with ")[0] for exchange in self.requests)
        if len(outcomes) == 1:
            found = ("all " if len(self.requests) > 1 else "") + next(iter(outcomes))
        else:
            found = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())
        return f"{self._counts()}: {found}" if found else self._counts()

    def _sentence_on_clients(self) -> str:
        """Name each request where they came one by one, and each kind where several ran at once.

        Which of several gets which connection is chance, so kinds leave the numbers out.
        """
        runs = groupby(_in_words(exchange, numbered=True) for exchange in self.requests)
        listed = [(words, len(list(run))) for words, run in runs]
        if len(listed) > MOST_LISTED or _ran_at_once(self.requests):
            kinds = Counter(_in_words(exchange, numbered=False) for exchange in self.requests)
            listed = list(kinds.items())
        said = ", ".join(f"{count} × {words}" if count > 1 else words for words, count in listed)
        return f"{self._counts()}: {said}." if said else f"{self._counts()}."

    def _sentence_on_server(self) -> str:
        numbers = {known.ledger_number: known.number for known in self.connections}
        closed = [event for event in self.events if event.kind == "closed"]
        one_by_one = len(closed) <= MOST_LISTED and not _ran_at_once(self.requests)
        if one_by_one and all(event.connection in numbers for event in closed):
            ends = [f"connection {numbers[event.connection]} {_end(event)}" for event in closed]
        else:
            counts = Counter(_end(event) for event in closed)
            ends = [f"{_plural(counts[end], 'connection')} {end}" for end in sorted(counts)]
        summary = self.seen.summary().removesuffix(".")
        return f"{summary}; {', '.join(ends)}." if ends else f"{summary}."

    def _stop(self) -> None:
        self._attached.close()
        self.ended = clock()
        if self._ledger is not None:
            self._match_ledger()
            self._end_what_was_received()
        for number, connection in enumerate(self.connections, start=1):
            connection.number = number

    def _match_ledger(self) -> None:
        """Find each connection in the ledger, which knows the client's address too."""
        opened = [event for event in self._ledger.events if event.kind == "opened"]
        for connection in self.connections:
            if connection.address is None:
                continue
            same = [event for event in opened if event.peer == connection.address]
            # The system may give an address again, after the connection that had it.
            if connection.opening is None:
                same = [event for event in same if event.time < self.started][-1:]
            else:
                same = [event for event in same if event.time >= connection.opening][:1]
            if same:
                connection.ledger_number = same[0].connection

    def _end_what_was_received(self) -> None:
        """Where the ledger knows better than the client when a request was all sent, it counts."""
        times = defaultdict(list)
        for event in self.events:
            if event.kind == "request":
                times[event.connection].append(event.time)
        for exchange in self.requests:
            send = exchange.phase("send")
            # The ledger notes the head. Of a body, more may have been under way.
            if send is not None and exchange.connection is not None and exchange.empty:
                end = self.ended if exchange.ended is None else exchange.ended
                for time in times[exchange.connection.ledger_number]:
                    if send.start <= time <= end:
                        exchange.received(time)


def _in_words(exchange: Exchange, numbered: bool) -> str:
    connection = exchange.describe_connection(numbered)
    return f"{exchange.describe()} ({connection})" if connection else exchange.describe()


def _ran_at_once(exchanges: Iterable[Exchange]) -> bool:
    return any(one.ended is None or after.started < one.ended for one, after in pairwise(exchanges))


def _end(event: Event) -> str:
    return f"{'reset' if event.reset else 'closed'} by the {event.by}"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
