"""The session of 90 minutes as `for-instructors.md` has it: its steps, and the cells they name.

The page is the only place where it stands. `course.slides` makes slides of it; the tests run it.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

LESSONS = Path(__file__).resolve().parent.parent
GUIDE = LESSONS / "for-instructors.md"
SECTION = re.compile(r"^## The 90 minutes\n(.*?)(?=^## )", re.MULTILINE | re.DOTALL)
STEP = re.compile(r"^### (\d+:\d\d) (.+?) \((\d+) minutes\)\n(.*?)(?=^### |\Z)", re.M | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)#]+\.ipynb)#cell-id=([\w-]+)\)")
SET_UP = "Set up:"  # begins a paragraph whose cells have to run, and show nothing


@dataclass(frozen=True)
class Named:
    """A cell that the session names. shown: whether it is for the learners' eyes."""

    lesson: str
    id: str
    shown: bool

    @property
    def cell(self) -> dict[str, Any]:
        """The cell itself, as the notebook's file has it. Raises `KeyError` if it is not there."""
        return _cells(self.lesson)[self.id]


@dataclass(frozen=True)
class Step:
    """One step. at: minutes after the begin. words: what the page says of it, in Markdown."""

    at: int
    title: str
    minutes: int
    words: str

    @property
    def cells(self) -> Sequence[Named]:
        """The cells that it names, in order."""
        return [
            Named(*link, shown=not paragraph.startswith(SET_UP))
            for paragraph in self.words.split("\n\n")
            for link in LINK.findall(paragraph)
        ]


def steps(guide: Path = GUIDE) -> Sequence[Step]:
    """Return the steps of the session. Raises `ValueError` if the page has none."""
    section = SECTION.search(guide.read_text(encoding="utf-8"))
    found = STEP.findall(section[1]) if section else []
    if not found:
        raise ValueError(f"{guide.name} has no session of 90 minutes")
    return [
        Step(60 * int(at[0]) + int(at[2:]), title, int(minutes), words.strip())
        for at, title, minutes, words in found
    ]


@cache
def _cells(lesson: str) -> dict[str, dict[str, Any]]:
    notebook = json.loads((LESSONS / lesson).read_text(encoding="utf-8"))
    return {cell["id"]: cell for cell in notebook["cells"]}
