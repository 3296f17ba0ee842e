"""Run the same coroutine function many times and tally what came of it.

    tally = await run_trials(trial, 200, at_once=50)
    tally                       # the table
    tally.plot()                # the picture
    assert tally.failed == 0

An exception is data here: it is kept, counted and shown, and the next trial runs. What its
traceback would keep alive is let go once all trials have ended.
"""

import asyncio
import inspect
import traceback
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from types import FrameType
from typing import Any

from workbench.outcomes import Outcome, outcome_label
from workbench.progress_bar import progress_bar
from workbench.tally import Tally

MOST_TRIALS = 10_000


async def run_trials(
    trial: Callable[[], Awaitable[Any]],
    n: int,
    *,
    at_once: int = 1,
    label: Callable[[Any], str] = outcome_label,
) -> Tally:
    """Run `trial` n times and return the `Tally` of the outcomes.

    trial: a function without arguments that returns an awaitable: `async def trial(): ...`, or
        `lambda: client.get(url)`. Each call runs in a task of its own.
    n: how many trials, 1 to 10 000.
    at_once: how many may run at the same time, 1 to n. With 1 each waits for the one before.
    label: names an outcome; called with what a trial returned or raised.

    An `Exception` of a trial is an outcome, and so is the `CancelledError` of a trial that was
    cancelled by itself. KeyboardInterrupt, SystemExit and the cancellation of the whole run are
    not: they end the run, after every trial still under way was cancelled and has ended.

    Raises TypeError or ValueError for arguments it cannot use.
    """
    _check_arguments(trial, n, at_once)
    slots = asyncio.Semaphore(at_once)
    tasks = []
    progress = progress_bar(n, "trial")

    def ended(task: asyncio.Task) -> None:
        slots.release()
        progress.update()

    with progress:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(n):
                    await slots.acquire()
                    task = group.create_task(_attempt(trial))
                    # Not a `finally` in the task: one cancelled before its first step runs none.
                    task.add_done_callback(ended)
                    tasks.append(task)
        except BaseExceptionGroup as errors:
            # What ended the run (outcomes never get here), without the group's wrapping.
            raise errors.exceptions[0] from None
    tally = Tally([_outcome(task, label) for task in tasks])
    _clear_frames(tally.exceptions)
    return tally


async def side_by_side(
    trials: Mapping[Any, Callable[[], Awaitable[Any]]], n: int
) -> dict[Any, Tally]:
    """Run each of the trials n times, all of them at the same time, and return their tallies.

    Where one after the other would take too long: `compare(await side_by_side({...}, 10))`.

    trials: functions as `run_trials` takes them, by name. n: how often each is run.

    Raises ValueError without a trial, for an n below 1, and for more than 10 000 runs in all.
    """
    if not trials:
        raise ValueError("side_by_side needs one trial at least: side_by_side({'alone': trial}, 5)")
    _check_whole_number("n", n, MOST_TRIALS // len(trials))
    turns = iter([trial for _ in range(n) for trial in trials.values()])
    count = n * len(trials)
    every = await run_trials(lambda: next(turns)(), count, at_once=count)
    return {name: Tally(every.outcomes[first :: len(trials)]) for first, name in enumerate(trials)}


def _check_arguments(trial: Any, n: Any, at_once: Any) -> None:
    if not callable(trial):
        hint = ": write run_trials(trial, n), not trial()" if inspect.iscoroutine(trial) else ""
        raise TypeError(
            f"trial must be a function to call n times; got a {type(trial).__name__}{hint}"
        )
    try:
        inspect.signature(trial).bind()
    except TypeError as error:
        raise TypeError(f"trial must be callable without arguments: {error}") from None
    except ValueError:
        pass  # a callable written in C may have no signature to read
    _check_whole_number("n", n, MOST_TRIALS)
    _check_whole_number("at_once", at_once, n)


def _check_whole_number(name: str, value: Any, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number from 1 to {most}; got {value!r}")
    if not 1 <= value <= most:
        raise ValueError(f"{name} must lie between 1 and {most}; got {value}")


async def _attempt(trial: Callable[[], Awaitable[Any]]) -> tuple[bool, Any]:
    """Return whether the trial failed, and what it returned or raised.

    CancelledError passes: it ends this task as cancelled, which the run reads as an outcome
    unless the run itself is being cancelled.
    """
    try:
        awaitable = trial()
        if inspect.isawaitable(awaitable):
            return False, await awaitable
    except Exception as error:
        return True, error
    raise TypeError(
        "trial must be a coroutine function (`async def`) or return an awaitable; "
        f"{getattr(trial, '__name__', 'it')} returned an object of type "
        f"{type(awaitable).__name__!r}"
    )


def _outcome(task: asyncio.Task, label: Callable[[Any], str]) -> Outcome:
    try:
        failed, result = task.result()
    except asyncio.CancelledError as cancelled:
        failed, result = True, cancelled
    name = label(result)
    if not isinstance(name, str):
        raise TypeError(f"label must return a str; for {result!r} it returned {name!r}")
    return Outcome(name, result, failed)


def _clear_frames(errors: Iterable[BaseException]) -> None:
    """Clear the local variables in the tracebacks of exceptions, and of those they came from.

    They would keep clients, connections and servers alive for as long as the tally; the lines that
    a traceback names stay. A function that is still awaiting is left alone: a task that raised an
    exception and handed it on may run on, and before Python 3.13 `frame.clear()` would end it.
    """
    awaiting = set(_awaiting_frames())
    left, seen = list(errors), set()
    while left:
        error = left.pop()
        if error is None or id(error) in seen:
            continue
        seen.add(id(error))
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if frame not in awaiting:
                with suppress(RuntimeError):  # it runs: the one that called `run_trials`, say
                    frame.clear()
        left += [error.__cause__, error.__context__, *getattr(error, "exceptions", ())]


def _awaiting_frames() -> Iterator[FrameType]:
    """Give the frame of each coroutine that a task of the running loop is in."""
    for task in asyncio.all_tasks():
        coroutine = task.get_coro()
        while inspect.iscoroutine(coroutine) and coroutine.cr_frame is not None:
            yield coroutine.cr_frame
            coroutine = coroutine.cr_await
