"""Watch a client's connection pool, and draw what it held over time.

    with watch_pool(client) as pool:
        await asyncio.gather(*(client.get(url) for _ in range(10)))
    pool                       # the picture; its text form says the same
    pool.plot("The finding")   # under a title of its own
    pool.last                  # the pool's state when the block ended

The pool's state is noted right after each call of its `_assign_requests_to_connections`, so no
request that comes or leaves is missed, and nothing is asked in vain (see `waterfall/tap.py`, which
has all that the workbench takes from httpcore's private state). A client that closes drops its
connections without that call: the state as the block ends shows it.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from server.ledger import clock
from workbench.figures import OKABE_ITO, WIDTH, Picture, house_style, set_title
from workbench.waterfall.tap import assignments, pool_for, wrapped

# How each kind of connection is filled, in the order in which they are stacked.
KINDS = {
    "with_request": ("active, with a request", {"facecolor": OKABE_ITO["blue"]}),
    "without_request": (
        "active, without a request",
        {"facecolor": OKABE_ITO["vermilion"], "edgecolor": "white", "hatch": "///"},
    ),
    "idle": ("idle", {"facecolor": "#DDDDDD"}),
}
WAITING = {"facecolor": "white", "edgecolor": OKABE_ITO["orange"], "hatch": "////"}


@dataclass(frozen=True)
class PoolState:
    """What a pool held at one moment; `time` is in seconds on `server.ledger.clock`.

    with_request: active connections, assigned to a request whose response is not closed yet.
    without_request: connections that count as active although no request has them.
    idle: connections that are kept for the next request.
    queued: requests that wait for a connection.
    """

    time: float
    with_request: int
    without_request: int
    idle: int
    queued: int

    @property
    def active(self) -> int:
        """How many connections are active, with or without a request."""
        return self.with_request + self.without_request

    def describe(self) -> str:
        """Return the state in words."""
        lost = f" ({self.without_request} without a request)" if self.without_request else ""
        return f"{self.active} active{lost}, {self.idle} idle, {self.queued} queued"


@contextmanager
def watch_pool(client: httpx.AsyncClient, url: str | None = None) -> Iterator["WatchedPool"]:
    """Note each change of the client's pool while the block runs.

    url: of a client that has several pools, as with a proxy in the environment or `mounts=`, the
        one that a request to this URL goes through; without it, to the client's `base_url` or, if
        it has none, to a server at 127.0.0.1.

    Gives a `WatchedPool`, which is complete once the block has ended. Blocks may be nested.

    Raises TypeError for anything but an `httpx.AsyncClient` with httpx's own transport.
    """
    if not isinstance(client, httpx.AsyncClient):
        raise TypeError(f"can watch an httpx.AsyncClient's own pool, not a {type(client).__name__}")
    pool = pool_for(client, url or str(client.base_url) or "http://127.0.0.1")
    if pool is None:
        raise TypeError("can watch an httpx.AsyncClient's own pool, and its transport has none")
    watched = WatchedPool(pool)

    def assign_and_note(assign: Callable[[], Any]) -> Any:
        closing = assign()
        watched._note()
        return closing

    with wrapped(pool, "_assign_requests_to_connections", assign_and_note):
        try:
            yield watched
        finally:
            watched._note()
            watched._pool = None


class WatchedPool:
    """What `watch_pool` noted. As the last line of a cell it shows the picture.

    `states` are the pool's states in order: one as the block began, one for each of `changes`, one
    as it ended. `limit` is the number of connections that it may have, None without a limit.
    """

    def __init__(self, pool: Any) -> None:
        limit = pool._max_connections
        self.limit = None if limit == sys.maxsize else limit  # as httpcore writes "no limit"
        self.states: list[PoolState] = []
        self._pool = pool
        self._note()

    @property
    def last(self) -> PoolState:
        """The last state noted."""
        return self.states[-1]

    @property
    def changes(self) -> int:
        """How often a request came to the pool, got a connection or left since the block began."""
        return len(self.states) - (1 if self._pool is not None else 2)

    @property
    def most_active(self) -> int:
        """The most connections that were active at a time."""
        return max(state.active for state in self.states)

    @property
    def most_queued(self) -> int:
        """The most requests that waited at a time."""
        return max(state.queued for state in self.states)

    def plot(self, title: str | None = None) -> Picture:
        """Return the picture. title: the finding; without one it says how the block ended."""
        return Picture(
            self._draw(title or self._finding()), f"{title}. {self}" if title else str(self)
        )

    def __repr__(self) -> str:
        return (
            f"{self._finding()}. At most {self.most_active} active and {self.most_queued} queued "
            "at a time."
        )

    def displays(self) -> list[tuple[dict, dict]]:
        """Return what a cell shows, as `Picture.displays` does."""
        return self.plot().displays()

    def _ipython_display_(self) -> None:
        self.plot()._ipython_display_()

    def _finding(self) -> str:
        limit = "any number of connections" if self.limit is None else _connections(self.limit)
        return f"A pool for {limit}, at the end: {self.last.describe()}"

    def _note(self) -> None:
        with_request = without_request = idle = 0
        held = [connection for _, connection in assignments(self._pool)]
        assigned = {id(connection) for connection in held}
        for connection in self._pool.connections:
            # Asked first: a kept connection that has just been assigned to a request calls itself
            # idle until the request's own task runs and sends on it.
            if id(connection) in assigned:
                with_request += 1
            elif connection.is_idle():
                idle += 1
            else:
                without_request += 1
        queued = held.count(None)
        self.states.append(PoolState(clock(), with_request, without_request, idle, queued))

    def _draw(self, title: str) -> Figure:
        times = [(state.time - self.states[0].time) * 1000 for state in self.states]
        with house_style():
            figure = Figure(figsize=(WIDTH, 4.6))
            upper, lower = figure.subplots(2, sharex=True, height_ratios=[3, 2])
            self._draw_connections(upper, times)
            queued = [state.queued for state in self.states]
            lower.fill_between(times, queued, step="post", lw=0.8, **WAITING)
            lower.step(times, queued, where="post", color=OKABE_ITO["orange"])
            lower.set_title("requests that wait for a connection", loc="left", fontsize=10)
            lower.set_ylim(0, max(self.most_queued, 1) * 1.15)
            lower.set_xlabel("time since the block began (ms)", fontsize=10)
            for panel in (upper, lower):
                panel.yaxis.set_major_locator(MaxNLocator(5, integer=True))
                panel.grid(axis="y")
            upper.set_xlim(0, times[-1])
            handles, names = upper.get_legend_handles_labels()
            figure.legend(handles, names, loc="outside lower left", ncols=4, fontsize=9)
            set_title(figure, title)
        return figure

    def _draw_connections(self, panel: Axes, times: list[float]) -> None:
        floor = [0] * len(times)
        for name, (words, style) in KINDS.items():
            counts = [getattr(state, name) for state in self.states]
            if any(counts):
                top = [low + count for low, count in zip(floor, counts, strict=True)]
                panel.fill_between(times, floor, top, step="post", label=words, lw=0.8, **style)
                floor = top
        highest = max(floor)
        if self.limit is not None:
            highest = max(highest, self.limit)
            panel.axhline(self.limit, color="black", linestyle="--", lw=1.5, label="the limit")
        panel.set_title("the pool's connections", loc="left", fontsize=10)
        panel.set_ylim(0, max(highest, 1) * 1.15)


def _connections(count: int) -> str:
    return "1 connection" if count == 1 else f"{count} connections"
