"""One JupyterLab on a copy of the notebooks, as README's command starts it, and a new user's home.

Used by the browser tests and by `looks.py`. It writes into its own folder and nowhere else.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent.parent
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))
DEEPER = sorted((ROOT / "notebooks/deeper").glob("*.ipynb"))
PATIENCE = 120  # seconds for a start, on a busy machine
# `python -m jupyterlab`, whose kernels get ports that no other worker's connection can take.
START = f"""
import sys
sys.path.insert(0, {str(ROOT / "tests")!r})
import kernel_ports
kernel_ports.use_own_ports()
del sys.path[0]
from jupyterlab.labapp import main
main()
"""
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
# The profile is new: nothing of the browser's own asks, updates or reports.
CHROMIUM_OPTIONS = (
    "--no-sandbox",  # as root, in a container, there is no other way
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium() -> str | None:
    """Return the path of the system's Chromium, None where there is none."""
    return next(filter(None, map(shutil.which, CHROMIUM)), None)


class Lab:
    """A running JupyterLab. `page` is what its own start opens in the browser, `notebooks` where it
    runs.

    folder: an empty folder for the copy, and for the home of a user who has none yet.

    Raises `RuntimeError`, with JupyterLab's own words, where it does not start.
    """

    def __init__(self, folder: Path, lesson: str = "notebooks/00-start-here.ipynb") -> None:
        self.notebooks = folder / "course/notebooks"
        ignored = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "my_storefront.py")
        shutil.copytree(ROOT / "notebooks", self.notebooks, ignore=ignored)
        self._log = folder / "jupyterlab.log"
        (folder / "home").mkdir()
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", START, lesson, *self._options()],
                cwd=self.notebooks.parent,
                env=self._environment(folder),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.page = self._opened(folder / "runtime")

    def _options(self) -> list[str]:
        # Beside the README's words: no browser of its own, a free port, the way in for the tests.
        allowed = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        return ["--no-browser", "--ServerApp.port=0", "--expose-app-in-browser", *allowed]

    def _environment(self, folder: Path) -> dict[str, str]:
        new = {"HOME": folder / "home", "HTTPX_COURSE_DATA": folder / "progress"}
        for what in ("runtime", "config", "data"):
            new[f"JUPYTER_{what.upper()}_DIR"] = folder / what
        # What is imported is the copy's as well, in deeper/ too: as in a learner's own folder.
        found = os.pathsep.join([str(self.notebooks), os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, **{name: str(path) for name, path in new.items()}}
        return {**environment, "PYTHONPATH": found.rstrip(os.pathsep)}

    def _opened(self, runtime: Path) -> str:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            for page in runtime.glob("jpserver-file-to-run-*-open.html"):
                return page.as_uri()
            time.sleep(0.05)
        self.close()
        raise RuntimeError(f"JupyterLab did not start:\n{self._log.read_text()[-2000:]}")

    def close(self) -> None:
        """End JupyterLab and its kernels. Does no harm when called twice."""
        if self._process.poll() is None:
            family = psutil.Process(self._process.pid).children(recursive=True)
            self._process.terminate()
            try:
                self._process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            for child in family:  # kernels end with their server; one that hangs does not
                if child.is_running():
                    child.kill()
