"""The distribution of measured values, and what a limit would cut off."""

import pytest

from workbench.distribution import ecdf_plot, quantile, share_above


def test_a_quantile_is_a_value_that_was_measured():
    values = [5, 1, 4, 2, 3]
    assert [quantile(values, share) for share in (0.01, 0.2, 0.5, 0.8, 0.81, 1)] == [
        *(1, 1, 3, 4, 5, 5)
    ]
    hundred = range(1, 101)
    assert [quantile(hundred, n / 100) for n in hundred] == list(hundred)


@pytest.mark.parametrize(("values", "share"), [([], 0.5), ([1], 0), ([1], 1.1)])
def test_a_quantile_needs_values_and_a_share(values, share):
    with pytest.raises(ValueError, match="needs values and a share"):
        quantile(values, share)


def test_the_share_above_a_limit_does_not_count_the_limit():
    assert [share_above([1, 2, 3, 4], limit) for limit in (0, 2, 4)] == [1, 0.5, 0]
    with pytest.raises(ValueError, match="one value"):
        share_above([], 1)


def test_the_picture_says_in_words_what_it_shows():
    values = [n / 100 for n in range(1, 101)]
    picture = ecdf_plot(values, xlabel="time (s)", title="The finding", marks={"limit": 0.9})
    assert repr(picture) == (
        "The finding. time (s), 100 values: 50% up to 0.5, 90% up to 0.9, 99% up to 0.99, "
        "all up to 1. Marked: limit at 0.9, 10.00% above."
    )
    assert picture.png().startswith(b"\x89PNG")
    curve, _, point = picture.figure.axes[0].lines
    assert (curve.get_xdata()[50], curve.get_ydata()[50]) == (0.5, 0.5)
    assert (list(point.get_xdata()), list(point.get_ydata())) == ([0.9], [0.9])
    assert repr(ecdf_plot([1], xlabel="time (s)")).startswith("time (s): 1 values.")


@pytest.mark.parametrize("values", [[], [1, 0]])
def test_the_picture_needs_values_above_zero(values):
    with pytest.raises(ValueError, match="above 0"):
        ecdf_plot(values, xlabel="time (s)")
