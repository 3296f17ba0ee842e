"""A notebook keeps its one kernel, also where pytest is given notebooks alone."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.slow
def test_a_notebook_given_alone_is_not_split_between_workers():
    command = [sys.executable, "-m", "pytest", "-n", "2", "notebooks/00-start-here.ipynb"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout
