"""What nbval's kernels inherit, and what it runs behind a notebook's cells.

Here and not with the tests, so that it holds for a notebook alone: `pytest notebooks/00-….ipynb`.
"""

import os

import pytest
from instructions import LessonFile
from nbval.plugin import IPyNbFile

os.environ["WORKBENCH_PROGRESS"] = "0"  # a bar is drawn by the clock, so it never compares equal


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path, parent):
    """Have the calls that a lesson tells its reader to make run after its cells."""
    collected = yield
    return [
        LessonFile.from_parent(parent, path=file_path) if isinstance(node, IPyNbFile) else node
        for node in collected
    ]
