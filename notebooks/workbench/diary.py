"""What a learner has done, over kernels and days: predictions compared, checks run.

`workbench.predictions` and the course's checks note here; `course.progress()` reads it. It is a
file of lines, `progress.jsonl` in the user's data folder, each line a JSON object. A line is only
ever added, in one write: so several kernels may note at a time, and a damaged line costs no other.
What cannot be written stays in this process, and is tried again with the next one. Nothing is sent
anywhere.

HTTPX_COURSE_DATA in the environment names another folder. Set to nothing it switches the file off:
then each process knows what was done in itself.
"""

import contextlib
import datetime
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

SETTING = "HTTPX_COURSE_DATA"
OWN_FOLDER = "httpx-async-course"
NAME = "progress.jsonl"

_unwritten: list[dict[str, Any]] = []


@dataclass(frozen=True)
class Pages:
    """What a diary holds, the oldest first. problem: a sentence on what could not be read."""

    entries: list[dict[str, Any]]
    problem: str = ""


def diary_file() -> Path | None:
    """Return the file's path, whether it is there or not; None where it is switched off."""
    folder = os.environ.get(SETTING)
    if folder is None:
        return platformdirs.user_data_path(OWN_FOLDER) / NAME
    return Path(folder) / NAME if folder else None


def note(**entry: Any) -> None:
    """Add an entry, with today's date: note(prediction="How many?", chose="one", held=True).

    It raises nothing: a lesson goes on where the file cannot be written to.
    """
    _unwritten.append({"on": datetime.date.today().isoformat(), **entry})
    with contextlib.suppress(OSError):
        _write()


def read(path: Path | None = None) -> Pages:
    """Return what is in a file; without a path, in the learner's own and in this process."""
    own, problem, entries = path is None, "", []
    if own:
        path = diary_file()
        with contextlib.suppress(OSError):
            _write()
    if path is not None:
        try:
            entries, problem = _parsed(path)
        except FileNotFoundError as error:
            problem = "" if own else f"{path} cannot be read: {error.strerror}."
        except OSError as error:
            problem = f"{path} cannot be read: {error.strerror}."
    if own and path is not None and _unwritten and not problem:
        problem = f"{path} cannot be written to: what is new is kept until this kernel ends."
    return Pages([*entries, *_unwritten] if own else entries, problem)


def copy_to(path: Path) -> None:
    """Write all that is known into another file. Raises `OSError` if it cannot be written."""
    path.write_text(_lines(read().entries), encoding="utf-8", newline="\n")


def forget() -> None:
    """Delete the file, and what this process knows. Raises `OSError` if it cannot be deleted."""
    _unwritten.clear()
    if (path := diary_file()) is not None:
        path.unlink(missing_ok=True)


def _write() -> None:
    path = diary_file()
    if path is None or not _unwritten:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    # Without a buffer, so that the lines leave in one write, at the file's end wherever that is.
    with path.open("a+b", buffering=0) as file:
        data = _lines(_unwritten).encode()
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":  # the last line was cut off
                data = b"\n" + data
        if file.write(data) != len(data):
            raise OSError(f"{path} took only a part")
    _unwritten.clear()


def _lines(entries: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(entry) + "\n" for entry in entries)


def _parsed(path: Path) -> tuple[list[dict[str, Any]], str]:
    """Return a file's entries, and a sentence on the lines that are none."""
    entries, damaged = [], 0
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line) if line.strip() else None
        except ValueError:
            entry = False
        if isinstance(entry, dict):
            entries.append(entry)
        elif entry is not None:
            damaged += 1
    lines = "1 line" if damaged == 1 else f"{damaged} lines"
    return entries, f"{lines} of {path} cannot be read; the others count." if damaged else ""
