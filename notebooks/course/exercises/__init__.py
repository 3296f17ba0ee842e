"""Exercises: `check("02-1", function)`, `hint("02-1")`, `solution("02-1")`.

Each returns what its cell shows. How often an exercise was tried is kept in the kernel's process,
so a restart of the kernel forgets it.
"""

import importlib
import pkgutil
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from workbench.checking.record import Exercise
from workbench.checking.run import run_check
from workbench.message import Code, Message, Report

__all__ = ["check", "find", "hint", "ids", "open_solutions", "solution"]

TRIES = 3


@dataclass
class _Progress:
    tries: int = 0
    hints: int = 0
    asked: bool = False
    solved: bool = False


_progress: dict[str, _Progress] = defaultdict(_Progress)
_all_open = False


def ids() -> list[str]:
    """Return the ids of all exercises, in order: ["00-1", "01-1", ...]."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return [name[3:].replace("_", "-") for name in names if name.startswith("ex_")]


def find(exercise_id: str) -> Exercise:
    """Return an exercise by its id, such as "02-1". Raises `ValueError` for an unknown one."""
    if exercise_id not in ids():
        raise ValueError(f"there is no exercise {exercise_id!r}; there are: {', '.join(ids())}")
    module = importlib.import_module(f"{__name__}.ex_{exercise_id.replace('-', '_')}")
    return module.EXERCISE


def check(exercise_id: str, answer: Callable) -> Report:
    """Run your answer against a server of its own and say what came of it.

    The report's `outcome` is "not attempted", "wrong", "error" or "correct".

    Raises `ValueError` for an unknown exercise, `TypeError` for an answer that is no function.
    """
    exercise = find(exercise_id)
    report = run_check(exercise, answer)
    progress = _progress[exercise_id]
    progress.tries += report.outcome in ("wrong", "error")
    progress.solved |= report.outcome == "correct"
    return report


def hint(exercise_id: str) -> Message:
    """Return the next hint. Raises `ValueError` for an unknown exercise."""
    hints = find(exercise_id).hints
    progress = _progress[exercise_id]
    if progress.hints == len(hints):
        return Message(
            f"Exercise {exercise_id}: no more hints",
            [
                *(f"{number}. {words}" for number, words in enumerate(hints, start=1)),
                f'`solution("{exercise_id}")` shows a solution after {TRIES} tries.',
            ],
        )
    progress.hints += 1
    return Message(
        f"Exercise {exercise_id}: hint {progress.hints} of {len(hints)}",
        [hints[progress.hints - 1]],
    )


def solution(exercise_id: str) -> Message:
    """Return the solution after three tries, or when asked a second time.

    A try is a check that ended in "wrong" or "error". After a correct answer the solution is open,
    too. Raises `ValueError` for an unknown exercise.
    """
    exercise = find(exercise_id)
    progress = _progress[exercise_id]
    if not (_all_open or progress.asked or progress.solved or progress.tries >= TRIES):
        progress.asked = True
        tries = f"{progress.tries} of {TRIES} tries"
        return Message(
            f"Exercise {exercise_id}: the solution is still closed",
            [
                f"You have made {tries}. The solution opens after the last of them, or now: "
                f'run `solution("{exercise_id}")` once more.'
            ],
        )
    return Message(
        f"Exercise {exercise_id}: a solution",
        [Code(exercise.shown(exercise.solution)), exercise.why],
    )


def open_solutions() -> Message:
    """Open all solutions at once, for instructors, until the kernel is restarted."""
    global _all_open
    _all_open = True
    calls = ", ".join(f'`solution("{exercise_id}")`' for exercise_id in ids())
    return Message("All solutions are open", [calls])


def solutions_are_open() -> bool:
    """Return whether `open_solutions()` was called."""
    return _all_open
