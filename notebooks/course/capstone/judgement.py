"""What the judge says of a service, as text and as HTML, which say the same."""

import html
from collections.abc import Sequence

from course.capstone.lines import Line
from workbench.table import Link, Table

COLUMNS = ("kept", "looked at", "seen", "allowed", "lesson")
FILES = {
    "03": "03-closed-too-early.ipynb",
    "04": "04-stale-connections.ipynb",
    "05": "05-the-pool-runs-dry.ipynb",
    "06": "06-the-wrong-loop.ipynb",
    "07": "07-fix-1-client-per-call.ipynb",
    "08": "08-fix-2-shared-client.ipynb",
    "09": "09-fix-3-fastapi-depends.ipynb",
    "10": "10-timeouts.ipynb",
}


class Judgement:
    """What the judge says of a service.

    outcome: "correct", "wrong", "error" for a file that does not start, "not attempted".
    """

    def __init__(self, title: str, lines: Sequence[Line] = (), *, outcome: str = "") -> None:
        self.title = title
        self.lines = tuple(lines)
        self.outcome = outcome or ("wrong" if self.failed else "correct")

    @property
    def failed(self) -> list[str]:
        """What was looked at in the lines that are not as allowed."""
        return [line.looked_at for line in self.lines if not line.ok]

    def table(self) -> Table:
        """Return the lines as a table."""
        rows = [
            (
                "yes" if line.ok else "NO",
                *(line.looked_at, line.seen, line.allowed),
                [Link(line.lesson, FILES[line.lesson])],
            )
            for line in self.lines
        ]
        return Table(COLUMNS, rows)

    def __repr__(self) -> str:
        parts = [self.title, *([self.table().text()] if self.lines else [])]
        for line in self.lines:
            if line.failures:
                parts += ["", f"{line.looked_at}:", *(f"  {words}" for words in line.failures)]
        return "\n".join(parts)

    def _repr_html_(self) -> str:
        title = f"<p><strong>{html.escape(self.title).replace(chr(10), '<br>')}</strong></p>"
        if not self.lines:
            return title
        return title + self.table().html() + "".join(map(_failures, self.lines))


def _failures(line: Line) -> str:
    items = "".join(f"<li>{html.escape(words)}</li>" for words in line.failures)
    return f"<p><strong>{html.escape(line.looked_at)}</strong></p><ul>{items}</ul>" if items else ""
