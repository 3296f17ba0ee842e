"""How a measured quantity is distributed, and what a limit would cut off.

ecdf_plot(seconds, xlabel="time to answer (s)", marks={"limit": 0.5})
"""

import math
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from workbench.figures import OKABE_ITO, WIDTH, Picture, house_style, set_title

HEIGHT = 4.0  # inches
ON_WHITE = {"facecolor": "white", "edgecolor": "none", "boxstyle": "round,pad=0.15"}
SHARES_SAID = (0.5, 0.9, 0.99)


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest of the values that at least this share of them does not exceed.

    share: above 0, up to 1: 0.99 for the 99th percentile. Nothing is interpolated, so the result
        is a value that was measured.

    Raises ValueError without values and for a share out of its range.
    """
    if not values or not 0 < share <= 1:
        raise ValueError(f"needs values and a share above 0, up to 1; got {share}")
    ordered = sorted(values)
    # Rounded first: 0.07 times 100 is a little more than 7. numpy.quantile with the method
    # "inverted_cdf" does not round, and gives the 8th of 100 values.
    return ordered[max(1, math.ceil(round(share * len(ordered), 6))) - 1]


def share_above(values: Sequence[float], limit: float) -> float:
    """Return the share of the values, 0 to 1, that exceed the limit.

    Raises ValueError without values.
    """
    if not values:
        raise ValueError("needs one value at least")
    return sum(value > limit for value in values) / len(values)


def ecdf_plot(
    values: Sequence[float],
    *,
    xlabel: str,
    title: str | None = None,
    marks: Mapping[str, float] | None = None,
) -> Picture:
    """Return a picture of the empirical distribution function: the share up to each value.

    values: positive numbers; the axis is logarithmic.
    xlabel: what was measured, with its unit.
    title: the finding; without one it says how many values there are.
    marks: limits, each a vertical line under its name with the share of the values above it.

    Raises ValueError without values or for one that is not positive.
    """
    if not values or min(values) <= 0:
        raise ValueError("ecdf_plot needs values, all of them above 0")
    marks = marks or {}
    title = title or f"{xlabel}: {len(values)} values"
    above = {name: f"{share_above(values, limit):.2%} above" for name, limit in marks.items()}
    words = [f"{title.rstrip('.')}.", f"{xlabel}, {len(values)} values:"]
    words += [f"{share:.0%} up to {quantile(values, share):.2g}," for share in SHARES_SAID]
    words += [f"all up to {max(values):.2g}."]
    words += [f"Marked: {name} at {limit:.2g}, {above[name]}." for name, limit in marks.items()]
    return Picture(_draw(values, xlabel, title, marks, above), " ".join(words))


def _draw(
    values: Sequence[float],
    xlabel: str,
    title: str,
    marks: Mapping[str, float],
    above: Mapping[str, str],
) -> Figure:
    with house_style():
        figure = Figure(figsize=(WIDTH, HEIGHT))
        axes = figure.subplots()
        axes.ecdf(values, color=OKABE_ITO["blue"], linewidth=2)
        axes.set_xscale("log")
        for row, (name, limit) in enumerate(sorted(marks.items(), key=lambda mark: -mark[1])):
            axes.axvline(limit, color="black", linestyle="--", linewidth=1.5)
            reached = 1 - share_above(values, limit)
            axes.plot(limit, reached, "o", color=OKABE_ITO["vermilion"], clip_on=False)
            axes.annotate(
                f"{name}: {limit:.2g}\n{above[name]}",
                (limit, 0.08 + 0.22 * row),
                xytext=(6, 0),
                textcoords="offset points",
                fontsize=10,
                bbox=ON_WHITE,
            )
        ends = [*values, *marks.values()]
        axes.set_xlim(min(ends) / 1.1, max(ends) * 3)  # the right side has room for words
        axes.set_ylim(0, 1)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=None))
        axes.set_xlabel(xlabel)
        axes.set_ylabel("share of requests (%)")
        axes.grid()
        set_title(figure, title)
    return figure
