"""Does the course run here? One row per thing it needs."""

import html
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

NEEDED_PYTHON = (3, 11)
# The minor releases whose behaviour the lessons were proved on; requirements.txt asks for them.
PROVED_ON = {"httpx": "0.28", "httpcore": "1.0"}
NEEDED = ["uvicorn", "starlette", "fastapi", "aiohttp", "matplotlib", "ipywidgets", "mypy"]


@dataclass(frozen=True)
class Environment:
    """The rows of the check: what is needed, and what was found wrong, if anything."""

    rows: list[tuple[str, str]]

    @property
    def ok(self) -> bool:
        """Whether every row is in order."""
        return all(not problem for _, problem in self.rows)

    def __repr__(self) -> str:
        lines = [
            f"{'ok' if not problem else 'NOT OK':6}  {need}{': ' + problem if problem else ''}"
            for need, problem in self.rows
        ]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{'ok' if not problem else '<b>not ok</b>'}</td>"
            f"<td style='text-align:left'>{html.escape(need)}</td>"
            f"<td style='text-align:left'>{html.escape(problem)}</td></tr>"
            for need, problem in self.rows
        )
        return f"<table><tr><th></th><th>needed</th><th></th></tr>{rows}</table>"


def check_environment() -> Environment:
    """Return whether Python and the packages are those that the lessons were proved on."""
    found = ".".join(map(str, sys.version_info[:3]))
    needed = ".".join(map(str, NEEDED_PYTHON))
    old = sys.version_info < NEEDED_PYTHON
    rows = [(f"Python {needed} or newer", f"this is {found}" if old else "")]
    rows += [(f"{name} {line}", _problem(name, line)) for name, line in PROVED_ON.items()]
    rows += [(name, _problem(name, "")) for name in NEEDED]
    return Environment(rows)


def _problem(name: str, line: str) -> str:
    try:
        found = version(name)
    except PackageNotFoundError:
        return "not installed: pip install -r requirements.txt"
    if line and found.split(".")[: line.count(".") + 1] != line.split("."):
        return f"this is {found}; the lessons may say what it no longer does"
    return ""
