"""An exercise's answer as a learner would type it into the cell that the lesson gives."""

import inspect

from workbench.checking.record import Exercise
from workbench.checking.source import imports


def of_its_own(answer) -> bool:
    """Whether an answer needs nothing of its exercise's file but what a lesson can import.

    Nor a name of a function around it.
    """
    within = getattr(inspect.unwrap(answer), "__closure__", None)
    return not within and not any(
        line.startswith("from course.exercises") for line in imports(answer)
    )


def typed(exercise: Exercise, answer, given: str) -> str:
    """Return the source of a lesson's cell with an answer in the place of what is to be written.

    given: the cell's source as the lesson has it.
    """
    starter = exercise.shown(exercise.starter).strip()
    assert starter in given, f"{exercise.id}: the cell does not show the starter"
    needed = [line for line in imports(answer) if line not in given.splitlines()]
    return "\n".join([*needed, given.replace(starter, exercise.shown(answer).strip())])
