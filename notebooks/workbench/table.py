"""One table, as text and as HTML: whatever a lesson shows in rows is made here.

    Table(("outcome", "count"), [["`200 OK`", "3"]], caption="3 of 3", numbers=("count",))

It imports nothing that takes long, since what runs a check shows messages with it.
"""

import html
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

NOTHING = "nothing"


@dataclass(frozen=True)
class Link:
    """A text that leads to an address."""

    text: str
    href: str

    def __str__(self) -> str:
        return self.text


def marked(text: str) -> str:
    """Return the text as HTML: escaped, and what stands between backticks set as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))


@dataclass(frozen=True)
class Table:
    """Columns and rows, shown by a notebook as a table.

    columns: the heads. rows: a cell for each column: a text, or links. caption: stands above it.
    numbers: the columns that are aligned at the right. last: a column that stands last in the text
    form. There nothing stands behind it: where its cells differ by Python version or port, the
    other columns do not move, so the rest of the text still compares equal. verbatim: the columns
    in which backticks stay as they are, such as what an exception says.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str | Sequence[Link]]]
    caption: str = ""
    numbers: Collection[str] = ()
    last: str = ""
    verbatim: Collection[str] = ()

    def text(self) -> str:
        """Return the table as plain text."""
        cells = [[_text(cell) for cell in row] for row in self.rows]
        if not cells:
            cells = [[NOTHING, *[""] * (len(self.columns) - 1)]]
        columns = sorted(
            zip(self.columns, *cells, strict=True), key=lambda column: column[0] == self.last
        )
        aligned = []
        for head, *below in columns:
            width = max(map(len, (head, *below)))
            side = ">" if head in self.numbers else "<"
            aligned.append([f"{cell:{side}{width}}" for cell in (head, *below)])
        lines = ["  ".join(cells).rstrip() for cells in zip(*aligned, strict=True)]
        return "\n".join([*([self.caption, ""] if self.caption else []), *lines])

    def html(self) -> str:
        """Return the table as HTML, all text escaped: messages may hold < and >."""
        # A <caption> is as wide as its table: it wraps above a narrow one and leaves sight with a
        # wide one. A paragraph is as wide as the cell.
        caption = f"<p>{marked(self.caption)}</p>\n" if self.caption else ""
        head = self._html_row("th", self.columns)
        rows = "\n".join(self._html_row("td", row) for row in self.rows)
        rows = rows or f'<tr><td colspan="{len(self.columns)}">{NOTHING}</td></tr>'
        return f"{caption}<table>\n<thead>\n{head}\n</thead>\n<tbody>\n{rows}\n</tbody>\n</table>"

    def _html_row(self, tag: str, cells: Sequence[str | Sequence[Link]]) -> str:
        row = ""
        for column, cell in zip(self.columns, cells, strict=True):
            side = "right" if column in self.numbers else "left"
            row += (
                f'<{tag} style="text-align: {side}">{_html(cell, column in self.verbatim)}</{tag}>'
            )
        return f"<tr>{row}</tr>"

    def __repr__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return self.html()


class Tabular:
    """What a notebook shows as a table: the one that its `table()` returns."""

    def table(self) -> Table:
        """Return it as a table."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return self.table().text()

    def _repr_html_(self) -> str:
        return self.table().html()


def _text(cell: str | Sequence[Link]) -> str:
    return cell if isinstance(cell, str) else ", ".join(map(str, cell))


def _html(cell: str | Sequence[Link], verbatim: bool) -> str:
    if isinstance(cell, str):
        return html.escape(cell, quote=False) if verbatim else marked(cell)
    return ", ".join(f'<a href="{html.escape(link.href)}">{marked(link.text)}</a>' for link in cell)
