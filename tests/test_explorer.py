"""The explorer: its sliders reach the experiment, its results are shown, nothing is left behind."""

import asyncio
import re
import warnings
from contextlib import ExitStack, closing

import ipywidgets as widgets
import pytest

from server.background import turns
from server.local import LocalServer
from workbench.explorer import Explorer, Slider
from workbench.loop import Ticks, tick_plot

pytestmark = pytest.mark.anyio

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


class Shown:
    """A result with a picture and a text, as the workbench has them."""

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"image/png": "QUJD", "text/plain": "what it shows"}, {"image/png": {"width": 3}}


@pytest.fixture
def make():
    """Make explorers of experiments, which are closed in the end."""
    sliders = {
        "gap": Slider("idle gap (s)", 0.0, 2.0, 0.5),
        "clients": Slider("clients", 1, 50, 10),
    }
    with ExitStack() as made:
        yield lambda experiment: made.enter_context(closing(Explorer(experiment, **sliders)))


@pytest.fixture
def explorer(make):
    async def experiment(gap, clients):
        return Shown(), f"{gap} {clients}"

    return make(experiment)


class Hanging:
    """An experiment that does not end by itself."""

    def __init__(self):
        self.ended = asyncio.Event()

    async def run(self, gap, clients):
        try:
            await asyncio.sleep(60)
        finally:
            self.ended.set()

    async def has_ended(self):
        async with asyncio.timeout(2):
            await self.ended.wait()


def texts(explorer):
    return [output["data"]["text/plain"] for output in explorer._output.outputs]


async def test_the_experiment_gets_the_values_of_the_sliders(explorer):
    assert explorer.values == {"gap": 0.5, "clients": 10}
    explorer.set(gap=1.25, clients=3)
    _, text = await explorer.run()
    assert text == "1.25 3"


async def test_results_are_shown_as_a_cell_would_show_them(explorer):
    await explorer.run()
    picture, text = explorer._output.outputs
    assert picture["data"] == {"image/png": "QUJD", "text/plain": "what it shows"}
    assert picture["metadata"] == {"image/png": {"width": 3}}
    assert text["data"]["text/plain"] == "'0.5 10'"


async def test_a_new_run_takes_the_place_of_the_last(explorer):
    await explorer.run()
    explorer.set(clients=7)
    await explorer.run()
    assert texts(explorer) == ["what it shows", "'0.5 7'"]


async def test_a_single_result_needs_no_tuple(make):
    async def experiment(gap, clients):
        return [1, 2]

    explorer = make(experiment)
    await explorer.run()
    assert texts(explorer) == ["[1, 2]"]


async def test_a_failed_run_shows_its_exception_and_the_next_one_works(make):
    async def experiment(gap, clients):
        if clients == 10:
            raise OSError("no port left")
        return "fine"

    explorer = make(experiment)
    assert isinstance(await explorer.run(), OSError)
    assert texts(explorer) == ["The run failed: OSError: no port left."]
    assert not explorer._button.disabled
    explorer.set(clients=1)
    assert await explorer.run() == "fine"


async def test_the_button_runs_it_once_at_a_time(make):
    started = []
    go_on = asyncio.Event()

    async def experiment(gap, clients):
        started.append(clients)
        await go_on.wait()
        return "done"

    explorer = make(experiment)
    explorer._button.click()
    explorer._button.click()
    await turns(3)
    assert explorer._button.disabled
    assert started == [10]
    go_on.set()
    await explorer._running
    assert texts(explorer) == ["'done'"]
    assert not explorer._button.disabled


async def test_closing_ends_a_run_and_removes_the_widgets(make):
    hanging = Hanging()
    before = set(widgets.widget._instances)
    explorer = make(hanging.run)
    explorer._button.click()
    await asyncio.sleep(0)
    explorer.close()
    explorer.close()
    await hanging.has_ended()
    assert set(widgets.widget._instances) <= before


def said(explorer):
    return re.sub("<[^>]*>", "", explorer._status.value.split("</style>")[1])


def looks_old(explorer):
    return "workbench-old" in explorer._output._dom_classes


async def test_a_result_says_how_it_was_made_and_looks_old_once_a_slider_moves(explorer):
    assert said(explorer) == "Not run yet."
    await explorer.run()
    assert said(explorer) == "Result of the run with idle gap (s) 0.5, clients 10."
    assert not looks_old(explorer)
    explorer.set(gap=1)
    assert looks_old(explorer)
    assert said(explorer) == (
        "Old result, from the run with idle gap (s) 0.5, clients 10. "
        "Press Run for where the sliders stand now."
    )
    explorer.set(gap=0.5)
    assert not looks_old(explorer)


async def test_a_run_says_that_it_runs_and_can_be_stopped(make):
    hangs = asyncio.Event()
    ended = []

    async def experiment(gap, clients):
        try:
            if clients != 10:
                await hangs.wait()
        finally:
            ended.append(clients)
        return "done"

    explorer = make(experiment)
    assert explorer._stop_button.disabled
    await explorer.run()
    explorer.set(clients=1)
    explorer._button.click()
    await turns(3)
    assert looks_old(explorer)
    assert said(explorer) == (
        "Running for 0 s with idle gap (s) 0.5, clients 1. "
        "Old result, from the run with idle gap (s) 0.5, clients 10."
    )
    explorer.set(clients=2)  # the run goes on with what it began with
    assert "clients 1." in said(explorer)
    assert not explorer._stop_button.disabled
    explorer._stop_button.click()
    assert await explorer._running is None
    assert ended == [10, 1]
    assert said(explorer).startswith("Stopped. Old result, from the run with")
    assert looks_old(explorer)
    assert texts(explorer) == ["'done'"]
    assert (explorer._button.disabled, explorer._stop_button.disabled) == (False, True)


async def test_a_run_that_ends_under_a_slider_that_has_moved_shows_an_old_result(make):
    go_on = asyncio.Event()

    async def experiment(gap, clients):
        await go_on.wait()

    explorer = make(experiment)
    explorer._button.click()
    await turns(3)
    explorer.set(clients=2)
    go_on.set()
    await explorer._running
    assert looks_old(explorer)
    assert said(explorer).startswith("Old result, from the run with idle gap (s) 0.5, clients 10.")


async def test_a_run_that_is_cancelled_from_outside_ends_its_experiment(make):
    hanging = Hanging()
    explorer = make(hanging.run)
    running = asyncio.create_task(explorer.run())
    await turns(3)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await hanging.has_ended()


async def test_a_server_that_is_gone_is_said_in_a_sentence(make):
    server = LocalServer()

    async def experiment(gap, clients):
        async with asyncio.TaskGroup() as group:
            group.create_task(ask())

    async def ask():
        return server.url

    explorer = make(experiment)
    await explorer.run()
    assert texts(explorer) == [
        "The run failed: RuntimeError: the server is not running, so it has no address: call "
        "start(). If the notebook has stopped its server (its last cell does), start it again with "
        "server.start() in a cell, then press Run."
    ]


async def test_a_picture_is_shown_with_its_words(make):
    async def experiment(gap, clients):
        return tick_plot({"a run": Ticks([0, 0.001])}, title="Words")

    explorer = make(experiment)
    await explorer.run()
    picture, words = explorer._output.outputs
    assert "image/png" in picture["data"]
    assert picture["data"]["text/plain"] in words["data"]["text/html"]


def test_it_can_be_read_without_widgets(explorer):
    bundle = explorer._repr_mimebundle_()
    assert WIDGET_VIEW in bundle
    assert (
        bundle["text/plain"]
        == repr(explorer)
        == (
            "Explorer, to be used in a running notebook. Its sliders: idle gap (s) from 0 to 2, "
            "at first 0.5; clients from 1 to 50, at first 10."
        )
    )


def test_its_text_does_not_follow_the_sliders(explorer):
    before = repr(explorer)
    explorer.set(gap=1.5)
    assert repr(explorer) == before


def test_whole_numbers_stay_whole(explorer):
    assert isinstance(explorer._controls["clients"], widgets.IntSlider)
    assert isinstance(explorer._controls["gap"], widgets.FloatSlider)


def test_a_value_outside_is_moved_to_the_end(explorer):
    explorer.set(gap=9)
    assert explorer.values["gap"] == 2


@pytest.mark.parametrize("value", [-0.1, 2.1])
def test_a_slider_begins_within_its_range(value):
    with pytest.raises(ValueError, match="within 0 to 2"):
        Slider("idle gap (s)", 0.0, 2.0, value)


def test_what_it_refuses(make):
    async def too_few(gap):
        pass

    async def too_many(gap, clients, more):
        pass

    def plain(gap, clients):
        pass

    for experiment in (too_few, too_many, plain):
        with pytest.raises(TypeError):
            make(experiment)


async def test_nobody_is_warned_of_anything(explorer):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        await explorer.run()
