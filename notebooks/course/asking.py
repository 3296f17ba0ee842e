"""`hint` and `solution` as learners call them: for an exercise by its id, or for the capstone."""

from course import exercises
from course.capstone import help as capstone
from workbench.message import Message


def hint(about: str) -> Message:
    """Return the next hint: for an exercise, "02-1", or for a line of lesson 11's table.

    Raises `ValueError` for what is neither.
    """
    if about in capstone.PLACES:
        return capstone.hint(about)
    if about in exercises.ids():
        return exercises.hint(about)
    known = ", ".join([*exercises.ids(), *capstone.PLACES])
    raise ValueError(f"there are no hints for {about!r}; there are some for: {known}")


def solution(of: str) -> Message:
    """Return the solution of an exercise, "02-1", or of lesson 11's "capstone", once it is open.

    It opens after three tries, after a right answer, or when asked for a second time. Raises
    `ValueError` for what is neither.
    """
    if of == capstone.NAME:
        return capstone.solution()
    if of in exercises.ids():
        return exercises.solution(of)
    known = ", ".join([*exercises.ids(), capstone.NAME])
    raise ValueError(f"there is no solution for {of!r}; there are some for: {known}")
