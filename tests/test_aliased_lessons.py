"""The run of the lessons on httpx2: what it aliases, and that it is red on one more, one fewer."""

import os
import subprocess
import sys
from pathlib import Path

import aliased_lessons
import nbformat
from nbformat.v4 import new_code_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parent.parent
IMPORTS = """
import httpcore, httpx._client, httpcore2, httpx2
print(httpx is httpx2, httpcore is httpcore2, httpx._client.AsyncClient is httpx2.AsyncClient)
"""
# Runs the command on the notebooks of a folder, with these differences in place of the file's.
RUN = """
import sys
from pathlib import Path
import aliased_lessons
aliased_lessons.NOTEBOOKS = Path(sys.argv[1])
aliased_lessons.differences = lambda: {"small.ipynb": {
    "known": "r", "no-longer": "r", "now-and-then": {"sometimes": "r"}
}}
options = ["-n0", "-c", "pyproject.toml", "-p", "no:cacheprovider"]
sys.exit(aliased_lessons.main([*options, sys.argv[1] + "/small.ipynb"]))
"""


def python(*arguments, path):
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))},
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
    )


def test_both_names_give_httpx2_in_a_process_that_has_the_hook():
    assert python("-c", IMPORTS, path=[aliased_lessons.HOOK]).stdout == "True True True\n"


def test_each_known_difference_names_a_cell_that_is_there():
    assert aliased_lessons.differences()


def test_one_more_difference_is_red_and_one_fewer(tmp_path):
    said = {"print(httpx.__name__)": "httpx\n", "print(1)": "1\n", "import httpx": None}
    sources = {"first": "import httpx"}
    sources |= dict.fromkeys(("known", "more"), "print(httpx.__name__)")
    sources |= dict.fromkeys(("same", "no-longer", "now-and-then"), "print(1)")
    cells = [
        new_code_cell(
            source,
            id=id,
            execution_count=1,
            outputs=[new_output("stream", text=text)] if (text := said[source]) else [],
        )
        for id, source in sources.items()
    ]
    nbformat.write(new_notebook(cells=cells), tmp_path / "small.ipynb")
    done = python("-c", RUN, str(tmp_path), path=[ROOT / "tests", ROOT, ROOT / "notebooks"])
    assert done.returncode == 1
    assert "2 failed, 2 passed, 1 xfailed, 1 xpassed" in done.stdout, done.stdout + done.stderr
    assert "[XPASS(strict)] no-longer: r" in done.stdout
    assert "id of the cell ---" in done.stdout
