"""Replay on this machine what Binder does with the repository, within Binder's limits.

    sudo python tests/binder_replay.py --python /usr/bin/python3.12

From `git archive HEAD` in an empty folder, as a user without rights: the pip step and postBuild of
the Dockerfile that repo2docker renders, JupyterLab at the link's urlpath, then every lesson, run
over JupyterLab's own API. All of the learner's processes have one CPU, which two busy loops share,
and the memory that Binder gives (cgroup v1 or v2), so a kernel that needs more is killed. A
finished lesson's kernel is shut down when the next lesson has started, as lesson 00 asks.

Linux, as root. Prints a line a notebook: seconds, megabytes (PSS of JupyterLab and its kernels),
and what went wrong. The exit status is 1 if anything did. An image is not built: the base image,
its apt packages and conda's Python are left out.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
from lab import Lab
from served import free_port
from websocket import WebSocketException

ROOT = Path(__file__).resolve().parent.parent
USER, TOKEN = 65534, "replayed"  # nobody
RENDER = ["--no-build", "--debug", "--user-id", "1000", "--user-name", "jovyan"]


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--python", required=True, help="an interpreter that any user may run")
    options.add_argument("--megabytes", type=int, default=450, help="Binder's limit: %(default)s")
    options.add_argument("notebooks", nargs="*", help="paths from notebooks/; all if none is given")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        home = Path(name) / "home"
        built = build(home, given.python)
        with limits(given.megabytes) as join, busy_loops(2), started(home, built, join) as running:
            return (
                1 if replay(*running, home / "notebooks", given.notebooks or lessons(home)) else 0
            )


def build(home: Path, python: str) -> Path:
    """Do the rendered Dockerfile's steps that need no image; return the environment's folder."""
    home.mkdir()
    archive = home.parent / "head.tar"
    subprocess.run(["git", "archive", f"--output={archive}", "HEAD"], cwd=ROOT, check=True)
    shutil.unpack_archive(archive, home)
    render = [sys.executable, "-m", "repo2docker", *RENDER, str(home)]
    rendered = subprocess.run(render, check=True, capture_output=True, encoding="utf-8").stdout
    steps = [line.removeprefix("RUN ") for line in rendered.splitlines() if "/bin/pip inst" in line]
    environment = home.parent / "environment"
    subprocess.run([python, "-m", "venv", environment], check=True)
    home.parent.chmod(0o755)
    for path in (home, environment):
        subprocess.run(["chown", "-R", str(USER), path], check=True)
    for step in [*steps, *(["binder/postBuild"] if (home / "binder/postBuild").exists() else [])]:
        subprocess.run(["sh", "-c", step], env=learner(home, environment), cwd=home, check=True,
                       user=USER, group=USER)  # fmt: skip
    return environment


def learner(home: Path, environment: Path) -> dict[str, str]:
    """Return the environment variables that the learner's processes get, and no others."""
    kept = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    path = f"{environment}/bin:/usr/local/bin:/usr/bin:/bin"
    prefixes = {"KERNEL_PYTHON_PREFIX": str(environment), "NB_PYTHON_PREFIX": str(environment)}
    return {**kept, **prefixes, "PATH": path, "HOME": str(home), "LANG": "C.UTF-8"}


@contextmanager
def limits(megabytes: int) -> Iterator[Path]:
    """Make a control group with that much memory; yield the file that a process id joins it by."""
    top = Path("/sys/fs/cgroup")
    version_1 = (top / "memory").is_dir()
    group = (top / "memory" if version_1 else top) / f"binder-replay-{os.getpid()}"
    group.mkdir()
    limit = "memory.limit_in_bytes" if version_1 else "memory.max"
    (group / limit).write_text(str(megabytes * 2**20))
    try:
        yield group / "cgroup.procs"
    finally:
        for process in map(int, (group / "cgroup.procs").read_text().split()):
            psutil.Process(process).kill()
        while (group / "cgroup.procs").read_text():
            time.sleep(0.1)
        group.rmdir()


@contextmanager
def busy_loops(count: int) -> Iterator[None]:
    """Keep the learner's one CPU busy."""
    loops = [
        subprocess.Popen(["taskset", "--cpu-list", "0", sys.executable, "-c", "while True: pass"])
        for _ in range(count)
    ]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


@contextmanager
def started(home: Path, environment: Path, join: Path) -> Iterator[tuple[Lab, psutil.Process]]:
    """Start JupyterLab as Binder does, on one CPU and in the group; yield it once it answers."""
    port = free_port()
    command = f"echo $$ > {join}; exec taskset --cpu-list 0 setpriv --reuid {USER} --clear-groups "
    command += f"--regid {USER} jupyter-lab --ip 127.0.0.1 --port {port} --no-browser"
    with (home.parent / "lab.log").open("w") as log:
        process = subprocess.Popen(
            ["sh", "-c", f"{command} --IdentityProvider.token={TOKEN}"],
            cwd=home, env=learner(home, environment), stdout=log, stderr=log,
        )  # fmt: skip
    with Lab(f"http://127.0.0.1:{port}/", TOKEN) as lab:
        deadline = time.monotonic() + 120
        while not answers(lab):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit((home.parent / "lab.log").read_text())
            time.sleep(0.2)
        try:
            yield lab, psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait()


def answers(lab: Lab) -> bool:
    """Whether the page of the badge's link is there."""
    badge = re.search(r"urlpath=([^)\s]+)", (ROOT / "README.md").read_text(encoding="utf-8"))
    try:
        return lab.status(badge[1]) == 200
    except httpx.TransportError:
        return False


def lessons(home: Path) -> list[str]:
    """Return the paths of all notebooks, the main path first."""
    folder = home / "notebooks"
    found = [*sorted(folder.glob("*.ipynb")), *sorted(folder.glob("deeper/*.ipynb"))]
    return [str(path.relative_to(folder)) for path in found]


def replay(lab: Lab, process: psutil.Process, folder: Path, names: list[str]) -> int:
    """Run the notebooks one after the other; print a line for each, and return how many failed."""
    failed, finished, most = 0, None, 0
    for name in names:
        begun = time.monotonic()
        kernel = lab.open(f"notebooks/{name}")
        try:
            wrong = kernel.run_all(folder / name)
        except (OSError, httpx.HTTPError, WebSocketException) as error:
            wrong = [f"{type(error).__name__}: {error}"]
        held = megabytes(process)  # with the kernel of the lesson before, not shut down yet
        most = max(most, held)
        print(
            f"{name:50} {time.monotonic() - begun:4.0f} s {held:4} MB",
            *wrong,
            sep="\n  ",
            flush=True,
        )
        failed += bool(wrong)
        if finished:
            lab.shut_down(finished)
        finished = kernel
    print(f"{len(names) - failed} of {len(names)} notebooks ran whole, with {most} MB at most")
    return failed


def megabytes(process: psutil.Process) -> int:
    """Return the proportional set size of a process and all its children, in megabytes."""
    family = [process, *process.children(recursive=True)]
    return sum(member.memory_full_info().pss for member in family) // 2**20


if __name__ == "__main__":
    sys.exit(main())
