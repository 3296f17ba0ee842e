"""An exercise's answer as a learner would type it into the cell that the lesson gives."""

import inspect

from workbench.checking.record import Exercise
from workbench.checking.source import imports, own_names


def of_its_own(answer) -> bool:
    """Whether an answer needs nothing of its exercise's file but what a lesson can import.

    Nor a name of a function around it.
    """
    within = getattr(inspect.unwrap(answer), "__closure__", None)
    return not within and not own_names(answer)


def typed(exercise: Exercise, answer, given: str) -> str:
    """Return the source of a lesson's cell with an answer in the place of what is to be written.

    given: the cell's source as the lesson has it.
    """
    starter = exercise.shown(exercise.starter).strip()
    assert starter in given, f"{exercise.id}: the cell does not show the starter"
    needed = [line for line in imports(answer) if line not in given.splitlines()]
    # What a solution uses its lesson has; a wrong answer may use another one, or a helper.
    if answer is not exercise.solution and (names := own_names(answer)):
        needed.append(f"from {answer.__module__} import {', '.join(names)}")
    return "\n".join([*needed, given.replace(starter, exercise.shown(answer).strip())])
