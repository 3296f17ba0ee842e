"""`progress()`: which predictions were made and which exercises are solved, over kernels and days.

It reads what `workbench.diary` keeps: a small file that stays on this machine and belongs to the
learner. Which question belongs to which lesson is read from the lessons themselves.
"""

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from course import exercises
from workbench import diary
from workbench.message import Message
from workbench.table import Table, marked

CAPSTONE = "capstone"
LESSONS = Path(__file__).resolve().parent.parent
NOTHING_YET = (
    "Nothing yet. What you predict is noted when the run is compared with it, and what you solve "
    "when it is checked."
)


class ProgressPage:
    """How far a learner has come, as a table of the lessons; `save` copies what it is made of.

    predicted: question -> whether the first prediction of it held. solved: ids of exercises, and
    "capstone". tried: those of them that were checked. problem: what could not be read or written.
    """

    def __init__(self, pages: diary.Pages, own: bool) -> None:
        self.problem = pages.problem
        self._own = own
        self.predicted: dict[str, bool] = {}
        self.solved: set[str] = set()
        self.tried: set[str] = set()
        for entry in pages.entries:
            match entry:
                case {"prediction": str(question), "held": bool(held)}:
                    self.predicted.setdefault(question, held)
                case {"exercise": str(name), "outcome": str(outcome)}:
                    self.tried.add(name)
                    if outcome == "correct":
                        self.solved.add(name)

    def save(self, path: str | Path) -> Message:
        """Copy your file to a place of your choice, such as a folder that a teacher can read.

        Raises `OSError` if it cannot be written.
        """
        diary.copy_to(Path(path))
        return Message(f"Your progress is copied to {Path(path).name}")

    def table(self) -> Table:
        """Return a row for each lesson, and for each notebook beyond one in which was predicted."""
        held = sum(self.predicted.values())
        rows = [row for name, asked in _asked().items() if (row := self._row(name, asked))]
        caption = f"{len(self.predicted)} predicted, {held} of them held. {len(self.solved)} solved"
        return Table(("notebook", "predicted", "of them held", "exercises solved"), rows, caption)

    def _row(self, name: str, asked: Sequence[str]) -> list[str]:
        made = [self.predicted[question] for question in asked if question in self.predicted]
        if "/" in name and not made:
            return []
        own = [] if "/" in name else _tasks(name[:2])
        solved = sum(task in self.solved for task in own)
        return [
            name,
            f"{len(made)} of {len(asked)}" if asked else "-",
            str(sum(made)) if made else "-",
            f"{solved} of {len(own)}" if own else "-",
        ]

    def _words(self) -> list[str]:
        path = diary.diary_file() if self._own else None
        where = f"It is kept in {path}, and nowhere else. `forget_progress()` deletes it."
        return [*([self.problem] if self.problem else []), *([where] if path else [])]

    def __repr__(self) -> str:
        shown = self.table().text() if self.tried or self.predicted else NOTHING_YET
        return "\n".join([shown, *self._words()])

    def _repr_html_(self) -> str:
        shown = self.table().html()
        if not (self.tried or self.predicted):
            shown = f"<p>{NOTHING_YET}</p>"
        return shown + "".join(f"<p>{marked(words)}</p>" for words in self._words())


def progress(path: str | Path | None = None) -> ProgressPage:
    """Return how far you have come, over all kernels and days.

    path: the file that somebody has made with `progress().save(path)`; without one it is your own.
    """
    return ProgressPage(diary.read(Path(path) if path else None), own=path is None)


def forget_progress() -> Message:
    """Delete what `progress()` shows. Raises `OSError` if the file cannot be deleted."""
    diary.forget()
    return Message("Your progress is forgotten")


def _tasks(lesson: str) -> list[str]:
    return [CAPSTONE] if lesson == "11" else [i for i in exercises.ids() if i[:2] == lesson]


@cache
def _asked() -> Mapping[str, Sequence[str]]:
    """Notebook, as "01-the-symptom" or "deeper/...", -> the questions that it asks for."""
    paths = [*LESSONS.glob("[01][0-9]-*.ipynb"), *LESSONS.glob("deeper/[01][0-9]-*.ipynb")]
    named = {path.relative_to(LESSONS).with_suffix("").as_posix(): path for path in paths}
    order = sorted(named, key=lambda name: (name.rpartition("/")[2][:2], "/" in name, name))
    return {name: list(_questions(named[name])) for name in order}


def _questions(path: Path) -> Iterator[str]:
    cells: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] != "code" or not re.search(r"\bpredict\(", source):
            continue
        try:
            flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            tree = compile(source, "<cell>", "exec", flags)
        except SyntaxError:  # a learner's own cell, half written
            continue
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=ast.Name("predict"), args=[ast.Constant(value=question), *_]):
                    yield question
