"""Each lesson runs twice in one kernel, behind dead proxies, and leaves nothing behind.

A learner presses "Run All Cells" again without a restart, and sits in an office whose proxy does
not know about 127.0.0.1. nbval covers neither: it starts a fresh kernel in the tests' environment.
"""

import json
import os
import textwrap
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
CELL_TIMEOUT = 60  # seconds, as for nbval in pyproject.toml
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
@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_runs_twice_in_one_kernel_behind_dead_proxies(path, monkeypatch):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in (
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
    ):
        monkeypatch.setenv(
            name, DEAD.replace("http:", "socks5:") if "ALL" in name.upper() else DEAD
        )
    client = NotebookClient(
        nbformat.read(path, as_version=4),
        timeout=CELL_TIMEOUT,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
    )
    with client.setup_kernel(env=dict(os.environ)):
        before = left_open(client)
        for _ in range(2):
            for index, cell in enumerate(list(client.nb.cells)):
                client.execute_cell(cell, index)
        after = left_open(client)
    assert after == before


def left_open(client):
    """What threads, tasks, sockets and processes of its own the kernel has, by what kind."""
    cell = nbformat.v4.new_code_cell(LEFT_OPEN)
    client.execute_cell(cell, 0)
    return json.loads(cell.outputs[0].text)
