"""A notebook of the course as the tests read it: its text, its cells, and how long it is to read.

The form tests, the tests of what is told to learners and `tests/minutes.py` read notebooks here.
"""

import math
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote

import nbformat

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
WORDS_A_MINUTE = 180
SECONDS_A_LINE = 4  # of code, empty lines not counted

FENCED = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(<?([^)>\s]+)|<a\s[^>]*href=\"([^\"]+)")
HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*$", re.MULTILINE)
MINUTES = re.compile(r"\*\*Minutes:\*\* (\d+) to read(?:, (\d+) for the exercises)?\.(?=\s|$)")


def main_paths():
    """The files of the lessons, 00 first."""
    return sorted(FOLDER.glob("[0-9]*.ipynb"))


def deeper():
    """The files of the notebooks that go beyond a lesson, in the lessons' order."""
    return sorted((FOLDER / "deeper").glob("[0-9]*.ipynb"))


def exercises_of(path, ids):
    """Those of the exercises' ids that the notebook at path has: "04-1" stands in lesson 04.

    "04-http2-1" stands in deeper/04-http2.ipynb.
    """
    owner = path.stem if path.parent.name == "deeper" else path.name[:2]
    return [exercise_id for exercise_id in ids if exercise_id.rpartition("-")[0] == owner]


@dataclass
class Lesson:
    """A notebook's file and the text in it."""

    path: Path
    text: str

    @classmethod
    def read(cls, path):
        return cls(path, path.read_text(encoding="utf-8"))

    @cached_property
    def notebook(self):
        return nbformat.reads(self.text, as_version=4)

    @property
    def name(self):
        return self.path.name

    @property
    def is_deeper(self):
        """Whether it goes beyond a lesson, and is not one."""
        return self.path.parent.name == "deeper"

    @property
    def markdown(self):
        """(where, source without code blocks) of each markdown cell."""
        for number, cell in enumerate(self.notebook.cells):
            if cell.cell_type == "markdown":
                yield f"{self.name}, cell {number}", FENCED.sub("", cell.source)

    @property
    def code(self):
        """(where, cell) of each code cell that has code."""
        for number, cell in enumerate(self.notebook.cells):
            if cell.cell_type == "code" and cell.source.strip():
                yield f"{self.name}, cell {number}", cell

    @property
    def outputs(self):
        """(where, output) of each stored output."""
        for where, cell in self.code:
            for output in cell.outputs:
                yield where, output

    @property
    def headings(self):
        """(where, level, text as shown) of each heading, in order."""
        for where, source in self.markdown:
            for marks, text in HEADING.findall(source):
                yield where, len(marks), re.sub(r"[`*]", "", text)

    @property
    def links(self):
        """(where, target) of each link that is not an address on the web."""
        for where, source in self.markdown:
            for inline, html in LINK.findall(CODE.sub("", source)):
                if not re.match(r"[a-z]+:", inline or html):
                    yield where, unquote(inline or html)

    @property
    def words(self):
        """How many words its markdown cells have, code blocks and tables included."""
        cells = self.notebook.cells
        return sum(len(cell.source.split()) for cell in cells if cell.cell_type == "markdown")

    @property
    def lines(self):
        """How many lines of code its cells have, empty ones not counted."""
        return sum(bool(line.strip()) for _, cell in self.code for line in cell.source.splitlines())

    @property
    def reading(self):
        """The minutes that it takes to read, by the rule."""
        return self.words / WORDS_A_MINUTE + self.lines * SECONDS_A_LINE / 60

    @property
    def minutes(self):
        """(to read, for the exercises) as its head says them; None where it does not.

        The second is 0 where the head names no exercises.
        """
        said = MINUTES.search(self.notebook.cells[0].source) if self.notebook.cells else None
        return (int(said[1]), int(said[2] or 0)) if said else None

    @property
    def minutes_by_the_rule(self):
        """The first figure of its head, in whole minutes."""
        return math.ceil(self.reading)
