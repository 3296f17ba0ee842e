"""The server in a real Jupyter kernel that is interrupted, restarted and killed."""

import asyncio
import os
import queue
import socket
import time

import httpx
import psutil
import pytest
from jupyter_client.manager import start_new_async_kernel

START = """
import httpx
from server.local import LocalServer
server = LocalServer()
server.start()
client = httpx.AsyncClient(base_url=server.url, timeout=60, verify=False)
print(server.port)
"""
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(os.name != "posix", reason="signals a process"),
]


async def run(client, code):
    """Run a cell and return what it printed; raise RuntimeError with the name of its error."""
    message = client.execute(code)
    said, error = "", None
    while True:
        try:
            answer = await client.get_iopub_msg(timeout=30)
        except queue.Empty:
            raise TimeoutError("the kernel does not answer") from None
        if answer["parent_header"].get("msg_id") != message:
            continue
        content = answer["content"]
        if answer["msg_type"] == "stream" and content["name"] == "stdout":
            said += content["text"]
        elif answer["msg_type"] == "error":
            error = content["ename"]
        elif answer["msg_type"] == "status" and content["execution_state"] == "idle":
            if error:
                raise RuntimeError(error)
            return said


def get(port, path):
    with httpx.Client(verify=False, timeout=20) as client:
        return client.get(f"http://127.0.0.1:{port}{path}")


async def interrupt_once_held(manager, port):
    while "/faults/hold" not in get(port, "/ledger").text:
        await asyncio.sleep(0.01)
    await manager.interrupt_kernel()


def wait_until_free(port):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            # Bind as the server would: no listener may be left.
            with socket.socket() as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind(("127.0.0.1", port))
                sock.listen()
                return
        except OSError:
            time.sleep(0.05)
    pytest.fail(f"port {port} is still taken")


async def test_kernel_interrupted_restarted_and_killed():
    manager, client = await start_new_async_kernel(kernel_name="python3")
    try:
        port = int(await run(client, START))

        # Interrupted while a request is in flight: it fails, and the server serves on.
        interrupting = asyncio.create_task(interrupt_once_held(manager, port))
        with pytest.raises(RuntimeError, match="KeyboardInterrupt"):
            await run(client, "httpx.get(server.url + '/faults/hold', timeout=60)")
        await interrupting
        assert get(port, "/echo").status_code == 200
        assert await run(client, "print((await client.get('/echo')).status_code)") == "200\n"

        # The cell is run again: the old server goes, the new one serves.
        old, port = port, int(await run(client, START))
        wait_until_free(old)
        assert get(port, "/echo").status_code == 200

        # Restarted: the port is free, and the cell runs again.
        await manager.restart_kernel(now=False)
        await client.wait_for_ready(timeout=60)
        wait_until_free(port)
        port = int(await run(client, START))

        # Killed: the port is free, and no process is left.
        process = psutil.Process(manager.provisioner.pid)
        family = [process, *process.children(recursive=True)]
        process.kill()
        wait_until_free(port)
        _, alive = psutil.wait_procs(family, timeout=20)
        assert [p for p in alive if p.status() != psutil.STATUS_ZOMBIE] == []
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)
