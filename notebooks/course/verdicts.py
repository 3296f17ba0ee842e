"""All verdicts of the course on one page, read from the stored outputs of the lessons.

Nothing here knows an answer: each is read where a lesson's cell has put it, and compared with the
rest of that cell and with what other lessons say of the same claim.
"""

import ast
import html
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from course.claims import CLAIMS, verdict

TITLE = re.compile(r"^Verdict (C\d+): (\w+)$")
PART = re.compile(r"^ *(yes|no): (.+)$")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.MULTILINE)
FENCED = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Stored:
    """A verdict as a lesson's cell has stored it.

    claim, answer: from the output. parts: its parts, each with whether it held. lesson: file name.
    heading: the last one above the cell, as shown. source: the cell's code.
    """

    claim: str
    answer: str
    parts: dict[str, bool]
    lesson: str
    heading: str
    source: str

    @property
    def link(self) -> str:
        """Where it stands, relative to the lessons' folder."""
        return f"{self.lesson}#{self.heading.replace(' ', '-')}"

    def problems(self) -> Iterator[str]:
        """What in the cell does not agree with the stored output, in words."""
        where = f"{self.lesson}, {self.heading!r}, {self.claim}"
        if self.claim not in CLAIMS:
            yield f"{where}: there is no such claim"
            return
        if not self.parts or verdict(self.claim, self.parts).answer != self.answer:
            yield f"{where}: the answer {self.answer!r} does not follow from its parts"
        computed, asserted = _code(self.source)
        if self.claim not in computed:
            yield f"{where}: its cell does not compute it"
        elif set(self.parts) != computed[self.claim]:
            yield f"{where}: the parts in the output are not those of the cell"
        if asserted != {self.answer}:
            yield f"{where}: the output says {self.answer!r}, the cell asserts {sorted(asserted)}"


def _code(source: str) -> tuple[dict[str, set[str]], set[str]]:
    """Return the verdicts that a cell computes, with their parts, and the answers it asserts."""
    computed, asserted = {}, set()
    tree = ast.parse(source, mode="exec")
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

    def __init__(self, found: Iterable[Stored]) -> None:
        self.found: dict[str, list[Stored]] = {claim: [] for claim in CLAIMS}
        for stored in found:
            self.found.setdefault(stored.claim, []).append(stored)

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
            if answer == "none yet":
                problems.append(f"{claim}: no lesson has a verdict")
            elif answer == "?":
                said = (f"{place.lesson} says {place.answer!r}" for place in self.found[claim])
                problems.append(f"{claim}: {', '.join(said)}")
        return problems

    def __repr__(self) -> str:
        lines = []
        for claim, answer in self.answers.items():
            lessons = ", ".join(place.lesson[:2] for place in self.found[claim])
            lines.append(f"{claim:>3}  {answer:8}  {CLAIMS.get(claim, '')}  [{lessons or '-'}]")
        return "\n".join(lines + [f"problem: {problem}" for problem in self.problems])

    def _repr_html_(self) -> str:
        rows = "".join(self._row(claim, answer) for claim, answer in self.answers.items())
        heads = ("claim", "the article says", "verdict", "computed in")
        head = "".join(f"<th style='text-align:left'>{name}</th>" for name in heads)
        problems = "".join(f"<li>{html.escape(problem)}</li>" for problem in self.problems)
        return f"<table><tr>{head}</tr>{rows}</table>" + (
            f"<ul>{problems}</ul>" if problems else ""
        )

    def _row(self, claim: str, answer: str) -> str:
        links = ", ".join(
            f'<a href="{html.escape(place.link)}">{place.lesson[:2]}</a>'
            for place in self.found[claim]
        )
        said = html.escape(CLAIMS.get(claim, "")).split("`")
        code = "".join(f"<code>{piece}</code>" if i % 2 else piece for i, piece in enumerate(said))
        cells = (claim, code, f"<strong>{html.escape(answer)}</strong>", links)
        return "<tr>" + "".join(f"<td style='text-align:left'>{c}</td>" for c in cells) + "</tr>"


def verdicts(folder: str | Path = ".") -> VerdictPage:
    """Return the page of all verdicts that the lessons in a folder have stored.

    A lesson that was not run, or is not there, has none. Raises `json.JSONDecodeError` for a file
    that is no notebook.
    """
    paths = sorted(Path(folder).glob("[01][0-9]-*.ipynb"))
    return VerdictPage(stored for path in paths for stored in _stored_in(path))


def _stored_in(path: Path) -> Iterator[Stored]:
    # With json, not nbformat: importing that takes longer than everything else on this page.
    heading = ""
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            for text in HEADING.findall(FENCED.sub("", source)):
                heading = re.sub(r"[`*]", "", text)
        for output in cell.get("outputs", []):
            text = "".join(output.get("data", {}).get("text/plain", ""))
            if title := TITLE.match(text.partition("\n")[0]):
                parts = {m[2]: m[1] == "yes" for m in map(PART.match, text.splitlines()) if m}
                yield Stored(title[1], title[2], parts, path.name, heading, source)
