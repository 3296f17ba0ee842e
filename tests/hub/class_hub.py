"""A real JupyterHub on loopback, and learners who run lessons through its proxy."""

import asyncio
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path

import aiohttp
import nbformat
import psutil
from lesson import FOLDER

CONFIG = Path(__file__).with_name("jupyterhub_config.py")
STARTS = 120  # seconds, for the hub as for a learner's server
CELL = 180  # seconds: many share few cores


def proxy_command() -> str | None:
    """The path of configurable-http-proxy: on PATH, or in npm's folder here."""
    return shutil.which("configurable-http-proxy") or shutil.which(
        "configurable-http-proxy", path="node_modules/.bin"
    )


def free_ports(count: int) -> list[int]:
    """So many ports of 127.0.0.1 that are free now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Hub:
    """A running hub: its address, and a session that may do all that the tests do."""

    def __init__(self, url: str, token: str, pid: int) -> None:
        self.url = url
        self.token = token
        self.pid = pid

    def session(self) -> aiohttp.ClientSession:
        """A client of the hub and of all learners' servers."""
        return aiohttp.ClientSession(
            self.url, headers={"Authorization": f"token {self.token}"}, raise_for_status=True
        )

    def processes(self, name: str) -> list[psutil.Process]:
        """A learner's server and its kernels."""
        for process in psutil.Process(self.pid).children(recursive=True):
            with suppress(psutil.Error):
                if process.environ().get("JUPYTERHUB_USER") == name:
                    return [process, *process.children(recursive=True)]
        return []

    def used(self, name: str) -> tuple[float, float]:
        """(MB of memory as PSS, seconds of processor time) of a learner's processes."""
        processes = self.processes(name)
        pss = sum(process.memory_full_info().pss for process in processes)
        cpu = sum(sum(process.cpu_times()[:2]) for process in processes)
        return pss / 1e6, cpu


@contextmanager
def running(folder: Path):
    """Start a hub whose files are all in this folder; it is gone afterwards, servers included."""
    ports, token = free_ports(3), secrets.token_hex(16)
    environment = {
        **{name: value for name, value in os.environ.items() if name != "HTTPX_COURSE_DATA"},
        "HUB_FOLDER": str(folder),
        "HUB_COURSE": str(FOLDER),
        "HUB_PORTS": " ".join(map(str, ports)),
        "HUB_PROXY": str(proxy_command()),
        "HUB_TOKEN": token,
        "CONFIGPROXY_AUTH_TOKEN": secrets.token_hex(16),
    }
    log = (folder / "hub.log").open("w", encoding="utf-8")
    with (
        log,
        subprocess.Popen(
            [sys.executable, "-m", "jupyterhub", "-f", CONFIG],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            hub = Hub(f"http://127.0.0.1:{ports[0]}", token, process.pid)
            asyncio.run(_answers(hub, process))
            yield hub
        finally:
            stop(process)


async def _answers(hub: Hub, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + STARTS
    async with hub.session() as session:
        while True:
            with suppress(aiohttp.ClientError):
                async with session.get("/hub/api/"):
                    return
            assert process.poll() is None, "the hub ended while starting: see its hub.log"
            assert time.monotonic() < deadline, "the hub does not answer"
            await asyncio.sleep(0.3)


def stop(process: subprocess.Popen) -> None:
    """End the hub as Ctrl-C does, and whatever of it is left after that."""
    below = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(60)
    for left in [process, *below]:
        with suppress(psutil.Error, ProcessLookupError):
            left.kill()


class Learner:
    """One learner, who opens notebooks on a server of their own, through the hub's proxy."""

    def __init__(self, session: aiohttp.ClientSession, name: str) -> None:
        self.session = session
        self.name = name
        self.home = f"/user/{name}/api"

    async def arrive(self) -> None:
        """Have a server started, as a login does, and wait until it answers."""
        with suppress(aiohttp.ClientResponseError):  # known since the last time
            await self.session.post(f"/hub/api/users/{self.name}")
        await self.session.post(f"/hub/api/users/{self.name}/server")
        deadline = time.monotonic() + 300
        while True:
            async with self.session.get(f"/hub/api/users/{self.name}") as answer:
                servers = (await answer.json())["servers"]
            if servers.get("", {}).get("ready"):
                return
            assert time.monotonic() < deadline, f"{self.name}'s server does not start"
            await asyncio.sleep(0.5)

    async def leave(self) -> None:
        """Have the server stopped, as the culler does."""
        await self.session.delete(f"/hub/api/users/{self.name}/server")
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            async with self.session.get(f"/hub/api/users/{self.name}") as answer:
                if not (await answer.json())["servers"]:
                    return
            await asyncio.sleep(0.5)
        raise AssertionError(f"{self.name}'s server does not stop")

    async def run_all(self, notebook: str) -> list[str]:
        """Open a lesson and run each code cell; return what was raised, as "cell: error"."""
        async with self.session.get(f"{self.home}/contents/{notebook}") as answer:
            content = (await answer.json())["content"]
        cells = [cell for cell in nbformat.from_dict(content).cells if cell.cell_type == "code"]
        return [
            f"{notebook}, {cell.id}: {error}"
            for cell, error in zip(
                cells, await self.execute(notebook, [c.source for c in cells]), strict=True
            )
            if error and "raises-exception" not in cell.metadata.get("tags", [])
        ]

    async def execute(self, notebook: str, sources: list[str]) -> list[str]:
        """Run these in a new kernel, and leave it running; return what each raised, or ""."""
        wanted = {"path": notebook, "name": notebook, "type": "notebook"}
        wanted["kernel"] = {"name": "python3"}
        async with self.session.post(f"{self.home}/sessions", json=wanted) as answer:
            kernel = (await answer.json())["kernel"]["id"]
        async with self.session.ws_connect(
            f"{self.home}/kernels/{kernel}/channels", max_msg_size=0
        ) as channel:
            return [await asyncio.wait_for(_cell(channel, source), CELL) for source in sources]


async def _cell(channel: aiohttp.ClientWebSocketResponse, source: str) -> str:
    """Run one cell; return what it raised."""
    header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "version": "5.3"}
    header |= {"username": "", "session": uuid.uuid4().hex, "date": ""}
    content = {"code": source, "silent": False, "store_history": True, "user_expressions": {}}
    content |= {"allow_stdin": False, "stop_on_error": False}
    message = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
    await channel.send_str(json.dumps({**message, "channel": "shell", "buffers": []}))
    async for received in channel:
        reply = json.loads(received.data)
        if reply["parent_header"].get("msg_id") != header["msg_id"]:
            continue
        if reply["msg_type"] == "execute_reply":
            found = reply["content"]
            return "" if found["status"] == "ok" else f"{found['ename']}: {found['evalue']}"
    return "the kernel's connection was closed"
