"""The process of one check: reads the answer, runs the check, writes the report, and ends.

Started by `workbench.checking.process`. Standard input holds the answer, standard output takes the
report; what the answer prints goes to standard error, as far as it goes.
"""

import io
import linecache
import os
import pickle
import signal
import sys
import threading
from typing import NoReturn

from workbench.checking import witness
from workbench.checking.here import Run
from workbench.message import Report

MOST_PRINTED = 100_000  # characters; an endless loop can print a great deal until it is stopped


def main() -> None:
    """Run the check; the process ends in here."""
    # An interrupt of the kernel reaches all its process group. Whoever started us decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    reports = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout = sys.stderr = _Printed(os.fdopen(2, "wb", closefd=False))
    cells, answer_and_exercise = pickle.load(sys.stdin.buffer)
    linecache.cache.update(cells)
    witness.listen()  # before the answer is there, which may have taken `time.sleep` by name
    answer, exercise = pickle.loads(answer_and_exercise)
    ending = threading.Lock()

    def end(report: Report) -> NoReturn:
        """Write the report and end, whatever still runs; the first to come here does it."""
        with ending:
            sys.stdout.flush()
            reports.write(pickle.dumps(report))
            reports.flush()
            os._exit(0)

    run = Run(exercise, answer)

    def watch() -> None:
        run.began.wait()
        if not run.ended.wait(exercise.limit):
            end(run.late(threading.main_thread()))

    threading.Thread(target=watch, daemon=True).start()
    run.run(deliver=end)


class _Printed(io.TextIOWrapper):
    """What the learner's code prints, up to a limit."""

    def __init__(self, buffer: io.BufferedWriter) -> None:
        super().__init__(buffer, encoding="utf-8", errors="replace", line_buffering=True)
        self._left = MOST_PRINTED

    def write(self, text: str) -> int:
        kept = text[: self._left]
        self._left -= len(kept)
        super().write(kept)
        return len(text)
