"""A ticker: a task that notes the time whenever the event loop lets it run, and so shows stalls.

    async with ticking() as ticks:
        await asyncio.gather(*(call() for _ in range(10)))
    ticks.longest_stall                     # in seconds
    ticks.between(start, end)               # how often it ticked in that time
    tick_plot({"ten calls": ticks}, title="The finding")

A tick is due every millisecond. While one task computes, none comes, and whatever else is to run
on the loop waits as the ticker does: other requests, timeouts, a health check.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import pairwise

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from server.ledger import clock
from workbench.figures import OKABE_ITO, WIDTH, Picture, house_style, set_title

PERIOD = 0.001  # seconds
TICK = {"color": OKABE_ITO["blue"], "linewidth": 0.7}
STALL = {"facecolor": OKABE_ITO["vermilion"], "edgecolor": "white", "hatch": "///"}


class Ticks:
    """When the ticker ran: `times`, in seconds on `server.ledger.clock`.

    The first is the beginning of the block, the last its end.
    """

    def __init__(self, times: Sequence[float] = ()) -> None:
        self.times = list(times)

    @property
    def longest_stall(self) -> float:
        """The longest time between two ticks, in seconds."""
        begin, end = self.stall
        return end - begin

    @property
    def stall(self) -> tuple[float, float]:
        """The two neighbouring ticks that are farthest apart: begin and end of the longest stall.

        Raises ValueError while there are fewer than two.
        """
        if len(self.times) < 2:
            raise ValueError("a stall lies between two ticks, and there are no two")
        return max(pairwise(self.times), key=lambda pair: pair[1] - pair[0])

    def between(self, start: float, end: float) -> int:
        """Return how many ticks came after `start` and before `end`."""
        return sum(start < time < end for time in self.times)

    def __repr__(self) -> str:
        # Without a count: that depends on the machine, and outputs are compared.
        return "Ticks of an event loop."


@asynccontextmanager
async def ticking() -> AsyncIterator[Ticks]:
    """Let a ticker run beside the block, on the same event loop, and give its `Ticks`."""
    ticks = Ticks()

    async def tick() -> None:
        while True:
            await asyncio.sleep(PERIOD)
            ticks.times.append(clock())

    ticker = asyncio.create_task(tick())
    await asyncio.sleep(0)  # it waits for its first tick when the block begins
    ticks.times.append(clock())
    try:
        yield ticks
    finally:
        # A stall that lasts to the end of the block ends here, before the ticker could run.
        ticks.times.append(clock())
        ticker.cancel()
        with suppress(asyncio.CancelledError):
            await ticker


def tick_plot(runs: Mapping[str, Ticks], *, title: str) -> Picture:
    """Return a picture with a row for each run: its ticks, and its longest stall with its length.

    runs: the ticks by name; all rows begin at the time 0. title: the finding.

    Raises ValueError without a run.
    """
    if not runs:
        raise ValueError('tick_plot needs one run at least: tick_plot({"ten calls": ticks}, ...)')
    return Picture(
        _draw(runs, title),
        f"{title.rstrip('.')}. A line for each tick of the event loop, in a row for each of: "
        f"{'; '.join(runs)}. The longest stall of each row is marked.",
    )


def _draw(runs: Mapping[str, Ticks], title: str) -> Figure:
    with house_style():
        figure = Figure(figsize=(WIDTH, 1.7 + 0.6 * len(runs)))
        axes = figure.subplots()
        for row, ticks in enumerate(runs.values()):
            first = ticks.times[0]
            axes.vlines([(t - first) * 1000 for t in ticks.times], row - 0.3, row + 0.3, **TICK)
            begin, end = ((time - first) * 1000 for time in ticks.stall)
            axes.barh(row, end - begin, left=begin, height=0.6, **STALL)
            axes.annotate(
                f"{end - begin:.0f} ms",
                ((begin + end) / 2, row - 0.3),
                xytext=(0, 2),
                textcoords="offset points",
                horizontalalignment="center",
                fontsize=10,
            )
        axes.set_yticks(range(len(runs)), list(runs))
        axes.set_ylim(len(runs) - 0.5, -0.75)  # the first row on top
        axes.set_xlim(left=-2)
        axes.set_xlabel("time (ms)")
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        figure.legend(
            [Line2D([], [], **TICK), Patch(**STALL)],
            ["a tick: the loop lets other tasks run", "the longest stall: it does not"],
            loc="outside lower left",
            ncols=2,
            fontsize=9,
        )
        set_title(figure, title)
    return figure
