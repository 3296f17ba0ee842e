"""Each notebook runs twice in one kernel, behind dead proxies, and leaves only its server there.

A learner presses "Run All Cells" again without a restart, and sits in an office whose proxy does
not know about 127.0.0.1. nbval covers neither: it starts a fresh kernel in the tests' environment.
The server stays, so that whoever goes on, changes a cell and runs it again, still has one.
"""

import json
import os
import textwrap
import time

import nbformat
import psutil
import pytest
from lesson import deeper, main_paths
from nbclient import NotebookClient

CELL_TIMEOUT = 60  # seconds, as for nbval in pyproject.toml
PATIENCE = 2.0  # seconds in which a server that was dropped has to end
DEAD = "http://127.0.0.1:9"  # the discard port: nobody listens there

# Runs in the kernel, before the first cell and after the last one.
LEFT_OPEN = textwrap.dedent("""
    import asyncio, gc, json, threading, psutil
    gc.collect()
    threads = [thread.name for thread in threading.enumerate()]
    others = asyncio.all_tasks() - {asyncio.current_task()}
    sockets = psutil.Process().net_connections(kind="inet")
    print(json.dumps({
        "threads": sorted(name for name in threads if name.startswith(("server-", "exercise-"))),
        "tasks": sorted(task.get_coro().__qualname__ for task in others),
        "sockets": sorted(
            [*at.laddr, *at.raddr, at.status]
            for at in sockets if at.status not in (psutil.CONN_TIME_WAIT, psutil.CONN_NONE)
        ),
        "processes": len(psutil.Process().children(recursive=True)),
    }))
""")


@pytest.mark.slow
@pytest.mark.parametrize("path", [*main_paths(), *deeper()], ids=lambda path: path.stem)
def test_runs_twice_in_one_kernel_behind_dead_proxies(path, monkeypatch):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, DEAD)
    for name in ("ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, DEAD.replace("http:", "socks5:"))
    client = NotebookClient(
        nbformat.read(path, as_version=4),
        timeout=CELL_TIMEOUT,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
    )
    with client.setup_kernel(env=dict(os.environ)):
        before = left_open(client)
        after = [run_all(client, before) for _ in range(2)]
    for left in after:
        assert left in (NOTHING, ONE_SERVER)
    assert after[0] == after[1]


NOTHING = {"threads": 0, "sockets": [], "tasks": [], "processes": 0}
ONE_SERVER = {**NOTHING, "threads": 1, "sockets": [psutil.CONN_LISTEN]}


def run_all(client, before):
    """Run every cell, and return what the kernel has more than before, once that has settled."""
    for index, cell in enumerate(list(client.nb.cells)):
        client.execute_cell(cell, index)
    deadline = time.monotonic() + PATIENCE
    while (left := added(before, left_open(client))) not in (NOTHING, ONE_SERVER):
        if time.monotonic() > deadline:
            break
    return left


def added(before, after):
    """What is left now and was not before: threads and processes by number, tasks by name."""
    return {
        "threads": len(after["threads"]) - len(before["threads"]),
        "sockets": [at[-1] for at in after["sockets"] if at not in before["sockets"]],
        "tasks": [task for task in after["tasks"] if task not in before["tasks"]],
        "processes": after["processes"] - before["processes"],
    }


def left_open(client):
    """What threads, tasks, sockets and processes of its own the kernel has, by what kind."""
    cell = nbformat.v4.new_code_cell(LEFT_OPEN)
    client.execute_cell(cell, 0)
    return json.loads(cell.outputs[0].text)
