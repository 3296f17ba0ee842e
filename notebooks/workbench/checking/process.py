"""Run one check in a process of its own, which ends with it.

A learner's code may hang, block, leave tasks and sockets behind, end its process or break httpx:
none of it reaches the kernel, and what it left is gone. The process is started for the check
(`spawn`, as it were, on every system), since a kernel with threads cannot be forked, and a spare
one would cost memory. The other half is `workbench.checking.child`.
"""

import json
import linecache
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from workbench.checking.pack import packed
from workbench.checking.record import Exercise
from workbench.message import Report

# Seconds that the process has beyond the check's own limit, to start on a busy machine and to end.
STARTING = 30.0
CHILD = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop()); "
    "from workbench.checking import child; child.main()"
)


class NoReport(Exception):
    """The process ended, or was ended, without a report. Says how, for the learner."""


def report_of(exercise: Exercise, answer: Callable) -> Report:
    """Return what came of a check. What the answer printed is printed.

    Raises `NoReport`, `workbench.checking.pack.Unpackable`, and `KeyboardInterrupt` when it is
    interrupted: then the process is killed.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", CHILD, json.dumps(sys.path)],
            input=pickle.dumps((_cells(), packed(answer, exercise))),
            capture_output=True,
            check=False,
            timeout=exercise.limit + STARTING,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # Windows
        )
    except subprocess.TimeoutExpired:
        words = f"It did not finish within {exercise.limit:g} s, so its process was stopped."
        raise NoReport(words) from None
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the check was interrupted") from None
    # What is printed goes over stderr, so that nothing can get into the report.
    print(done.stderr.decode(errors="replace").replace("\r\n", "\n"), end="")
    if not done.stdout:
        code = done.returncode
        how = f"with exit code {code}, as `os._exit({code})` does" if code >= 0 else "by a crash"
        raise NoReport(f"It ended the process in which it ran, {how}.")
    return pickle.loads(done.stdout)


def _cells() -> dict[str, tuple]:
    """The sources that are in no file, such as the notebook's cells, as `linecache` has them."""
    return {
        name: entry
        for name, entry in linecache.cache.items()
        if len(entry) == 4 and not Path(name).exists()
    }
