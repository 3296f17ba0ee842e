"""The capstone's hints and its solution, on the same machinery as those of the exercises.

Learners call `course.hint` and `course.solution`, which come here for what is no exercise.
"""

import difflib

from course.capstone.bugs import BUGS
from course.capstone.edits import SOLUTION, edited
from workbench.checking.progress import Progress
from workbench.message import Lines, Message

NAME = "capstone"
PLACES = {line: bug for bug in BUGS for line in bug.shows_in}

progress = Progress("Capstone", f'solution("{NAME}")')


def hint(line: str) -> Message:
    """Return the next hint for a line of the judge's table, such as "streaming answer".

    Lines that show the same bug share its hints. Raises `KeyError` for what is no line.
    """
    bug = PLACES[line]
    return progress.hint(bug.hints, about=bug.shows_in[0])


def solution() -> Message:
    """Return a repair, as the difference to the storefront as given, once it is open.

    A try is a judgement of the learner's own service that is "wrong" or "error".
    """
    return progress.solution(_changes, "a solution, as changes to the storefront as given")


def _changes() -> list[str | Lines]:
    before, after = edited(()).splitlines(), edited(SOLUTION).splitlines()
    changes = list(difflib.unified_diff(before, after, n=1, lineterm=""))[2:]
    whys = (bug.why for bug in BUGS if bug.why)
    return [Lines("\n".join(changes)), *(f"{n}. {why}" for n, why in enumerate(whys, start=1))]
