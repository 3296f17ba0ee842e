"""Time several variants of a call in turn, in one run, and compare them as ratios.

    times = await time_in_turn({"a client per call": new, "one shared client": shared}, rounds=15)
    times.ratio("a client per call", to="one shared client")
    times.plot("The finding", to="one shared client")

In turn, because whatever else slows the machine down for a while then meets all of them alike.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from statistics import median
from typing import Any

from matplotlib.figure import Figure

from server.ledger import clock
from workbench.figures import OKABE_ITO, WIDTH, Picture, house_style, set_title
from workbench.progress_bar import progress_bar

BAR = {"facecolor": OKABE_ITO["sky blue"], "edgecolor": "white"}
DOT = {"marker": "o", "markersize": 4, "color": OKABE_ITO["black"], "linestyle": "", "alpha": 0.5}
RATIO = {"horizontalalignment": "left", "verticalalignment": "center", "fontweight": "bold"}


class Timings:
    """How long each call took: `seconds` holds a list for each variant, in the order of the calls.

    It has no text with times in it: they differ from run to run, and outputs are compared.
    """

    def __init__(self, seconds: Mapping[str, Sequence[float]]) -> None:
        self.seconds = {name: list(times) for name, times in seconds.items()}

    def median(self, name: str) -> float:
        """Return the median time of a variant's calls, in seconds."""
        return median(self.seconds[name])

    def ratio(self, name: str, to: str) -> float:
        """Return how many times as long as a call of `to` one of `name` takes, by the medians."""
        return self.median(name) / self.median(to)

    def plot(self, title: str, *, to: str) -> Picture:
        """Return the picture: a bar for each median, a dot for each round, the ratios beside them.

        title: the finding. to: the variant to which the ratios refer. It speaks of rounds, since
        one call of a variant may make many requests.

        Raises KeyError if there is no variant of that name.
        """
        rounds = len(self.seconds[to])
        return Picture(
            self._draw(title, to),
            f"{title.rstrip('.')}. Time per round, {rounds} rounds each, as a multiple of that of "
            f"{to}; a bar for each of: {'; '.join(self.seconds)}.",
        )

    def _draw(self, title: str, to: str) -> Figure:
        with house_style():
            figure = Figure(figsize=(WIDTH, 1.3 + 0.6 * len(self.seconds)))
            axes = figure.subplots()
            right = 1.3 * max(self.median(name) for name in self.seconds) * 1000
            for row, (name, times) in enumerate(self.seconds.items()):
                length = self.median(name) * 1000
                axes.barh(row, length, height=0.6, **BAR)
                axes.plot([time * 1000 for time in times], [row] * len(times), **DOT)
                ratio = self.ratio(name, to)
                words = "1" if name == to else f"{ratio:.0f} ×" if ratio >= 10 else f"{ratio:.1f} ×"
                axes.text(1.01, row, words, transform=axes.get_yaxis_transform(), **RATIO)
            axes.set_xlim(0, right)  # a round that took far longer is not shown
            axes.set_yticks(range(len(self.seconds)), list(self.seconds))
            axes.invert_yaxis()
            axes.tick_params(axis="y", length=0)
            axes.set_xlabel("time of a round (ms): median and each round; at the right the ratio")
            set_title(figure, title)
        return figure

    def __repr__(self) -> str:
        return f"Timings of: {'; '.join(self.seconds)}."


async def time_in_turn(
    variants: Mapping[str, Callable[[], Awaitable[Any]]], rounds: int
) -> Timings:
    """Call all variants, one after the other, `rounds` times, and return how long each call took.

    variants: functions without arguments that return an awaitable, by name. What one raises comes
    through.

    Raises ValueError without a variant or for `rounds` below 1.
    """
    if not variants or rounds < 1:
        raise ValueError("time_in_turn needs one variant and one round at least")
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    with progress_bar(rounds * len(variants), "call") as progress:
        for _ in range(rounds):
            for name, call in variants.items():
                started = clock()
                await call()
                seconds[name].append(clock() - started)
                progress.update()
    return Timings(seconds)
