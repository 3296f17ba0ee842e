"""How long the cells of the 90 minutes take: those that `for-instructors.md` names, and no others.

    python tests/benchmarks/session.py             # each step and each cell, in seconds
    python tests/benchmarks/session.py --busy 2    # beside so many busy loops

Each lesson gets a new kernel, as in the session. A cell that fails ends it with the failure.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lesson import FOLDER

from course.session import Named, steps

BUSY = [sys.executable, "-c", "while True: pass"]
QUIET = {"HTTPX_COURSE_DATA": "", "WORKBENCH_PROGRESS": "0"}


def lessons(named: list[Named]) -> dict[str, list[Named]]:
    """The named code cells by lesson, in the order of the page."""
    found: dict[str, list[Named]] = {}
    for one in named:
        if one.cell["cell_type"] != "code":
            continue
        found.setdefault(one.lesson, []).append(one)
    return found


def run(lesson: str, named: list[Named]):
    """Run these cells in a new kernel; yield each one's id and seconds, the kernel's start first.

    Raises nbclient's CellExecutionError where one fails.
    """
    whole = nbformat.read(FOLDER / lesson, as_version=4)
    cells = {cell.id: cell for cell in whole.cells}
    whole.cells = [cells[one.id] for one in named]
    folder = {"metadata": {"path": str(FOLDER)}}
    client = NotebookClient(whole, timeout=60, kernel_name="python3", resources=folder)
    began = time.perf_counter()
    with client.setup_kernel(env={**os.environ, **QUIET}):
        yield "kernel", time.perf_counter() - began
        for number, cell in enumerate(whole.cells):
            began = time.perf_counter()
            client.execute_cell(cell, number)
            yield cell.id, time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--busy", type=int, default=0, metavar="LOOPS")
    loops = [subprocess.Popen(BUSY) for _ in range(parser.parse_args().busy)]
    try:
        for step in steps():
            for lesson, named in lessons(step.cells).items():
                times = dict(run(lesson, named))
                longest = sorted(times, key=times.get)[-3:]
                shown = ", ".join(f"{name} {times[name]:.1f}" for name in reversed(longest))
                print(f"{step.title:28} {lesson[:2]}  {sum(times.values()):5.1f} s  {shown}")
                sys.stdout.flush()
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


if __name__ == "__main__":
    main()
