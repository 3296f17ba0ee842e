"""How much longer the notebooks run than their kernels and imports take: a row of `run.py`'s table.

Every notebook runs under strict nbval, and as many notebooks that only import what lessons do, each
kind in one process, one notebook after the other. The aim is a ratio of 2.5 or less.
"""

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
    """Return how long strict nbval takes for the notebooks in this folder."""
    command = [sys.executable, "-m", "pytest", "-q", "-n0", "-c", ROOT / "pyproject.toml", folder]
    began = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8")
    if done.returncode:
        raise SystemExit(done.stdout)
    return time.monotonic() - began


def measure():
    """Return (seconds for every notebook, seconds for as many that only import)."""
    number = len(list((ROOT / "notebooks").rglob("[0-9]*.ipynb")))
    with tempfile.TemporaryDirectory() as folder:
        for index in range(number):
            cell = new_code_cell(IMPORTS.strip(), execution_count=1)
            nbformat.write(new_notebook(cells=[cell]), Path(folder, f"{index}.ipynb"))
        importing = seconds(folder)
    return seconds(ROOT / "notebooks"), importing
