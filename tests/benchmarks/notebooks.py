"""How much longer the notebooks run than their kernels and imports take.

    python tests/benchmarks/notebooks.py

Runs every notebook under strict nbval, and as many notebooks that only import what lessons do, each
in one process, one after the other. Prints both times and their ratio; the aim is 2.5 or less. A
quiet machine is needed, and about two minutes.
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
AIM = 2.5


def seconds(folder):
    """Return how long strict nbval takes for the notebooks in this folder."""
    command = [sys.executable, "-m", "pytest", "-q", "-n0", "-c", ROOT / "pyproject.toml", folder]
    began = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8")
    if done.returncode:
        raise SystemExit(done.stdout)
    return time.monotonic() - began


def measure():
    """Return (number of notebooks, seconds for them, seconds for as many that only import)."""
    number = len(list((ROOT / "notebooks").rglob("[0-9]*.ipynb")))
    with tempfile.TemporaryDirectory() as folder:
        for index in range(number):
            cell = new_code_cell(IMPORTS.strip(), execution_count=1)
            nbformat.write(new_notebook(cells=[cell]), Path(folder, f"{index}.ipynb"))
        importing = seconds(folder)
    return number, seconds(ROOT / "notebooks"), importing


def main():
    number, notebooks, importing = measure()
    print(f"{number} notebooks, strict nbval   {notebooks:6.1f} s")
    print(f"{number} that only import          {importing:6.1f} s")
    print(f"ratio {notebooks / importing:.2f}, the aim is {AIM} or less")


if __name__ == "__main__":
    main()
