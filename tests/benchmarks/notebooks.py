"""How much longer the notebooks run than their kernels and imports take: `run.py`'s last two rows.

Every notebook runs under strict nbval, and as many notebooks that only import what lessons do, each
kind in one process, one notebook after the other. The aim is a ratio of 2.5 or less.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

ROOT = Path(__file__).resolve().parents[2]
IMPORTS = """
import asyncio
import httpx
import course, workbench
from server.local import LocalServer
"""


def seconds(folder):
    """Return how long strict nbval takes for this folder's notebooks, and how long it computes.

    Both in seconds; the second, of pytest and of all kernels, is 0 on Windows.
    """
    command = [sys.executable, "-m", "pytest", "-q", "-n0", "-c", ROOT / "pyproject.toml", folder]
    began, before = time.monotonic(), os.times()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8")
    if done.returncode:
        raise SystemExit(done.stdout)
    after = os.times()
    system = after.children_system - before.children_system
    return time.monotonic() - began, after.children_user - before.children_user + system


def measure():
    """Return what `seconds` says of every notebook, and of as many that only import."""
    number = len(list((ROOT / "notebooks").rglob("[0-9]*.ipynb")))
    with tempfile.TemporaryDirectory() as folder:
        for index in range(number):
            cell = new_code_cell(IMPORTS.strip(), execution_count=1)
            nbformat.write(new_notebook(cells=[cell]), Path(folder, f"{index}.ipynb"))
        importing = seconds(folder)
    return seconds(ROOT / "notebooks"), importing
