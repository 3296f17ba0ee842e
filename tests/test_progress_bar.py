"""The bar of a run that lasts: when it appears, and that it leaves nothing behind."""

import pytest

from workbench.timings import time_in_turn
from workbench.trials import run_trials

pytestmark = pytest.mark.anyio


@pytest.fixture
def half_seconds(monkeypatch):
    """A trial that takes half a second by the clock of the progress bar, and no time."""
    now = 0.0
    monkeypatch.setattr("tqdm.std.time", lambda: now)

    async def trial():
        nonlocal now
        now += 0.5

    return trial


async def test_a_bar_appears_when_the_run_lasts_over_a_second(half_seconds, monkeypatch, capsys):
    monkeypatch.delenv("WORKBENCH_PROGRESS")
    await run_trials(half_seconds, 10)
    shown = capsys.readouterr().err
    assert "10/10" not in shown.splitlines()[-1]  # it is gone at the end
    assert "| 4/10 [" in shown
    assert "| 1/10 [" not in shown


async def test_calls_that_are_timed_have_a_bar_too(half_seconds, monkeypatch, capsys):
    monkeypatch.delenv("WORKBENCH_PROGRESS")
    await time_in_turn({"a": half_seconds, "b": half_seconds}, rounds=3)
    assert "| 4/6 [" in capsys.readouterr().err


async def test_a_short_run_shows_no_bar(half_seconds, monkeypatch, capsys):
    monkeypatch.delenv("WORKBENCH_PROGRESS")
    await run_trials(half_seconds, 1)
    assert capsys.readouterr() == ("", "")


async def test_the_bar_can_be_switched_off(half_seconds, monkeypatch, capsys):
    monkeypatch.setenv("WORKBENCH_PROGRESS", "0")
    await run_trials(half_seconds, 10)
    assert capsys.readouterr() == ("", "")
