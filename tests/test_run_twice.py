"""Each notebook runs twice in one kernel, behind dead proxies, and leaves only its servers there.

A learner presses "Run All Cells" again without a restart, and sits in an office whose proxy does
not know about 127.0.0.1. nbval covers neither: it starts a fresh kernel in the tests' environment.
The servers that it has named stay, so that whoever goes on, changes a cell and runs it again, still
has them; those of the first run are gone after the second.
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
# What listens in a thread of its own.
SERVERS = ("LocalServer", "TlsServer", "Http2Server", "Link", "Proxy")
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
        code = "\n".join(cell.source for cell in client.nb.cells)
        servers = sum(code.count(f"{kind}(") for kind in SERVERS)
        accepted = [only_servers(number) for number in range(servers + 1)]
        first = run_all(client, before, accepted)
        assert first in accepted
        assert run_all(client, before, [first]) == first


def only_servers(number):
    """What is left where that many servers run, and nothing else."""
    listening = [psutil.CONN_LISTEN] * number
    return {"threads": number, "sockets": listening, "tasks": [], "processes": 0}


def run_all(client, before, accepted):
    """Run every cell, and return what the kernel has more than before.

    That is asked for until it is one of those accepted: a server that was dropped takes its time.
    """
    for index, cell in enumerate(list(client.nb.cells)):
        client.execute_cell(cell, index)
    deadline = time.monotonic() + PATIENCE
    while (left := added(before, left_open(client))) not in accepted:
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
