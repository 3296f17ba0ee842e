"""Exercises: `check("02-1", function)`, `hint("02-1")`, `solution("02-1")`.

Each returns what its cell shows. How often an exercise was tried, and so what `solution` says, is
kept in the kernel's process, which a restart forgets (`workbench.checking.progress`). What came of
each check is kept for longer, for `course.progress()` (`workbench.diary`).
"""

import importlib
import pkgutil
from collections.abc import Callable

from workbench import diary
from workbench.checking.progress import Progress
from workbench.checking.record import Exercise
from workbench.checking.run import run_check
from workbench.checking.source import imports
from workbench.message import Code, Message, Report

__all__ = ["check", "find", "hint", "ids", "open_solutions", "solution"]

_progress: dict[str, Progress] = {}


def ids() -> list[str]:
    """Return the ids of all exercises, in order: ["00-1", "00-httpx2-1", ...]."""
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

    Raises `ValueError` for an unknown exercise.
    """
    exercise = find(exercise_id)
    report = run_check(exercise, answer)
    _progress_of(exercise_id).note(report.outcome)
    if report.outcome != "not attempted":
        diary.note(exercise=exercise_id, outcome=report.outcome)
    return report


def hint(exercise_id: str) -> Message:
    """Return the next hint. Raises `ValueError` for an unknown exercise."""
    return _progress_of(exercise_id).hint(find(exercise_id).hints)


def solution(exercise_id: str) -> Message:
    """Return the solution after three tries, or when asked a second time.

    A try is a check that ended in "wrong" or "error". After a correct answer the solution is open,
    too. Raises `ValueError` for an unknown exercise.
    """
    exercise = find(exercise_id)
    return _progress_of(exercise_id).solution(lambda: [Code(_whole(exercise)), exercise.why])


def _whole(exercise: Exercise) -> str:
    """The solution with what it imports, which a lesson's own cells need not have."""
    shown = exercise.shown(exercise.solution)
    above = "\n".join(imports(exercise.solution))
    return f"{above}\n\n\n{shown}" if above else shown


def open_solutions() -> Message:
    """Open all solutions at once, for instructors, until the kernel is restarted."""
    Progress.open_all()
    calls = ", ".join(f'`solution("{exercise_id}")`' for exercise_id in ids())
    return Message("All solutions are open", [calls])


def _progress_of(exercise_id: str) -> Progress:
    title, call = f"Exercise {exercise_id}", f'solution("{exercise_id}")'
    return _progress.setdefault(exercise_id, Progress(title, call))
