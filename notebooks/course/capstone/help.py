"""Hints, one at a time, and the solution after honest tries."""

import difflib
from collections import Counter
from pathlib import Path

from course import exercises
from course.capstone.bugs import BUGS
from course.capstone.report import Judgement
from course.capstone.working_copy import ORIGINAL
from workbench.message import Lines, Message

REPAIRED = Path(__file__).with_name("repaired_storefront.py")
LINES = tuple(line for bug in BUGS for line in bug.shows_in)

_given: Counter = Counter()  # hints, by the bug's place
_tries = 0
_asked = _solved = False


def note_try(judgement: Judgement) -> None:
    """Count a judgement of the learner's own service."""
    global _tries, _solved
    _tries += judgement.outcome in ("wrong", "error")
    _solved |= judgement.outcome == "correct"


def hint(line: str) -> Message:
    """Return the next hint for a line of the table, such as "streaming answer".

    Raises `ValueError` for a line that has none.
    """
    place = next((i for i, bug in enumerate(BUGS) if line in bug.shows_in), None)
    if place is None:
        raise ValueError(f"no hints for {line!r}; there are some for: {', '.join(LINES)}")
    hints = BUGS[place].hints
    if _given[place] == len(hints):
        again = (f"{number}. {words}" for number, words in enumerate(hints, start=1))
        return Message(f"{line}: no more hints", [*again])
    _given[place] += 1
    title = f"{line}: hint {_given[place]} of {len(hints)}"
    return Message(title, [hints[_given[place] - 1]])


def solution() -> Message:
    """Return a repair, as the difference to the original: after three tries, or when asked twice.

    A try is a judgement of your own service that is not "correct". `open_solutions()` opens this
    one, too.
    """
    global _asked
    if not (exercises.solutions_are_open() or _asked or _solved or _tries >= exercises.TRIES):
        _asked = True
        return Message(
            "Capstone: the solution is still closed",
            [
                f"You have made {_tries} of {exercises.TRIES} tries. The solution opens after the "
                "last of them, or now: run `solution()` once more."
            ],
        )
    before, after = (path.read_text(encoding="utf-8").splitlines() for path in (ORIGINAL, REPAIRED))
    changes = list(difflib.unified_diff(before, after, n=1, lineterm=""))[2:]
    whys = (f"{number}. {bug.why}" for number, bug in enumerate(BUGS, start=1))
    return Message(
        "Capstone: a solution, as changes to the original", [Lines("\n".join(changes)), *whys]
    )
