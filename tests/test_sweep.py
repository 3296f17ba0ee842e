"""The figure of outcomes against a swept parameter."""

import itertools

import httpx
import pytest

from workbench.outcomes import Outcome
from workbench.sweep import sweep_plot
from workbench.tally import Tally


def tally(ok, failed):
    error = httpx.ReadError("")
    return Tally([Outcome("OK")] * ok + [Outcome(repr(error), error, failed=True)] * failed)


def bars(picture):
    """(centre, bottom, height) of each bar, in the order drawn."""
    [axes] = picture.figure.axes
    return [
        (round(bar.get_x() + bar.get_width() / 2, 6), bar.get_y(), bar.get_height())
        for bar in axes.patches
    ]


def test_a_numeric_parameter_has_a_numeric_axis_with_marks():
    picture = sweep_plot(
        {0.5: tally(4, 0), 1.0: tally(1, 3), 2.0: tally(0, 4)},
        xlabel="gap (s)",
        title="Longer gaps fail",
        marks={"server closes": 0.9},
    )
    assert bars(picture) == [(0.5, 0, 100), (1.0, 0, 25), (1.0, 25, 75), (2.0, 0, 100)]
    [axes] = picture.figure.axes
    assert [line.get_xdata()[0] for line in axes.lines] == [0.9]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0.5", "1", "2"]
    assert repr(picture) == (
        "Longer gaps fail. gap (s): 0.5: OK (4 of 4, 100.0%). "
        "1: OK (1 of 4, 25.0%); ReadError('') (3 of 4, 75.0%). "
        "2: ReadError('') (4 of 4, 100.0%). Marked: server closes at 0.9."
    )
    assert picture.png()


def test_bars_of_named_values_stand_side_by_side_in_the_order_given():
    picture = sweep_plot({"1 ms": tally(2, 0), "1 s": tally(0, 2)}, xlabel="delay")
    assert bars(picture) == [(0, 0, 100), (1, 0, 100)]
    assert repr(picture).startswith("2 of 4 trials raised an exception. delay: 1 ms: OK")


def test_neighbours_do_not_overlap_and_a_single_value_can_be_drawn():
    [axes] = sweep_plot({1: tally(1, 0), 2: tally(1, 0), 50: tally(1, 0)}, xlabel="x").figure.axes
    edges = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in axes.patches]
    assert all(left[1] < right[0] for left, right in itertools.pairwise(edges))
    assert sweep_plot({1: tally(1, 0)}, xlabel="x", marks={"here": 1}).png()


def test_what_it_cannot_draw_is_named():
    with pytest.raises(ValueError, match="one tally at least"):
        sweep_plot({}, xlabel="x")
    with pytest.raises(TypeError, match="at 1 it got int"):
        sweep_plot({1: 3}, xlabel="x")
    with pytest.raises(ValueError, match="numeric axis"):
        sweep_plot({"a": tally(1, 0)}, xlabel="x", marks={"b": 1})
