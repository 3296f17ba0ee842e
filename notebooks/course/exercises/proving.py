"""Prove the exercises, side by side: for `python -m course.exercises` and the tests."""

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

from course.exercises import find
from workbench.checking.proof import Proof, answers_of, examine, report_on
from workbench.message import Report

PROCESSES = 6  # more than there are cores, as a rule: a check mostly waits for its server


def examine_all(exercise_ids: Sequence[str]) -> Iterator[Proof]:
    """Yield the proof of each exercise, in order. Raises `ValueError` for an unknown one."""
    answers = {name: range(len(answers_of(find(name)))) for name in exercise_ids}
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=spawn) as pool:
        submitted = {
            name: [pool.submit(_report_on, name, number) for number in numbers]
            for name, numbers in answers.items()
        }
        for name, jobs in submitted.items():
            yield examine(find(name), name, [job.result() for job in jobs])


def _report_on(exercise_id: str, number: int) -> Report:
    exercise = find(exercise_id)
    return report_on(exercise, answers_of(exercise)[number])
