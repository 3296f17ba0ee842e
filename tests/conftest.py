"""What every test shares: environment, asyncio as the backend, and that nothing is left behind."""

import asyncio
import contextlib
import functools
import gc
import inspect
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import httpx
import psutil
import pytest
from by_file import pytest_xdist_make_scheduler
from kernel_ports import use_own_ports

from server.local import LocalServer

# Set for the process, not by a fixture: nbval's items use no fixtures, but their kernels are
# started by this process and inherit its environment.
os.environ["WORKBENCH_PROGRESS"] = "0"  # a bar is drawn by the clock, so it never compares equal
os.environ["HTTPX_COURSE_DATA"] = ""  # no file: what a learner has done is not touched or shown
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"  # everything here stays on loopback
use_own_ports()

# A shell starts what it runs in the background with interrupts ignored, and every process below
# inherits that; several tests interrupt one.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

__all__ = ["pytest_xdist_make_scheduler"]  # a hook: pytest finds it here

ROOT = Path(__file__).resolve().parent.parent
OWN_THREADS = ("server-", "exercise-")
LONG = {"test_lesson_11_repairs.py", "test_exercises.py"}
GRACE = 2.0  # seconds that a test's threads, sockets and tasks have to end after it


@pytest.fixture(scope="session")
def anyio_backend():
    """asyncio alone: it is the event loop that the course is about."""
    return "asyncio"


@pytest.fixture(scope="session")
def git():
    """Run a git command at the repository's root: git("ls-files") gives what it prints.

    Skips outside a git checkout: in a downloaded archive nothing tells the course's own files
    from those that a reader added.
    """

    def run(*arguments):
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, check=True, encoding="utf-8"
        )
        return done.stdout

    try:
        top = Path(run("rev-parse", "--show-toplevel").strip())
    except FileNotFoundError:
        pytest.skip("git is not installed")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"not a git checkout: {error.stderr.strip()}")
    if not top.samefile(ROOT):
        pytest.skip(f"not a git checkout of its own, but part of {top.name}")
    return run


@pytest.fixture(scope="module", autouse=True)
def imported_modules_set_aside():
    """Keep what stands by now out of the collections between a file's tests, which it would slow.

    At the start of each file, since what pytest keeps of the tests before it grows.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def nothing_left_behind():
    """Fail a test that leaves a thread, a listening socket or an unclosed resource behind."""
    threads, sockets = set(threading.enumerate()), listening()
    yield
    # Finalizers run now, while a ResourceWarning still counts against the test that caused it.
    gc.collect()
    deadline = time.monotonic() + GRACE
    while (left := left_behind(threads, sockets)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not left, f"left behind by this test: {', '.join(left)}"


@pytest.fixture(scope="module")
def server():
    """One server for the tests of a file. No connection expires while a busy machine pauses one."""
    with LocalServer(timeout_keep_alive=60) as running:
        yield running


@pytest.fixture
async def client(server):
    """A client of that server; no time-out of its comes from a busy machine."""
    async with httpx.AsyncClient(base_url=server.url, timeout=20, verify=False) as client:
        yield client


@pytest.fixture
def no_socket_left():
    """Fail a test that leaves a socket open, of a client as much as of a server."""

    def sockets():
        return {(c.fd, c.laddr) for c in psutil.Process().net_connections(kind="tcp")}

    before = sockets()
    yield
    assert sockets() <= before


def left_behind(threads, sockets):
    """Names of the threads and addresses of the listening sockets that came since then."""
    return [
        thread.name
        for thread in set(threading.enumerate()) - threads
        if not thread.daemon or thread.name.startswith(OWN_THREADS)
    ] + [f"{host}:{port}" for host, port in listening() - sockets]


def listening():
    """The addresses on which this process listens."""
    return listening_among(open_sockets())


@functools.lru_cache(maxsize=8)
def listening_among(sockets):
    """The same, remembered: psutil reads the whole system's table, which takes 20 ms of it here.

    A socket that was open before a test, and listens only since, goes unseen: none here does.
    """
    return {
        (connection.laddr.ip, connection.laddr.port)
        for connection in psutil.Process().net_connections(kind="tcp")
        if connection.status == psutil.CONN_LISTEN
    }


def open_sockets():
    """What the kernel calls this process's sockets; where that is not known, something new."""
    links = Path("/proc/self/fd")
    if not links.exists():
        return object()
    names = set()
    for link in links.iterdir():
        with contextlib.suppress(FileNotFoundError):  # the descriptor of this very listing
            names.add(str(link.readlink()))
    return frozenset(name for name in names if name.startswith("socket:"))


def pytest_collection_modifyitems(items):
    """Have the files that take longest begun first, so that no worker is left with one at the end.

    They wait most of their time, and meanwhile the others compute.
    """
    items.sort(key=lambda item: item.path.name not in LONG)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Have each async test checked for tasks inside its loop, before anyio cancels them unseen."""
    if inspect.iscoroutinefunction(pyfuncitem.obj):
        pyfuncitem.obj = leaving_no_task(pyfuncitem.obj)


def leaving_no_task(test):
    """Wrap an async test: it fails when a task that it started is still running after it."""

    @functools.wraps(test)
    async def checked(**arguments):
        before = asyncio.all_tasks()
        await test(**arguments)
        if started := asyncio.all_tasks() - before:
            _, left = await asyncio.wait(started, timeout=GRACE)
            assert not left, f"left running by this test: {left}"

    return checked
