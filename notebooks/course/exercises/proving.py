"""Prove the exercises, side by side."""

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

from course.exercises import find
from workbench.checking.proof import Proof, examine

MOST_PROCESSES = 4


def examine_all(exercise_ids: Sequence[str]) -> Iterator[Proof]:
    """Yield the row of each exercise, in order.

    In processes of their own, since each check mostly waits for its server.
    """
    spawn = multiprocessing.get_context("spawn")
    processes = min(MOST_PROCESSES, len(exercise_ids))
    with ProcessPoolExecutor(processes, mp_context=spawn) as pool:
        yield from pool.map(examine_id, exercise_ids)


def examine_id(exercise_id: str) -> Proof:
    """Examine the exercise with this id. Raises `ValueError` for an unknown one."""
    return examine(find(exercise_id), exercise_id)
