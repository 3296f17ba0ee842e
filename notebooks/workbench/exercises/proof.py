"""Prove an exercise in both directions: what is wrong is rejected, what is right is accepted."""

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from workbench.exercises import find
from workbench.exercises.judge import judge
from workbench.exercises.kit import Exercise, WrongAnswer

FEWEST_WRONG_ANSWERS = 2
MOST_PROCESSES = 4


@dataclass(frozen=True)
class Row:
    """What a proof found out about one exercise. `problems` is empty for one that holds."""

    id: str
    starter: str
    rejected: int
    wrong: int
    solution: str
    hints: int
    problems: tuple[str, ...]


def examine_all(exercise_ids: Sequence[str]) -> Iterator[Row]:
    """Yield the row of each exercise, in order.

    In processes of their own, since each check mostly waits for its server.
    """
    spawn = multiprocessing.get_context("spawn")
    processes = min(MOST_PROCESSES, len(exercise_ids))
    with ProcessPoolExecutor(processes, mp_context=spawn) as pool:
        yield from pool.map(examine_id, exercise_ids)


def examine_id(exercise_id: str) -> Row:
    """Examine the exercise with this id. Raises `ValueError` for an unknown one."""
    return examine(find(exercise_id), exercise_id)


def examine(exercise: Exercise, exercise_id: str) -> Row:
    """Run the starter, every wrong answer and the solution of an exercise.

    exercise_id: the id that its file's name stands for.
    """
    problems = list(_shape(exercise, exercise_id))
    starter = judge(exercise, exercise.starter)
    if starter.outcome != "not attempted":
        problems.append(f"the starter is {starter.outcome}")
    rejected = 0
    for wrong in exercise.wrong:
        short = list(_rejection(exercise, wrong))
        rejected += not short
        problems += short
    solution = judge(exercise, exercise.solution)
    if solution.outcome != "correct":
        problems.append(f"the solution is not correct:\n{solution}")
    return Row(
        id=exercise_id,
        starter=starter.outcome,
        rejected=rejected,
        wrong=len(exercise.wrong),
        solution=solution.outcome,
        hints=len(exercise.hints),
        problems=tuple(problems),
    )


def _shape(exercise: Exercise, exercise_id: str) -> Iterator[str]:
    if exercise.id != exercise_id:
        yield f"its file says {exercise_id}, its id {exercise.id}"
    for name in ("title", "task", "why"):
        if not getattr(exercise, name).strip():
            yield f"it has no {name}"
    if not exercise.hints or not all(hint.strip() for hint in exercise.hints):
        yield "a hint is missing or empty"
    if len(exercise.wrong) < FEWEST_WRONG_ANSWERS:
        yield f"it has fewer than {FEWEST_WRONG_ANSWERS} wrong answers"
    if not all(wrong.says.strip() for wrong in exercise.wrong):
        yield "a wrong answer has no words"


def _rejection(exercise: Exercise, wrong: WrongAnswer) -> Iterator[str]:
    report = judge(exercise, wrong.answer)
    name = wrong.answer.__name__
    if report.outcome not in ("wrong", "error"):
        yield f"{name} is {report.outcome}"
        return
    if wrong.says not in report.text():
        yield f"{name} does not earn {wrong.says!r} but:\n{report}"
    for other in exercise.wrong:
        if other is not wrong and other.says in report.text():
            yield f"{name} earns {other.says!r}, the words of {other.answer.__name__}"
