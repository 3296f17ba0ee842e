"""What the server saw: connections and requests, in order, with times and who closed.

The ledger is the second witness of every lesson. The client tells one side of a failure, the
exception; the ledger tells the other.
"""

import html
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple

# One clock for the ledger, the client's traces and the pictures drawn from both: monotonic, and
# finer than `time.monotonic`, whose steps on Windows were 16 ms before Python 3.13.
clock = time.perf_counter

KEPT_EVENTS = 10_000
KEPT_TEXT = 200


# A tuple, since two are made for each request: a frozen dataclass takes twice as long to make.
class Event(NamedTuple):
    """One thing the server saw.

    `time` is in seconds on `clock`. `connection` counts the server's connections from 1. `nth`
    says which request of its connection this was, from 1. A `request` is written when its head has
    arrived. A `response` is written once its last byte is handed to the operating system, so a
    response that was cut short has none (`server.http2` writes it when a rule answers). A `closed`
    event says `by` whom, that is whose FIN or RST came first, and whether it was a reset (RST)
    instead of a FIN.
    """

    seq: int
    time: float
    kind: Literal["opened", "request", "response", "closed"]
    connection: int
    peer: tuple[str, int] | None = None
    method: str = ""
    path: str = ""
    query: str = ""
    nth: int = 0
    status: int = 0
    by: Literal["", "client", "server"] = ""
    reset: bool = False

    @property
    def target(self) -> str:
        """The request's path, with its query if it had one."""
        return f"{self.path}?{self.query}" if self.query else self.path

    def describe(self) -> str:
        """Return the event in words, without its connection and its time."""
        match self.kind:
            case "opened":
                return "opened"
            case "request":
                return f"request {self.nth}: {self.method} {self.target}"
            case "response":
                return f"response {self.nth}: {self.status}"
            case "closed":
                return f"closed by the {self.by}{' (reset)' if self.reset else ''}"

    def as_dict(self) -> dict[str, object]:
        """Return the fields that this kind of event has, ready for JSON."""
        fields = {"seq": self.seq, "time": self.time, "kind": self.kind}
        fields["connection"] = self.connection
        match self.kind:
            case "opened":
                fields["peer"] = self.peer
            case "request":
                fields |= {"method": self.method, "path": self.path, "query": self.query}
                fields["nth"] = self.nth
            case "response":
                fields |= {"path": self.path, "nth": self.nth, "status": self.status}
            case "closed":
                fields |= {"by": self.by, "reset": self.reset}
        return fields


class Seen:
    """The part of the ledger that one `watch()` block covers.

    `connections`, `requests` and `responses` are exact counts, also where the block saw more
    events than the ledger keeps. While the block runs they grow; after it they stand still.
    """

    def __init__(self, ledger: "Ledger") -> None:
        self._ledger = ledger
        self._start = ledger.totals()
        self._frozen: tuple[list[Event], dict[str, int]] | None = None
        self.started = clock()

    def _freeze(self) -> None:
        self._frozen = self._ledger.since(self._start["events"])

    def _now(self) -> tuple[list[Event], dict[str, int]]:
        return self._frozen or self._ledger.since(self._start["events"])

    def _count(self, kind: str) -> int:
        return self._now()[1][kind] - self._start[kind]

    @property
    def connections(self) -> int:
        """How many connections were opened."""
        return self._count("opened")

    @property
    def requests(self) -> int:
        """How many requests the server received (their head, at least)."""
        return self._count("request")

    @property
    def responses(self) -> int:
        """How many responses the server sent to their end."""
        return self._count("response")

    @property
    def closed(self) -> int:
        """How many connections were closed, by either side."""
        return self._count("closed")

    @property
    def dropped(self) -> int:
        """How many of the block's events the ledger had to forget."""
        events, totals = self._now()
        return totals["events"] - self._start["events"] - len(events)

    @property
    def events(self) -> list[Event]:
        """The events themselves, oldest first."""
        return list(self._now()[0])

    def summary(self) -> str:
        """Return the counts in one line."""
        return (
            f"The server saw {_plural(self.connections, 'connection')} opened, "
            f"{_plural(self.requests, 'request')}, {_plural(self.responses, 'whole response')}."
        )

    def table(self, times: bool = False) -> str:
        """Return one line per event as plain text.

        With `times`, each line begins with the milliseconds since the block was entered.
        """
        lines = [self.summary()]
        if self.dropped:
            lines.append(f"(the first {_plural(self.dropped, 'event')} of them no longer kept)")
        for event in self.events:
            when = f"{(event.time - self.started) * 1000:8.1f} ms  " if times else "  "
            lines.append(f"{when}connection {event.connection}  {event.describe()}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return self.table()

    def _repr_html_(self) -> str:
        dropped = f" ({_plural(self.dropped, 'event')} no longer kept)" if self.dropped else ""
        said = html.escape(self.summary() + dropped)
        rows = "".join(
            f"<tr><td>{event.connection}</td><td style='text-align:left'>"
            f"{html.escape(event.describe())}</td></tr>"
            for event in self.events
        )
        if not rows:
            return f"<p>{said}</p>"
        return (
            f"<p>{said}</p><table>"
            "<tr><th>connection</th><th style='text-align:left'>what the server saw</th></tr>"
            f"{rows}</table>"
        )


class Ledger:
    """An append-only record that the server's thread writes and any thread reads.

    `kept` is the number of events held in memory; older ones are forgotten, the counts are not.
    """

    def __init__(self, kept: int = KEPT_EVENTS) -> None:
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._events: deque[Event] = deque(maxlen=kept)
        self._totals = {"events": 0, "opened": 0, "request": 0, "response": 0, "closed": 0}
        # The server that writes this ledger puts its own function here; a ledger alone has nothing
        # to wait for.
        self.settle: Callable[[], None] = lambda: None

    def opened(self, peer: tuple[str, int] | None) -> Event:
        """Append the opening of a connection, give it the next number, and return the event."""
        with self._lock:
            return self.write("opened", self._totals["opened"] + 1, peer=peer)

    def write(
        self,
        kind: Literal["opened", "request", "response", "closed"],
        connection: int,
        *,
        peer: tuple[str, int] | None = None,
        method: str = "",
        path: str = "",
        query: str = "",
        nth: int = 0,
        status: int = 0,
        by: Literal["", "client", "server"] = "",
        reset: bool = False,
    ) -> Event:
        """Append one event, stamped with `clock`, and return it. Its fields are an `Event`'s.

        Of a method, a path and a query the first `KEPT_TEXT` characters are kept.
        """
        method, path, query = method[:KEPT_TEXT], path[:KEPT_TEXT], query[:KEPT_TEXT]
        about = (connection, peer, method, path, query, nth, status, by, reset)
        with self._lock:
            self._totals["events"] += 1
            self._totals[kind] += 1
            event = Event(self._totals["events"], clock(), kind, *about)
            self._events.append(event)
            self._changed.notify_all()
        return event

    def totals(self) -> dict[str, int]:
        """Return how many events of each kind were ever written, and of all kinds (`events`)."""
        with self._lock:
            return dict(self._totals)

    @property
    def open_connections(self) -> int:
        """How many connections were opened and are not closed."""
        with self._lock:
            return self._totals["opened"] - self._totals["closed"]

    def since(self, seq: int) -> tuple[list[Event], dict[str, int]]:
        """Return the kept events after number `seq`, with the totals of the same moment."""
        with self._lock:
            return [event for event in self._events if event.seq > seq], dict(self._totals)

    @property
    def events(self) -> list[Event]:
        """All kept events, oldest first."""
        return self.since(0)[0]

    @contextmanager
    def watch(self) -> Iterator[Seen]:
        """Give the part of the ledger that the block covers.

        At both ends of the block the server first works off what already lies in its sockets, so
        that what the client has done before is counted before, and what it did inside, inside.

        Raises `TimeoutError` if the server's event loop is blocked for 5 s, and `OSError` (EMFILE)
        if the process has no file descriptor left for a connection that waits to be let in.
        """
        self.settle()
        seen = Seen(self)
        try:
            yield seen
        finally:
            try:
                self.settle()
            finally:
                seen._freeze()

    def wait_until(self, condition: Callable[["Ledger"], bool], timeout: float = 5.0) -> None:
        """Block the calling thread until `condition(ledger)` is true.

        From async code call it as `await asyncio.to_thread(ledger.wait_until, ...)`.

        Raises `TimeoutError` after `timeout` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self), timeout):
                raise TimeoutError(f"the ledger did not get there within {timeout} s")

    def wait_until_closed(self, timeout: float = 5.0) -> None:
        """Block the calling thread until no connection is open, in the ledger's eyes.

        From async code call it as `await asyncio.to_thread(ledger.wait_until_closed)`.

        Raises `TimeoutError` after `timeout` seconds, and says how many are open.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: not self.open_connections, timeout):
                still = _plural(self.open_connections, "connection")
                raise TimeoutError(f"{still} still open after {timeout} s")

    def __len__(self) -> int:
        with self._lock:
            return len(self._events)


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
