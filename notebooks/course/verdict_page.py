"""All verdicts of the course on one page, read from the stored outputs of the lessons.

Nothing here knows an answer: each is read where a lesson's cell has put it, and compared with the
rest of that cell and with what other lessons say of the same claim.
"""

import ast
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course.claims import CLAIMS, verdict
from workbench.table import Link, Table, marked

TITLE = re.compile(r"^Verdict (C\d+): (\w+)$")
PART = re.compile(r"^ *(yes|no): (.+)$")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.MULTILINE)
FENCED = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Stored:
    """A verdict as a lesson's cell has stored it.

    claim, answer: from the output. parts: its parts, each with whether it held. lesson: file name.
    heading: the last one above the cell, as shown. cell: its id. computed: the parts of the claim
    as the lesson's code has them, up to this cell; None if it computes no such verdict. asserted:
    the answers that the cell asserts.
    """

    claim: str
    answer: str
    parts: dict[str, bool]
    lesson: str
    heading: str
    cell: str
    computed: set[str] | None
    asserted: set[str]

    @property
    def link(self) -> str:
        """Where it stands, relative to the lessons' folder.

        By the cell's id: JupyterLab 4.6 finds a heading only in a notebook that is open already.
        """
        return f"{self.lesson}#cell-id={self.cell}"

    def problems(self) -> Iterator[str]:
        """What in the cell does not agree with the stored output, in words."""
        where = f"{self.lesson}, {self.heading!r}, {self.claim}"
        if self.claim not in CLAIMS:
            yield f"{where}: there is no such claim"
            return
        if not self.parts or verdict(self.claim, self.parts).answer != self.answer:
            yield f"{where}: the answer {self.answer!r} does not follow from its parts"
        if self.computed is None:
            yield f"{where}: no cell of the lesson computes it"
        elif set(self.parts) != self.computed:
            yield f"{where}: the parts in the output are not those of the cell"
        if self.asserted != {self.answer}:
            said = sorted(self.asserted)
            yield f"{where}: the output says {self.answer!r}, the cell asserts {said}"


def _code(source: str) -> tuple[dict[str, set[str]], set[str]]:
    """Return the verdicts that a cell computes, with their parts, and the answers it asserts."""
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    try:
        tree = compile(source, "<cell>", "exec", flags)
    except SyntaxError:  # a learner's own cell, half written
        return {}, set()
    computed, asserted = {}, set()
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Name("verdict"), args=[ast.Constant(value=claim), ast.Dict(keys=keys)]
            ):
                computed[claim] = {key.value for key in keys if isinstance(key, ast.Constant)}
            case ast.Assert(test=test):
                asserted.update(_answers_in(test))
    return computed, asserted


def _answers_in(test: ast.expr) -> Iterator[str]:
    """Yield each answer that an expression compares with: `c5.answer == "half"` and the like."""
    for node in ast.walk(test):
        match node:
            case ast.Compare(
                left=ast.Attribute(attr="answer"),
                ops=[ast.Eq()],
                comparators=[ast.Constant(value=answer)],
            ):
                yield answer


class VerdictPage:
    """The claims with what the lessons found. `problems` says what is missing or contradictory."""

    def __init__(self, lessons: Sequence[Path]) -> None:
        self.found: dict[str, list[Stored]] = {claim: [] for claim in CLAIMS}
        self.not_run: dict[str, list[str]] = {}
        for path in lessons:
            cells = _cells(path)
            for stored in _stored_in(path.name, cells):
                self.found.setdefault(stored.claim, []).append(stored)
            for claim in _without_output(cells):
                self.not_run.setdefault(claim, []).append(path.name)

    @property
    def answers(self) -> dict[str, str]:
        """Claim -> answer; "none yet" without one, "?" where lessons contradict each other."""
        answers = {}
        for claim, places in self.found.items():
            said = {place.answer for place in places}
            answers[claim] = "none yet" if not said else "?" if len(said) > 1 else said.pop()
        return answers

    @property
    def problems(self) -> list[str]:
        """What is wrong with the page, in words; nothing if each claim has its verdict."""
        problems = [
            problem for places in self.found.values() for p in places for problem in p.problems()
        ]
        for claim, answer in self.answers.items():
            shown = {place.lesson for place in self.found[claim]}
            for lesson in set(self.not_run.get(claim, [])) - shown:
                problems.append(f"{claim}: run lesson {lesson}; its cell has no output yet")
            if answer == "none yet" and claim not in self.not_run:
                problems.append(f"{claim}: no lesson has a verdict")
            elif answer == "?":
                said = (f"{place.lesson} says {place.answer!r}" for place in self.found[claim])
                problems.append(f"{claim}: {', '.join(said)}")
        return problems

    def require_complete(self) -> None:
        """Raise AssertionError, with the problems as its message, unless there are none.

        To be called after the page was shown, so that a reader sees both.
        """
        if problems := self.problems:
            raise AssertionError("\n".join(["the page of verdicts is not complete:", *problems]))

    def _table(self, places: Callable[[list[Stored]], str | list[Link]]) -> Table:
        rows = [
            [claim, answer, CLAIMS.get(claim, ""), places(self.found[claim])]
            for claim, answer in self.answers.items()
        ]
        return Table(("claim", "verdict", "the article says", "computed in lesson"), rows)

    def __repr__(self) -> str:
        table = self._table(lambda places: ", ".join(place.lesson[:2] for place in places) or "-")
        return "\n".join([table.text(), *(f"problem: {problem}" for problem in self.problems)])

    def _repr_html_(self) -> str:
        table = self._table(
            lambda places: [Link(place.lesson[:2], place.link) for place in places] or "-"
        )
        problems = "".join(f"<li>{marked(problem)}</li>" for problem in self.problems)
        return table.html() + (f"<p>Problems:</p><ul>{problems}</ul>" if problems else "")


def verdict_page(folder: str | Path | None = None) -> VerdictPage:
    """Return the page of all verdicts that the lessons' cells have stored.

    folder: where the lessons are; without one, the folder above this package. A lesson that was
    not run, or is not there, has no verdict: the page's problems say which.

    Raises `json.JSONDecodeError` for a file that is no notebook.
    """
    lessons = Path(folder) if folder else Path(__file__).resolve().parent.parent
    return VerdictPage(sorted(lessons.glob("[01][0-9]-*.ipynb")))


def _cells(path: Path) -> list[dict[str, Any]]:
    # With json, not nbformat: importing that takes longer than everything else on this page.
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def _stored_in(lesson: str, cells: list[dict[str, Any]]) -> Iterator[Stored]:
    heading, computed = "", {}
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            for text in HEADING.findall(FENCED.sub("", source)):
                heading = re.sub(r"[`*]", "", text)
            continue
        here, asserted = _code(source)
        computed.update(here)
        for output in cell["outputs"]:
            text = "".join(output.get("data", {}).get("text/plain", ""))
            if title := TITLE.match(text.partition("\n")[0]):
                claim, answer = title.groups()
                parts = {m[2]: m[1] == "yes" for m in map(PART.match, text.splitlines()) if m}
                where = (lesson, heading, cell.get("id", ""))
                yield Stored(claim, answer, parts, *where, computed.get(claim), asserted)


def _without_output(cells: list[dict[str, Any]]) -> Iterator[str]:
    """Yield each claim that a cell computes and shows nothing of: it was not run, or cleared."""
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code" and "verdict(" in source and not cell["outputs"]:
            yield from _code(source)[0]
