"""A repair of the storefront: edits of the one text, `services/storefront.py`."""

import asyncio
import contextlib
import io
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from course.capstone import judge
from course.capstone.edits import SOLUTION, Edit, edited

TRIES = 3


@dataclass(frozen=True)
class Repair:
    """A repair.

    edits: of the course's own repair, or of the storefront as it was given where `base` says so.
    red: the lines of the judge's table that it leaves red, none for a right one. says: words that
    it earns and no other does.
    """

    name: str
    edits: tuple[Edit, ...]
    red: tuple[str, ...] = ()
    says: str = ""
    base: tuple[Edit, ...] = SOLUTION

    def write(self, folder: Path) -> Path:
        """Write it into a folder and return its path."""
        path = folder / "my_storefront.py"
        path.write_text(edited((*self.base, *self.edits)), encoding="utf-8")
        return path


def endpoint(name: str, text: str) -> str:
    """Return the source of an endpoint, from its decorator to its end."""
    start = text.rindex("@app.", 0, text.index(f"async def {name}("))
    return text[start:].split("\n\n\n")[0].rstrip("\n")


@dataclass(frozen=True)
class Judged:
    """What the judge said of a repair, as it comes out of another process."""

    outcome: str
    failed: tuple[str, ...]
    seen: dict[str, str]
    report: str


def judged(repair: Repair, seed: int, expected: Collection[str]) -> Judged:
    """Judge a repair, by the schedule of a seed.

    expected: the lines that may be red. Where a machine that stands still made others red, or other
    words, it is judged again; what is so each time stays so.
    """
    for _ in range(TRIES):
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            judgement = asyncio.run(judge(repair.write(Path(folder)), seed))
        others = [
            line for line in judgement.lines if not line.ok and line.looked_at not in expected
        ]
        stalled = others and all(line.by_stall for line in others)
        if not stalled and repair.says in repr(judgement):
            break
    seen = {line.looked_at: line.seen for line in judgement.lines}
    return Judged(judgement.outcome, tuple(judgement.failed), seen, repr(judgement))
