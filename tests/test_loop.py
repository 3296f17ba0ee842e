"""The ticker shows when the event loop stands still, and where."""

import asyncio
import base64
import io
import time

import pytest
from matplotlib.image import imread

from server.ledger import clock
from workbench.loop import PERIOD, Ticks, tick_plot, ticking

pytestmark = pytest.mark.anyio


async def test_it_ticks_while_the_block_waits():
    async with ticking() as ticks:
        start = clock()
        await asyncio.sleep(0.3)
        end = clock()
    assert ticks.between(start, end) > 1
    assert ticks.times == sorted(ticks.times)
    assert ticks.times[0] <= start
    assert ticks.times[-1] >= end


async def test_it_does_not_tick_while_the_block_computes():
    async with ticking() as ticks:
        await asyncio.sleep(10 * PERIOD)
        start = clock()
        time.sleep(0.05)
        end = clock()
        await asyncio.sleep(10 * PERIOD)
    assert ticks.between(start, end) == 0
    assert ticks.longest_stall >= 0.05


async def test_a_stall_counts_from_the_first_to_the_last_moment_of_the_block():
    async with ticking() as ticks:
        start = clock()
        time.sleep(0.05)
        end = clock()
    assert len(ticks.times) == 2
    begin, finish = ticks.stall
    assert begin <= start
    assert finish >= end


@pytest.mark.parametrize("error", [ValueError("no"), asyncio.CancelledError()])
async def test_it_ends_with_the_block_whatever_ends_that(error):
    before = asyncio.all_tasks()
    with pytest.raises(type(error)):
        async with ticking() as ticks:
            raise error
    assert asyncio.all_tasks() == before
    assert len(ticks.times) == 2


def test_the_longest_stall_and_what_lies_between():
    ticks = Ticks([0.0, 1.0, 4.0, 5.0])
    assert ticks.stall == (1.0, 4.0)
    assert ticks.longest_stall == 3.0
    assert ticks.between(0.0, 4.5) == 2
    assert ticks.between(1.0, 4.0) == 0


def test_a_stall_needs_two_ticks():
    with pytest.raises(ValueError, match="between two ticks"):
        _ = Ticks([1.0]).stall


def test_the_picture_names_each_row_and_no_time():
    runs = {"many clients": Ticks([0, 0.001, 0.2, 0.201]), "one": Ticks([5, 5.001, 5.003])}
    picture = tick_plot(runs, title="Many clients stop the loop")
    assert picture.text == (
        "Many clients stop the loop. A line for each tick of the event loop, in a row for each of: "
        "many clients; one. The longest stall of each row is marked."
    )
    assert [text.get_text() for text in picture.figure.axes[0].texts] == ["199 ms", "2 ms"]
    data, _ = picture._repr_mimebundle_()
    image = imread(io.BytesIO(base64.b64decode(data["image/png"])), format="png")
    assert image.std() > 0


def test_a_picture_needs_a_run():
    with pytest.raises(ValueError, match="one run at least"):
        tick_plot({}, title="Nothing")
