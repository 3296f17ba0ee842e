"""What a waterfall is made of: a request with its phases, its outcome in words, its connection.

The tap fills them in, the recording and the pictures read them. Nothing here touches httpx.
"""

from dataclasses import dataclass
from itertools import pairwise

DOING = {
    "pool": "waiting for a connection",
    "connect": "connecting",
    "tls": "setting up TLS",
    "send": "sending the request",
    "wait": "waiting for the response",
    "held": "holding the response open",
    "receive": "receiving the response body",
}
# Between sending and waiting lies one turn of the event loop, in which a cancellation may come or
# not: both are told in the same words.
BEFORE = {
    "pool": "before it had a connection",
    "connect": "before it had a connection",
    "tls": "before it had a connection",
    "send": "before it had a response",
    "wait": "before it had a response",
    "held": "before the end of its body",
    "receive": "before the end of its body",
}


@dataclass
class Phase:
    """A part of a request: its name (a key of `DOING`), start and end in seconds on `clock`."""

    name: str
    start: float
    end: float | None = None


@dataclass(eq=False)
class ClientConnection:
    """A connection of a client's pool.

    `address` is the client's, None where it has none (a Unix socket) or has lost it. `opening` is
    when the client began to connect, None if that was before the block. `number` counts the
    block's connections from 1, in the order of the calls that first used them. `ledger_number` is
    the server's own number for it, None where no entry of the ledger has this address, as behind a
    proxy.
    """

    address: tuple[str, int] | None
    opening: float | None = None
    number: int = 0
    ledger_number: int | None = None


@dataclass(eq=False)
class Exchange:
    """A request and what came of it, as its client saw it. Times are in seconds on `clock`.

    Its phases follow each other: `pool` (waiting for a connection), `connect`, `tls`, `send`,
    `wait` (until the response's headers), `held` (the response is open and nobody reads it) and
    `receive` (the body). A phase that was under way at the end of the block has no end.
    `connection` is None where there was none. `empty` says whether the request has no body.
    `status` is 0 without a response, `failure` is the name of the exception's type, or empty,
    `whole` says whether the body was received to its end, and `ended` is None for a request that
    did not end within the block.
    """

    method: str
    path: str
    phases: list[Phase]
    empty: bool = True
    connection: ClientConnection | None = None
    status: int = 0
    failure: str = ""
    whole: bool = False
    ended: float | None = None

    @property
    def started(self) -> float:
        """When httpx began with it."""
        return self.phases[0].start

    @property
    def reused(self) -> bool:
        """Whether it was sent on a connection that was open before."""
        return self.phase("send") is not None and self.phase("connect") is None

    @property
    def label(self) -> str:
        """The request in words: `GET /echo`."""
        return f"{self.method} {self.path}"

    @property
    def outcome(self) -> str:
        """What came of it: `answered`, `failed with ReadError`, `left open`, ..."""
        if self.failure == "CancelledError":
            return "cancelled"
        if self.failure:
            return f"failed with {self.failure}"
        if self.ended is not None:
            return "answered" if self.whole else "closed early"
        if self.phases[-1].name == "pool":
            return "without a connection"
        return "left open" if self.status else "unfinished"

    def describe(self) -> str:
        """Return the request and what came of it, without its connection and its times."""
        said = f"{self.label} {self.status}" if self.status else self.label
        phase, outcome = self.phases[-1].name, self.outcome
        ends = {
            "answered": "",
            "closed early": "closed before the end of its body",
            "left open": "left open",
            "unfinished": "unfinished at the end of the block",
            "without a connection": "without a connection at the end of the block",
            "cancelled": f"cancelled {BEFORE[phase]}",
        }
        return f"{said} {ends.get(outcome, f'{outcome} while {DOING[phase]}')}".rstrip()

    def describe_connection(self, numbered: bool = True) -> str:
        """Return in words which connection it used; empty where there was none."""
        if self.connection is None:
            return ""
        kind = "reused" if self.reused else "new"
        return f"{kind} connection {self.connection.number}" if numbered else f"a {kind} connection"

    def phase(self, name: str) -> Phase | None:
        """Return its first phase of this name, None without one."""
        return next((phase for phase in self.phases if phase.name == name), None)

    def begin(self, name: str, now: float) -> None:
        """Begin a phase, where the one before ends; the same phase once more goes on."""
        self.close_phase(now)
        if self.phases[-1].name == name:
            self.phases[-1].end = None
        else:
            self.phases.append(Phase(name, now))

    def close_phase(self, now: float) -> None:
        """End the phase that is under way, if there is one."""
        if self.phases[-1].end is None:
            self.phases[-1].end = now

    def end(self, now: float) -> None:
        """End the exchange; one that has ended stays as it is."""
        if self.ended is None:
            self.close_phase(now)
            self.ended = now

    def received(self, now: float) -> None:
        """Note that all of the request had reached the server at this time, if that is news.

        A client's task may have to wait for its next turn after it has written. On a busy machine
        the answer is there by then, so what it calls sending is waiting.
        """
        for phase, following in pairwise(self.phases):
            if phase.name == "send" and following.name == "wait" and now < phase.end:
                phase.end = following.start = max(phase.start, now)
