"""What the judge and the stock system saw of a service: `replay` fills it, `lines` read it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from course.capstone.schedule import Call
from server.ledger import Event


@dataclass(frozen=True)
class Answer:
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

    status: None without an answer. body: what was received. cut: whether the page could tell that
    it was not the end. endless: whether it still waited when its patience was over. said: why, or
    an error's text. seconds: until it began, or failed to.
    """

    status: int | None
    body: bytes
    cut: bool
    endless: bool
    said: str
    seconds: float


@dataclass
class Observed:
    """What the judge and the stock system saw.

    answers: by phase. catalogues: by what the stock system played. in_pieces: whether the first
    piece of the catalogue came before the stock system had sent the last.
    raised: by path, the exception that came out of the service, with its line.
    opened_for: how many connections under load were opened to ask for what.
    at_once: the most connections that were open while a crowd was there.
    gathered: the most calls of a burst that were at the stock system together.
    held: by what was asked last, connections at the end whose last answer was none or an error.
    arrived: how often each order arrived at the stock system. cookies: paths of requests with one.
    left: connections that were open after the service had stopped. stopped: whether it did.
    stalled: seconds, the longest time by which the judge itself came too late.
    """

    answers: dict[str, list[Answer]] = field(default_factory=dict)
    catalogues: dict[str, list[Streamed]] = field(default_factory=dict)
    in_pieces: bool = False
    raised: dict[str, str] = field(default_factory=dict)
    opened_for: Counter[str] = field(default_factory=Counter)
    at_once: int = 0
    gathered: int = 0
    held: Counter[str] = field(default_factory=Counter)
    arrived: Counter[str] = field(default_factory=Counter)
    cookies: list[str] = field(default_factory=list)
    left: int = 0
    stopped: bool = True
    stalled: float = 0.0

    def of(self, phases: Iterable[str]) -> list[Answer]:
        """Return what came of the calls of these phases."""
        return [answer for phase in phases for answer in self.answers.get(phase, ())]


def kind(path: str) -> str:
    """Return what a path asks for: "stock" for "/stock/17"."""
    return path.split("/")[1]


def opened_for(events: Iterable[Event]) -> Counter[str]:
    """Count the connections by what was asked on them first."""
    first: dict[int, str] = {}
    for event in events:
        if event.kind == "request":
            first.setdefault(event.connection, kind(event.path))
    return Counter(first.values())


def held(events: Iterable[Event]) -> Counter[str]:
    """Count the open connections whose last answer was none or an error, by what was asked."""
    last: dict[int, tuple[str, int]] = {}
    for event in events:
        if event.kind == "closed":
            last.pop(event.connection, None)
        elif event.kind in ("request", "response"):
            last[event.connection] = (kind(event.path), event.status)
    return Counter(what for what, status in last.values() if not 200 <= status < 300)


def arrived(events: Iterable[Event]) -> Counter[str]:
    """Count how often each POST arrived, by path."""
    return Counter(e.path for e in events if e.kind == "request" and e.method == "POST")
