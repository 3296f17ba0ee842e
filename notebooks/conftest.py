"""What nbval's kernels inherit, and what it runs behind a notebook's cells.

Here and not with the tests, so that it holds for notebooks alone: `pytest notebooks`.
"""

import os

import pytest
from by_file import pytest_xdist_make_scheduler
from instructions import LessonFile
from kernel_ports import use_own_ports
from nbval.plugin import IPyNbFile

__all__ = ["pytest_xdist_make_scheduler"]  # a hook: pytest finds it here

os.environ["WORKBENCH_PROGRESS"] = "0"  # a bar is drawn by the clock, so it never compares equal
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"  # everything here stays on loopback
use_own_ports()
os.environ["HTTPX_COURSE_DATA"] = ""  # no file: what a learner has done is not touched or shown


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path, parent):
    """Have the calls that a lesson tells its reader to make run after its cells."""
    collected = yield
    return [
        LessonFile.from_parent(parent, path=file_path) if isinstance(node, IPyNbFile) else node
        for node in collected
    ]
