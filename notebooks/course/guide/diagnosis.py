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
    """One failure, its face, and the rows that it may be.

    others: how many other faces it may have, since its text is not there.
    """

    said: Said
    face: Face
    rows: tuple[Row, ...]
    others: int = 0

    def table(self) -> Table:
        """Return the rows as a table, the question above them."""
        count = "one cause" if len(self.rows) == 1 else f"{len(self.rows)} causes share this face"
        if self.said.text is None and self.others:
            count = (
                f"its text is not there; this is one of {1 + self.others} faces that it may have"
            )
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
        line with the error's repr in it. Of several lines it is the last one that names an error of
        the guide's, of a traceback the exception at its end. A group's members are all answered.

    Of several rows with one face those are left that agree with the exceptions that it comes from
    (`__cause__`, `__context__`), where they are known.

    Raises `TypeError` for anything else.
    """
    if isinstance(error, BaseException):
        readings, about = [said_by(error)], repr(error)
    elif isinstance(error, str):
        readings, about = said_in(error), error.strip()
    else:
        raise TypeError(f"diagnose takes an exception or a text from a log, not {error!r}")
    for failures in readings:
        found = (finding for failure in failures for finding in _findings(failure, faces))
        if unique := tuple(dict.fromkeys(found)):
            return Diagnosis(about, unique)
    return Diagnosis(about, ())


def _findings(failure: Sequence[Said], faces: Sequence[Face]) -> list[Finding]:
    """Return the faces of the first of a failure's exceptions that has one.

    It is one face; several where a line names the type of an error of httpx, and no text.
    """
    for said in failure:
        fitting = [(face, rows) for face in faces if (rows := tuple(_rows(said, face)))]
        if fitting:
            kept = fitting if said.text is None else fitting[:1]
            return [Finding(said, face, rows, len(kept) - 1) for face, rows in kept]
    return []


def _rows(said: Said, face: Face) -> Iterator[Row]:
    """Yield the rows of a face that a failure may be; none where it has another face."""
    if not any(_is(said.kind, kind) for kind in face.kinds):
        return
    if not _says(said, face) or _is_anothers(said, face):
        return
    for words in filter(None, (said.text, said.around)):
        if told := [row for row in face.rows if row.around and re.search(row.around, words)]:
            yield from told
            return
    if said.chain is None:
        yield from face.rows
    elif fitting := [row for row in face.rows if said.chain & set(row.chain)]:
        yield from fitting
    else:
        yield from (row for row in face.rows if not row.chain)


def _says(said: Said, face: Face) -> bool:
    """Whether the text is this face's; of httpx's own types also one that is not there may be."""
    if said.text is None and any(kind.startswith("httpx.") for kind in face.kinds):
        return True
    return re.fullmatch(face.says, said.text or "") is not None


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
