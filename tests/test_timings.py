"""Variants are timed in turn, and compared by the medians."""

import pytest

from workbench.timings import Timings, time_in_turn

pytestmark = pytest.mark.anyio


async def test_the_variants_take_turns():
    calls = []

    def noting(name):
        async def call():
            calls.append(name)

        return call

    times = await time_in_turn({"a": noting("a"), "b": noting("b")}, rounds=3)
    assert calls == ["a", "b"] * 3
    assert {name: len(seconds) for name, seconds in times.seconds.items()} == {"a": 3, "b": 3}
    assert all(second >= 0 for seconds in times.seconds.values() for second in seconds)


async def test_what_a_variant_raises_comes_through():
    async def fails():
        raise LookupError("no")

    with pytest.raises(LookupError, match="no"):
        await time_in_turn({"fails": fails}, rounds=2)


@pytest.mark.parametrize(("names", "rounds"), [([], 3), (["a"], 0), (["a"], -1)])
async def test_a_run_needs_a_variant_and_a_round(names, rounds):
    async def call():
        pass

    with pytest.raises(ValueError, match="one variant and one round"):
        await time_in_turn(dict.fromkeys(names, call), rounds)


def test_ratios_are_of_the_medians():
    times = Timings({"slow": [4.0, 2.0, 600.0], "fast": [0.5, 0.5, 0.1]})
    assert times.median("slow") == 4.0
    assert times.ratio("slow", to="fast") == 8.0
    assert times.ratio("fast", to="slow") == 1 / 8


def test_the_picture_shows_the_ratios_and_its_text_has_no_time():
    times = Timings({"slow": [0.024, 0.026], "middle": [0.003], "fast": [0.002, 0.002]})
    picture = times.plot("One is slow", to="fast")
    assert [text.get_text() for text in picture.figure.axes[0].texts] == ["12 ×", "1.5 ×", "1"]
    assert picture.text == (
        "One is slow. Time per round, 2 rounds each, as a multiple of that of fast; a bar for each "
        "of: slow; middle; fast."
    )
    assert repr(times) == "Timings of: slow; middle; fast."
    data, _ = picture._repr_mimebundle_()
    assert data["image/png"]


def test_a_ratio_refers_to_a_variant_that_is_there():
    with pytest.raises(KeyError, match="none"):
        Timings({"a": [1.0]}).plot("Nothing", to="none")
