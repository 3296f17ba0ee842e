"""Prove an exercise in both directions: what is wrong is rejected, what is right is accepted.

The exercises' own answers are known to end and to leave the process as it was, so they run in the
process of the proof, which saves a process for each.
"""

import faulthandler
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from workbench.checking.here import Run
from workbench.checking.record import Exercise, WrongAnswer
from workbench.checking.run import run_check
from workbench.message import Report

FEWEST_WRONG_ANSWERS = 2
# Times an exercise's limit: only what hangs meets it. The clock runs from when a proof starts, and
# goes on while other processes have the processor, for most of the time on a busy machine.
PATIENCE = 12


@dataclass(frozen=True)
class Proof:
    """What was found out about one exercise. `problems` is empty for one that holds.

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


def answers_of(exercise: Exercise) -> list[Callable]:
    """Return the starter, the solution, then its other right answers, then the wrong ones."""
    wrong = (wrong.answer for wrong in exercise.wrong)
    return [exercise.starter, exercise.solution, *exercise.right, *wrong]


def report_on(exercise: Exercise, answer: Callable) -> Report:
    """Return the report on an answer of `answers_of`. One that hangs ends the process."""
    return run_check(exercise, answer, run=_in_this_process)


def examine(exercise: Exercise, exercise_id: str, reports: Sequence[Report] | None = None) -> Proof:
    """Return what the reports on an exercise's answers prove.

    exercise_id: the id that its file's name stands for. reports: those on `answers_of(exercise)`;
    without them the answers are run.
    """
    if reports is None:
        reports = [report_on(exercise, answer) for answer in answers_of(exercise)]
    starter, solution, *others = reports
    rights, wrongs = others[: len(exercise.right)], others[len(exercise.right) :]
    problems = list(_shape(exercise, exercise_id))
    if starter.outcome != "not attempted":
        problems.append(f"the starter is {starter.outcome}")
    if solution.outcome != "correct":
        problems.append(f"the solution is not correct:\n{solution}")
    refused = [
        f"{right.__name__}, a right answer, is not correct:\n{report}"
        for right, report in zip(exercise.right, rights, strict=True)
        if report.outcome != "correct"
    ]
    short = [
        list(_rejection(exercise, wrong, report))
        for wrong, report in zip(exercise.wrong, wrongs, strict=True)
    ]
    return Proof(
        id=exercise_id,
        starter=starter.outcome,
        rejected=sum(not problem for problem in short),
        wrong=len(exercise.wrong),
        solution=solution.outcome,
        accepted=len(exercise.right) - len(refused),
        right=len(exercise.right),
        hints=len(exercise.hints),
        problems=(*problems, *refused, *(words for problem in short for words in problem)),
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


def _rejection(exercise: Exercise, wrong: WrongAnswer, report: Report) -> Iterator[str]:
    name = wrong.answer.__name__
    if report.outcome not in ("wrong", "error"):
        yield f"{name} is {report.outcome}"
        return
    if wrong.says not in report.text():
        yield f"{name} does not earn {wrong.says!r} but:\n{report}"
    for other in exercise.wrong:
        if other is not wrong and other.says in report.text():
            yield f"{name} earns {other.says!r}, the words of {other.answer.__name__}"


def _in_this_process(exercise: Exercise, answer: Callable) -> Report:
    reports: list[Report] = []
    faulthandler.dump_traceback_later(PATIENCE * exercise.limit, exit=True)
    try:
        Run(exercise, answer).run(deliver=reports.append)
    finally:
        faulthandler.cancel_dump_traceback_later()
    return reports[0]
