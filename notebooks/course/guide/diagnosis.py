"""From an error, or a text from a log, to the rows of the guide: `diagnose(error)`."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from course.guide.faces import FACES
from course.guide.reading import Said, said_by, said_in
from course.guide.rows import Face, Row
from workbench.table import Link, Table, marked

NOT_MINE = (
    "not one of mine. The guide has what the course has made happen, and does not guess. Read its "
    "traceback from below: the last line of your own code is where to begin."
)


@dataclass(frozen=True)
class Finding:
    """One failure, its face, and the rows that it may be."""

    said: Said
    face: Face
    rows: tuple[Row, ...]

    def table(self) -> Table:
        """Return the rows as a table, the question above them."""
        count = "one cause" if len(self.rows) == 1 else f"{len(self.rows)} causes share this face"
        return Table(
            ("if", "then the cause is", "and the cure", "lesson"),
            [[row.answer or "-", row.cause, row.cure, links(row)] for row in self.rows],
            f"`{self.said.shown}`: {count}. Ask: {self.face.ask}",
        )


@dataclass(frozen=True)
class Diagnosis:
    """What the guide says of an error. `rows` is empty where it is none of the guide's."""

    about: str
    findings: tuple[Finding, ...]

    @property
    def rows(self) -> list[Row]:
        """The rows that the error may be."""
        return [row for finding in self.findings for row in finding.rows]

    def __repr__(self) -> str:
        if not self.findings:
            return f"{self.about}: {NOT_MINE}"
        return "\n\n".join(finding.table().text() for finding in self.findings)

    def _repr_html_(self) -> str:
        if not self.findings:
            return f"<p>{marked(f'`{self.about}`: {NOT_MINE}')}</p>"
        return "".join(finding.table().html() for finding in self.findings)


def links(row: Row) -> list[Link]:
    """Return links to the row's notebooks: a lesson's number, or the name of one that is deeper."""
    return [
        Link(Path(name).stem.replace("-", " ") if "/" in name else name[:2], name)
        for name in row.lessons
    ]


def diagnose(error: BaseException | str, faces: Sequence[Face] = FACES) -> Diagnosis:
    """Return what the guide says of an error: the rows that it may be, or "not one of mine".

    error: an exception, as an `except` has it, or a text from a log: a traceback, its last line, a
        line with the error's repr in it. Of a text with several errors it is the last one.

    Of several rows with one face those are left that agree with the exceptions that it comes from
    (`__cause__`, `__context__`), where they are known.

    Raises `TypeError` for anything else.
    """
    if isinstance(error, BaseException):
        failures, about = said_by(error), repr(error)
    elif isinstance(error, str):
        failures, about = said_in(error), error.strip()
    else:
        raise TypeError(f"diagnose takes an exception or a text from a log, not {error!r}")
    found = (finding for failure in failures if (finding := _finding(failure, faces)))
    return Diagnosis(about, tuple(dict.fromkeys(found)))


def _finding(failure: Sequence[Said], faces: Sequence[Face]) -> Finding | None:
    for said in failure:
        for face in faces:
            if rows := tuple(_rows(said, face)):
                return Finding(said, face, rows)
    return None


def _rows(said: Said, face: Face) -> Iterator[Row]:
    """Yield the rows of a face that a failure may be; none where it has another face."""
    if not any(_is(said.kind, kind) for kind in face.kinds):
        return
    if not re.fullmatch(face.says, said.text) or _is_anothers(said, face):
        return
    words = f"{said.text}\n{said.around}"
    if told := [row for row in face.rows if row.around and re.search(row.around, words)]:
        yield from told
    elif said.chain is None:
        yield from face.rows
    elif fitting := [row for row in face.rows if said.chain & set(row.chain)]:
        yield from fitting
    else:
        yield from (row for row in face.rows if not row.chain)


def _is_anothers(said: Said, face: Face) -> bool:
    """Whether an exception of Python's own did not come from httpx, as far as that is known."""
    if any(kind.startswith("httpx.") for kind in face.kinds):
        return False
    return not said.through if face.required else face.through and said.through is False


def _is(said: str, kind: str) -> bool:
    """Whether a type's name, as it was said, may be this kind's.

    A log's line may leave out the module, as a repr does; one that names another is another's.
    """
    module, _, name = kind.rpartition(".")
    return said in (name, f"{module or 'builtins'}.{name}")
