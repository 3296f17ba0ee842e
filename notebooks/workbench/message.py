"""What an exercise says in a cell: the same words as plain text and as HTML."""

import html
from collections.abc import Sequence
from dataclasses import dataclass, field

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from workbench.colours import OKABE_ITO
from workbench.table import marked

OUTCOMES = ("not attempted", "wrong", "error", "correct")
# JupyterLab would break a line that is too long anywhere, in the middle of a word.
_WHOLE_WORDS = "word-break: normal; overflow-wrap: anywhere"
_EDGES = {
    "not attempted": OKABE_ITO["sky blue"],
    "wrong": OKABE_ITO["orange"],
    "error": OKABE_ITO["vermilion"],
    "correct": OKABE_ITO["green"],
}


@dataclass(frozen=True)
class Code:
    """A part of a message that is Python source."""

    source: str

    def text(self) -> str:
        return "\n".join(f"    {line}".rstrip() for line in self.source.splitlines())

    def html(self) -> str:
        # With classes and without colours of its own: JupyterLab's theme, light or dark, has them.
        formatter = HtmlFormatter(cssclass="highlight", prestyles=_WHOLE_WORDS)
        return highlight(self.source, PythonLexer(), formatter)


@dataclass(frozen=True)
class Lines:
    """A part of a message whose lines stay as they are, such as a ledger."""

    lines: str

    def text(self) -> str:
        return self.lines

    def html(self) -> str:
        return f'<pre style="{_WHOLE_WORDS}">{html.escape(self.lines)}</pre>'


@dataclass(frozen=True)
class Message:
    """A title and its parts, as the last line of a cell shows them.

    A part is a sentence or more, in which `backticks` mark code, or a `Code` or `Lines`.
    """

    title: str
    parts: Sequence[str | Code | Lines] = ()

    def text(self) -> str:
        """Return the message as plain text."""
        parts = (part if isinstance(part, str) else part.text() for part in self.parts)
        return "\n".join([self.title, *parts])

    def html(self, edge: str = "currentColor") -> str:
        """Return the message as HTML, with a line in the colour `edge` at its left."""
        parts = (
            f"<p>{marked(part)}</p>"
            if isinstance(part, str)
            else f'<div style="margin-bottom: 1em">{part.html()}</div>'
            for part in self.parts
        )
        return (
            f'<div style="border-left: 4px solid {edge}; padding-left: 1em">'
            f"<p><strong>{marked(self.title)}</strong></p>{''.join(parts)}</div>"
        )

    def __repr__(self) -> str:
        return self.text()

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/plain": self.text(), "text/html": self.html()}


@dataclass(frozen=True, repr=False)
class Report(Message):
    """What `check` found. `outcome` is one of `OUTCOMES`."""

    outcome: str = field(kw_only=True)

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/plain": self.text(), "text/html": self.html(_EDGES[self.outcome])}
