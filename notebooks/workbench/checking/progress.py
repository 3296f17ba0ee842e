"""How far a learner has come with one task: tries, hints given, whether the solution is open.

`course.exercises` keeps one `Progress` for each exercise; the capstone may keep one for its
service. It lives in the kernel's process, so a restart of the kernel forgets it.
"""

from collections import Counter
from collections.abc import Callable, Sequence

from workbench.message import Code, Lines, Message

TRIES = 3


class Progress:
    """The progress with one task.

    title: begins what is said of it: "Exercise 02-1". call: what the learner runs to see the
    solution: 'solution("02-1")'.

    progress.note(report.outcome)               # after each check
    return progress.hint(hints)                 # the learner's hint()
    return progress.solution(lambda: [Code(source), why])   # the learner's solution()
    """

    all_open = False  # the solutions of all tasks, since an instructor said so

    def __init__(self, title: str, call: str) -> None:
        self.title = title
        self.call = call
        self.tries = 0
        self.solved = self.asked = False
        self._given: Counter[str] = Counter()

    def note(self, outcome: str) -> None:
        """Count a check: one that ended in "wrong" or "error" is a try, "correct" solves it."""
        self.tries += outcome in ("wrong", "error")
        self.solved |= outcome == "correct"

    def hint(self, hints: Sequence[str], about: str = "") -> Message:
        """Return the next of these hints; all of them once each was given.

        about: names one of several lists of hints, where a task has them: each has its own count.
        """
        title = about or self.title
        given = self._given[title]
        if given < len(hints):
            self._given[title] += 1
            return Message(f"{title}: hint {given + 1} of {len(hints)}", [hints[given]])
        again = [f"{number}. {words}" for number, words in enumerate(hints, start=1)]
        after = f"`{self.call}` shows a solution after {TRIES} tries."
        return Message(f"{title}: no more hints", [*again, after])

    def solution(
        self, parts: Callable[[], Sequence[str | Code | Lines]], what: str = "a solution"
    ) -> Message:
        """Return the solution, made by `parts`, once it is open; else say how it opens.

        It opens after three tries, a right answer or `open_all`, or when asked for a second time.
        """
        if self.all_open or self.asked or self.solved or self.tries >= TRIES:
            return Message(f"{self.title}: {what}", parts())
        self.asked = True
        return Message(
            f"{self.title}: the solution is still closed",
            [
                f"You have made {self.tries} of {TRIES} tries. The solution opens after the last "
                f"of them, or now: run `{self.call}` once more."
            ],
        )

    @classmethod
    def open_all(cls) -> None:
        """Open the solutions of all tasks, until the kernel is restarted."""
        cls.all_open = True
