"""Bars of outcomes: as long as their counts, or stacked to 100 % for each of several runs.

`tally` and `sweep` draw with it. A success is plain, a failure hatched.
"""

import textwrap
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from workbench.figures import FAILURES, SUCCESSES, WIDTH, house_style, set_title
from workbench.outcomes import Kind, Outcome, counted_in

MOST_BARS = 10
MOST_PIECES = min(len(SUCCESSES), len(FAILURES))  # of a stacked bar: one style for each
ON_A_BAR = {
    "horizontalalignment": "center",
    "verticalalignment": "center",
    "bbox": {"facecolor": "white", "edgecolor": "none", "boxstyle": "round,pad=0.15"},
}


def draw_counts(kinds: Sequence[Kind], n: int, title: str) -> Figure:
    """Draw a bar for each kind of outcome, as long as its count."""
    labels = [wrapped(kind.label, 40) for kind in kinds]
    lines = 1 + max(label.count("\n") for label in labels)
    with house_style():
        figure = Figure(figsize=(WIDTH, 1.3 + len(kinds) * (0.2 + 0.2 * lines)))
        axes = figure.subplots()
        for position, kind in enumerate(kinds):
            style = FAILURES[0] if kind.failed else SUCCESSES[0]
            axes.barh(position, kind.count, height=0.65, **style)
            _beside(axes, kind.count, position, f"{kind.count} ({kind.count / n:.1%})")
        axes.set_yticks(range(len(kinds)), labels)
        axes.invert_yaxis()
        axes.set_xlim(0, n)
        axes.set_xlabel("trials" + ("; hatched: an exception" if kinds[-1].failed else ""))
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.grid(axis="x")
        set_title(figure, title)
    return figure


def draw_shares(kinds: Sequence[Kind], runs: Mapping[str, Sequence[Outcome]], title: str) -> Figure:
    """Draw a bar of 100 % for each run, one piece for each kind of outcome."""
    names = [wrapped(name, 24) for name in runs]
    row_height = 0.5 + 0.2 * max(name.count("\n") for name in names)
    with house_style():
        figure = Figure(figsize=(WIDTH, 1.4 + 0.3 * len(kinds) + row_height * len(names)))
        axes = figure.subplots()
        for position, outcomes in enumerate(runs.values()):
            stack(axes, position, counted_in(kinds, outcomes), thickness=0.65, across=True)
            failed = sum(outcome.failed for outcome in outcomes)
            _beside(axes, 100, position, f"{failed} of {len(outcomes)}\nraised")
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.set_xlim(0, 100)
        axes.set_xlabel("share of trials (%); hatched: an exception")
        axes.grid(axis="x")
        legend(figure, kinds)
        set_title(figure, title)
    return figure


def stack(
    axes: Axes,
    position: float,
    kinds: Sequence[Kind],
    *,
    thickness: float,
    across: bool,
    numbered: bool = True,
) -> None:
    """Draw one bar of 100 %, with a piece for each kind of outcome.

    position, thickness: on the axis of the bars, in its unit. across: from left to right, not
    upwards. numbered: write its count on each piece that has room for it.
    """
    n = sum(kind.count for kind in kinds)
    done = 0.0
    for kind, style in zip(kinds, styles_for(kinds), strict=True):
        if not kind.count:  # a piece of no size would still show its edge
            continue
        share = 100 * kind.count / n
        (axes.barh if across else axes.bar)(position, share, thickness, done, **style)
        if share >= 6 and numbered:  # smaller pieces have no room for a number
            middle = (done + share / 2, position)
            axes.text(*(middle if across else middle[::-1]), str(kind.count), **ON_A_BAR)
        done += share


def legend(figure: Figure, kinds: Sequence[Kind], title: str | None = None) -> None:
    """Name the kinds below the figure, each with its style."""
    figure.legend(
        [Patch(**style) for style in styles_for(kinds)],
        [wrapped(kind.label, 80) for kind in kinds],
        loc="outside lower left",
        title=title,
        alignment="left",
    )


def styles_for(kinds: Sequence[Kind]) -> list[dict[str, str]]:
    """Return a colour, and for failures a hatch, for each kind of outcome."""
    successes, failures = iter(SUCCESSES), iter(FAILURES)
    return [next(failures if kind.failed else successes) for kind in kinds]


def wrapped(label: str, width: int) -> str:
    """Return the label in lines of at most `width` characters, four of them at most."""
    return textwrap.fill(label, width, max_lines=4, placeholder=" …")


def _beside(axes: Axes, end: float, position: float, words: str) -> None:
    """Write words at the right of a bar that ends there."""
    axes.annotate(
        words,
        (end, position),
        xytext=(6, 0),
        textcoords="offset points",
        verticalalignment="center",
    )
