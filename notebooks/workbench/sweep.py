"""How the outcomes change while one parameter is swept: one stacked bar for each value.

    tallies = {gap: await run_trials(lambda gap=gap: trial(gap), 20) for gap in gaps}
    sweep_plot(tallies, xlabel="idle gap (s)", marks={"server closes": 1.0})

For runs without an order of their own there is `workbench.compare(...).plot()`.
"""

import itertools
from collections.abc import Mapping, Sequence
from numbers import Real

from matplotlib.figure import Figure

from workbench.bars import MOST_PIECES, legend, stack, wrapped
from workbench.figures import WIDTH, Picture, house_style, set_title
from workbench.outcomes import Kind, at_most, counted_in, in_words, kinds_of
from workbench.tally import Tally

HEIGHT = 3.0  # inches, of the bars alone
ROOM_FOR_A_NUMBER = 0.35  # inches


def sweep_plot(
    tallies: Mapping[float | str, Tally],
    *,
    xlabel: str,
    title: str | None = None,
    marks: Mapping[str, float] | None = None,
) -> Picture:
    """Return a picture of the share of each outcome against a swept parameter.

    tallies: the tally at each value of the parameter. Where all values are numbers the axis is
        numeric and each bar stands at its value; otherwise the bars stand side by side, in the
        order given. Numbers that are far apart read better as text: `{"1 ms": ..., "1 s": ...}`.
    xlabel: what was swept, with its unit.
    title: the finding; without one it says how many trials raised an exception in all.
    marks: vertical lines on a numeric axis, each under its name, in the unit of the axis.

    Raises ValueError without a tally and for marks on an axis that is not numeric, TypeError for
    anything that is not a tally.
    """
    if not tallies:
        raise ValueError("sweep_plot needs one tally at least: sweep_plot({0.5: tally}, ...)")
    for value, tally in tallies.items():
        if not isinstance(tally, Tally):
            raise TypeError(f"sweep_plot takes tallies; at {value!r} it got {type(tally).__name__}")
    numeric = all(_is_number(value) for value in tallies)
    if marks and not numeric:
        raise ValueError("marks need a numeric axis: each value swept must be a number")
    marks = marks or {}
    failed, n = sum(t.failed for t in tallies.values()), sum(t.n for t in tallies.values())
    title = title or f"{failed} of {n} trials raised an exception"
    kinds = at_most(
        MOST_PIECES, kinds_of([o for tally in tallies.values() for o in tally.outcomes])
    )
    positions = list(tallies) if numeric else list(range(len(tallies)))
    names = [_name(value) for value in tallies]
    figure = _draw(kinds, list(tallies.values()), positions, names, marks)
    with house_style():
        figure.axes[0].set_xlabel(xlabel)
        set_title(figure, title)
    words = [f"{title.rstrip('.')}.", f"{xlabel}:"]
    words += [
        f"{name}: {in_words(counted_in(kinds, tally.outcomes), tally.n)}."
        for name, tally in zip(names, tallies.values(), strict=True)
    ]
    words += [f"Marked: {name} at {_name(value)}." for name, value in marks.items()]
    return Picture(figure, " ".join(words))


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _name(value: object) -> str:
    return f"{value:g}" if _is_number(value) else str(value)


def _draw(
    kinds: Sequence[Kind],
    tallies: Sequence[Tally],
    positions: Sequence[float],
    names: Sequence[str],
    marks: Mapping[str, float],
) -> Figure:
    width = _bar_width(positions)
    ends = [*positions, *marks.values()]
    left, right = min(ends) - 0.75 * width, max(ends) + 0.75 * width
    wide_enough = width / (right - left) * WIDTH > ROOM_FOR_A_NUMBER
    with house_style():
        figure = Figure(figsize=(WIDTH, HEIGHT + 1.2 + 0.25 * len(kinds) + 0.2 * len(marks)))
        axes = figure.subplots()
        for position, tally in zip(positions, tallies, strict=True):
            pieces = counted_in(kinds, tally.outcomes)
            stack(axes, position, pieces, thickness=width, across=False, numbered=wide_enough)
        for row, (name, value) in enumerate(marks.items()):
            axes.axvline(value, color="black", linestyle="--", linewidth=1.5)
            axes.annotate(
                f" {name} ({_name(value)})",
                (value, 1.02 + 0.08 * row),
                xycoords=("data", "axes fraction"),
            )
        axes.set_xlim(left, right)
        axes.set_ylim(0, 100)
        axes.set_xticks(positions, [wrapped(name, 14) for name in names])
        axes.set_ylabel("share of trials (%)")
        axes.grid(axis="y")
        legend(figure, kinds, "hatched: an exception" if kinds[-1].failed else None)
    return figure


def _bar_width(positions: Sequence[float]) -> float:
    """Return a width that leaves a space between neighbours and that can still be seen."""
    ordered = sorted(positions)
    gaps = [b - a for a, b in itertools.pairwise(ordered)]
    return max(0.8 * min(gaps), 0.015 * (ordered[-1] - ordered[0])) if gaps else 0.8
