"""Which tests stay in one worker: those of one file.

Both conftest.py files hand the hook to pytest, so that it also holds where only one of
them is loaded: `pytest notebooks`, `pytest tests`.
"""

from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

SPREAD = {"test_exercises.py", "test_run_twice.py"}  # files whose tests share nothing


def pytest_xdist_make_scheduler(config, log):
    """Keep a file in one worker, as its fixtures are, but for those that are one item each."""
    return ByFile(config, log)


class ByFile(LoadScopeScheduling):
    """A notebook's cells run in one kernel, a module's tests share its servers."""

    def _split_scope(self, nodeid):
        file, _, test = nodeid.partition("::")
        if "tests/browser/" in file:  # a lesson is opened once for its tests: "[01-….ipynb:…]"
            return f"{file} {test.partition('[')[2].partition(':')[0]}"
        return nodeid if Path(file).name in SPREAD else file
