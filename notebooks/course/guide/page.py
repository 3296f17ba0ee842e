"""The field guide as lesson 12 shows it: every row beside the failure that was made for it."""

import html
import json
import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten

from course.guide.diagnosis import diagnose, links
from course.guide.faces import FACES
from course.guide.reading import comes_from
from course.guide.rows import Face, Read, Row
from workbench.table import marked

LONGEST = 140  # characters of an error's text that the page shows
LESSONS = Path(__file__).resolve().parent.parent.parent
VARIES = (
    (re.compile(r" object at 0x[0-9a-fA-F]+( \[[^\]]*\])?"), ""),
    (re.compile(r" \(_ssl\.c:\d+\)|_ssl\.c:\d+: "), ""),
    (re.compile(r" \(missed \w+ method\)"), ""),  # Python 3.14 adds it
)


@dataclass(frozen=True)
class Made:
    """A failure that was made for a row.

    error: what was raised; for one that another notebook has made its words. received: whether the
    server received the request; None where no request failed. client: the class that made it.
    """

    error: BaseException | str
    received: bool | None
    client: str = "AsyncClient"

    @property
    def shown(self) -> str:
        """What a log would have, without what changes from run to run or from system to system."""
        if isinstance(self.error, str):
            return self.error
        name, text = type(self.error).__name__, str(self.error)
        for root in _roots(self.error):
            if _speaks_for_the_system(root) and text == str(root):
                return f"{name}(<the system's words>) from {type(root).__name__}"
        for varying, instead in VARIES:
            text = varying.sub(instead, text)
        text = shorten(text, LONGEST, placeholder=" ...")
        return f"{name}({repr(text) if self.error.args else ''})"


def _speaks_for_the_system(root: BaseException) -> bool:
    """Whether its text is the operating system's; of certificates OpenSSL speaks, alike on each."""
    has_number = isinstance(root, OSError) and root.errno is not None
    return has_number and not isinstance(root, ssl.SSLCertVerificationError)


def _roots(error: BaseException) -> list[BaseException]:
    return [before for before in comes_from(error) if not (before.__cause__ or before.__context__)]


class FieldGuide:
    """The rows of the guide, each to be proved by a failure: `note` one, or `read_lessons`.

    A notebook shows it as a table. `missing` says what is not proved.
    """

    def __init__(self, faces: Sequence[Face] = FACES, lessons: Path = LESSONS) -> None:
        self.faces = faces
        self.rows = {row.key: row for face in faces for row in face.rows}
        self.made: dict[str, list[Made]] = {key: [] for key in self.rows}
        self._lessons = lessons

    def note(
        self, key: str, error: BaseException, received: int, client: str = "AsyncClient"
    ) -> None:
        """Note a failure that was made for a row.

        received: how many times the server received the request that failed; 0 where none did.
        client: the class of the client, "AsyncClient" or "Client".

        Raises `KeyError` for a row that there is not, and `AssertionError` if `diagnose` does not
        find the row for this error, or the server received what the row says it did not.
        """
        row = self.rows[key]
        made = Made(error, received > 0, client)
        found = [row.key for row in diagnose(error, self.faces).rows]
        assert key in found, f"{key}: {error!r} is not found; found were {found}"
        assert made.received == bool(row.received), f"{key}: received {received} times"
        # The error itself is not kept: its traceback would keep sockets open.
        self.made[key].append(Made(made.shown, row.received, client))

    def read_lessons(self) -> None:
        """Read the failures that other notebooks have made from their stored outputs.

        Raises `AssertionError` where a notebook does not have what a row says it has, or where
        `diagnose` does not find the row for it.
        """
        for face in self.faces:
            for row in face.rows:
                if row.read is None:
                    continue
                problem = missing_in(row.read, self._lessons)
                assert not problem, f"{row.key}: {row.read.notebook} has no {problem!r}"
                # What hangs raises nothing that could be diagnosed.
                assert not face.kinds or row in diagnose(row.read.shown, self.faces).rows, row.key
                self.made[row.key].append(Made(row.read.shown, row.received))

    @property
    def missing(self) -> set[str]:
        """The keys of the rows that no failure was made for."""
        return {key for key, made in self.made.items() if not made}

    def shown(self, face: Face) -> list[str]:
        """Return what a log has for this face: what the failures of its rows said."""
        made = [made for row in face.rows for made in self.made[row.key]]
        first = [one.error for one in made if one.client == "AsyncClient"]
        others = [f"{one.client}: {one.error}" for one in made if one.error not in first]
        return list(dict.fromkeys([*first, *others]))

    def __repr__(self) -> str:
        lines = []
        for face in self.faces:
            lines += ["", *self.shown(face), f"  ask: {face.ask}"]
            for row in face.rows:
                lines.append(f"  - {row.answer}: {row.cause}" if row.answer else f"  - {row.cause}")
                lines.append(f"    {row.cure}")
                seen = ", ".join(map(str, links(row)))
                lines.append(f"    received: {_received(row)}. Lesson {seen}")
        return "\n".join(lines[1:])

    def _repr_html_(self) -> str:
        body = "".join(self._face(face) for face in self.faces)
        head = "".join(f"<th{LEFT}>{name}</th>" for name in COLUMNS)
        table = f'<table class="field-guide"><thead><tr>{head}</tr></thead>{body}</table>'
        return f'<div style="container-type: inline-size">{table}</div>'

    def _face(self, face: Face) -> str:
        said = " ".join(f"<code>{html.escape(text)}</code>" for text in self.shown(face))
        asked = f"{said}<br><span>{marked(face.ask)}</span>"
        kept = f'<div style="{IN_SIGHT}">{asked}</div>'
        head = f'<tr><th colspan="{len(COLUMNS)}"{LEFT}>{kept}</th></tr>'
        rows = "".join(f"<tr>{self._cells(row)}</tr>" for row in face.rows)
        return f"<tbody>{head}{rows}</tbody>"

    def _cells(self, row: Row) -> str:
        to = ", ".join(f'<a href="{html.escape(link.href)}">{link.text}</a>' for link in links(row))
        # Without an answer the cause has its place, too.
        first = [f"<td{LEFT}>{marked(row.answer)}</td>"] if row.answer else []
        cause = f'<td colspan="{1 if row.answer else 2}"{LEFT}>{marked(row.cause)}</td>'
        rest = (marked(row.cure), _received(row), to)
        return "".join([*first, cause, *(f"<td{LEFT}>{cell}</td>" for cell in rest)])


COLUMNS = ("if", "the cause", "the cure", "received", "lesson")
LEFT = ' style="text-align: left"'  # JupyterLab would align at the right
# A table that is wider than the notebook scrolls; the question must be read without that.
IN_SIGHT = "position: sticky; left: 0.5em; width: fit-content; max-width: calc(100cqi - 2em)"


def _received(row: Row) -> str:
    return {True: "yes", False: "no", None: "–"}[row.received]


def missing_in(read: Read, lessons: Path) -> str:
    """Return what a row says of a notebook and its stored outputs do not have; nothing if all."""
    notebook = json.loads((lessons / read.notebook).read_text(encoding="utf-8"))
    outputs = "\n".join(map(_text, notebook["cells"]))
    return next((words for words in (read.says, *read.ledger) if words not in outputs), "")


def _text(cell: dict) -> str:
    """Return the text of all stored outputs of a cell."""
    texts = (
        output.get("text") or output.get("data", {}).get("text/plain", "")
        for output in cell.get("outputs", ())
    )
    return "\n".join("".join(text) for text in texts)
