"""Prove an exercise in both directions: what is wrong is rejected, what is right is accepted."""

import faulthandler
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from workbench.checking.here import Run
from workbench.checking.record import Exercise, WrongAnswer
from workbench.checking.run import run_check
from workbench.message import Report

FEWEST_WRONG_ANSWERS = 2
PATIENCE = 3  # times an exercise's limit, on a busy machine


@dataclass(frozen=True)
class Proof:
    """What a proof found out about one exercise. `problems` is empty for one that holds.

    starter, solution: the outcomes of the two. rejected, accepted: how many of its `wrong` and of
    its `right` answers were.
    """

    id: str
    starter: str
    rejected: int
    wrong: int
    solution: str
    accepted: int
    right: int
    hints: int
    problems: tuple[str, ...]


def examine(exercise: Exercise, exercise_id: str) -> Proof:
    """Run the starter, every wrong answer, the solution and every other right one of an exercise.

    exercise_id: the id that its file's name stands for.
    """
    problems = list(_shape(exercise, exercise_id))
    starter = _run(exercise, exercise.starter)
    if starter.outcome != "not attempted":
        problems.append(f"the starter is {starter.outcome}")
    rejected = 0
    for wrong in exercise.wrong:
        short = list(_rejection(exercise, wrong))
        rejected += not short
        problems += short
    solution = _run(exercise, exercise.solution)
    if solution.outcome != "correct":
        problems.append(f"the solution is not correct:\n{solution}")
    accepted = 0
    for right in exercise.right:
        report = _run(exercise, right)
        accepted += report.outcome == "correct"
        if report.outcome != "correct":
            problems.append(f"{right.__name__}, a right answer, is not correct:\n{report}")
    return Proof(
        id=exercise_id,
        starter=starter.outcome,
        rejected=rejected,
        wrong=len(exercise.wrong),
        solution=solution.outcome,
        accepted=accepted,
        right=len(exercise.right),
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
    report = _run(exercise, wrong.answer)
    name = wrong.answer.__name__
    if report.outcome not in ("wrong", "error"):
        yield f"{name} is {report.outcome}"
        return
    if wrong.says not in report.text():
        yield f"{name} does not earn {wrong.says!r} but:\n{report}"
    for other in exercise.wrong:
        if other is not wrong and other.says in report.text():
            yield f"{name} earns {other.says!r}, the words of {other.answer.__name__}"


def _run(exercise: Exercise, answer: Callable) -> Report:
    return run_check(exercise, answer, run=_in_this_process)


def _in_this_process(exercise: Exercise, answer: Callable) -> Report:
    """Run an answer that we know here. One that hangs ends the process, and says where."""
    reports: list[Report] = []
    faulthandler.dump_traceback_later(PATIENCE * exercise.limit, exit=True)
    try:
        Run(exercise, answer).run(deliver=reports.append)
    finally:
        faulthandler.cancel_dump_traceback_later()
    return reports[0]
