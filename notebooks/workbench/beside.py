"""Run several trials at once, each many times, where one after the other would take too long.

tallies = await side_by_side({"as it was": trial, "timeout=60": patient_trial}, 10)
compare(tallies)
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from workbench.trials import Tally, run_trials


async def side_by_side(
    trials: Mapping[Any, Callable[[], Awaitable[Any]]], n: int
) -> dict[Any, Tally]:
    """Run each of the trials n times, all of them at the same time, and return their tallies.

    trials: functions as `run_trials` takes them, by name. n: how often each is run.

    Raises ValueError without a trial or for an n below 1.
    """
    turns = iter([trial for _ in range(n) for trial in trials.values()])
    count = n * len(trials)
    every = await run_trials(lambda: next(turns)(), count, at_once=count)
    return {name: Tally(every.outcomes[first :: len(trials)]) for first, name in enumerate(trials)}
