"""The words of a report that no exercise writes itself."""

from collections.abc import Sequence
from typing import Any

from server.ledger import Seen
from workbench.checking.record import Exercise, Wrong, is_coroutine_function
from workbench.message import Lines, Report


def report(
    exercise: Exercise, outcome: str, parts: Sequence[Any], notes: Sequence[str] = ()
) -> Report:
    """Return a report. `notes` are what Python or asyncio remarked on the way."""
    parts = [*parts, *(f"Python noted: {note}" for note in notes)]
    if outcome != "correct":
        parts.append(f'`hint("{exercise.id}")` gives a hint.')
    return Report(f"Exercise {exercise.id}: {outcome}", parts, outcome=outcome)


def not_attempted(exercise: Exercise, why: str) -> list[str]:
    """Return the parts of a report on an answer that is still to be written."""
    name = exercise.starter.__name__
    return [f"{why} Write your answer into `{name}` and run the cell again."]


def wrong(exercise: Exercise, problem: Wrong, seen: Seen | None, did: str = "") -> list[Any]:
    """Return the parts of a report on a wrong answer.

    seen: what the server saw, None for an answer that was not run. did: how its last call ended.
    """
    parts: list[Any] = [f"Expected: {problem.expected}", f"What happened: {problem.happened}"]
    if seen is None:
        return [*parts, "So it was not run, and the server saw nothing."]
    asked = seen.requests or seen.connections or "No request was made" in problem.happened
    if did and not asked and is_coroutine_function(exercise.starter):
        # First what was seen: the check's own words may take a request for granted.
        parts.insert(0, f"No request was made; {did}.")
    return [*parts, Lines(seen.table())]
