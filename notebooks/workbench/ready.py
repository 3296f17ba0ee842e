"""Can this machine run the course? python -m workbench.ready

A line for each thing that the lessons need, "ok" or "NO" with what to do; exits with 1 if any line
says NO. It takes some seconds, and a minute at most. To be run the day before a session.

It starts a server and a kernel, which end with it, and changes nothing.
"""

import asyncio
import importlib
import os
import re
import subprocess
import sys
import webbrowser
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from unittest import mock

from workbench.environment import check_environment

REQUIREMENTS = Path(__file__).resolve().parents[2] / "requirements.txt"
IMPORTED = ("aiohttp", "fastapi", "httpx", "ipywidgets", "jupyterlab", "matplotlib", "stamina")
KERNEL_STARTS = 30  # seconds
MEMORY = 500  # MB: JupyterLab and two kernels, and some to spare
CGROUP = Path("/sys/fs/cgroup")
INSTALL = "python -m pip install -r requirements.txt"

Row = tuple[str, str]  # what is needed, and what is wrong and what to do; "" where nothing is


def versions() -> str:
    """Return which packages are not there, or are not as requirements.txt asks for them."""
    from packaging.requirements import InvalidRequirement, Requirement

    wrong = []
    for line in REQUIREMENTS.read_text(encoding="utf-8").splitlines():
        try:
            asked = Requirement(line.partition("#")[0].strip())
        except InvalidRequirement:  # an empty line, a comment, the course itself
            continue
        try:
            found = version(asked.name)
        except PackageNotFoundError:
            wrong.append(f"{asked.name} is missing")
        else:
            if not asked.specifier.contains(found, prereleases=True):
                wrong.append(f"{asked.name} is {found}, not {asked.specifier}")
    return f"{', '.join(wrong)}: {INSTALL}" if wrong else ""


def imports() -> str:
    """Return what cannot be imported: it is installed, and broken."""
    broken = []
    with mock.patch.dict(os.environ):
        os.environ.pop("SSLKEYLOGFILE", None)  # it breaks aiohttp's import, and has its own line
        for name in IMPORTED:
            try:
                importlib.import_module(name)
            except Exception as error:
                broken.append(f"{name}: {error!r}")
    return f"{'; '.join(broken)}. Make the environment anew, and {INSTALL}" if broken else ""


def loopback() -> str:
    """Return why a server on 127.0.0.1 cannot be had, or does not answer."""
    import httpx

    from server.local import LocalServer

    async def ask(url: str) -> int:
        # Plain HTTP. Whether certificates can be loaded is a line of its own.
        async with httpx.AsyncClient(timeout=5, verify=False) as client:
            return (await client.post(url + "/echo", json={})).status_code

    try:
        with LocalServer() as server:
            status = asyncio.run(asyncio.wait_for(ask(server.url), 10))
    except (OSError, RuntimeError, httpx.HTTPError) as error:
        return f"{error!r}: let Python listen and connect on 127.0.0.1, in firewall and sandbox"
    if status != 200:
        return f"another program answered, with {status}: something intercepts 127.0.0.1"
    return ""


def kernel() -> str:
    """Return why the notebooks' kernel does not run a cell, or is another Python than this one."""
    from jupyter_client.manager import start_new_kernel

    try:
        manager, client = start_new_kernel(
            startup_timeout=KERNEL_STARTS, kernel_name="python3", stderr=subprocess.DEVNULL
        )
    except Exception as error:
        return f"it does not start: {error!r}. {INSTALL}"
    printed: list[str] = []

    def listen(message: dict) -> None:
        if message["msg_type"] == "stream":
            printed.append(message["content"]["text"])

    try:
        code = "import sys, course, httpx; print(sys.prefix)"
        reply = client.execute_interactive(code, timeout=15, output_hook=listen)
    except TimeoutError:
        return "it starts and runs no cell: look for a firewall or a sandbox on 127.0.0.1"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    if reply["content"]["status"] != "ok":
        words = f"{reply['content']['ename']}: {reply['content']['evalue']}"
        return f"it does not find the course, {words}. {INSTALL}"
    found = "".join(printed).strip()
    if Path(found).resolve() != Path(sys.prefix).resolve():
        return f"it is the Python of {found}, not this one: jupyter kernelspec remove python3"
    return ""


def memory() -> str:
    """Return how much is missing of what JupyterLab and two kernels take."""
    free = available() // 1_000_000
    if free >= MEMORY:
        return ""
    return f"{free} MB are: close other programs, or shut down kernels that you do not need"


def available() -> int:
    """Return the bytes that new programs may take, in a container no more than it may."""
    import psutil

    free = psutil.virtual_memory().available
    try:
        most = (CGROUP / "memory.max").read_text().strip()
        used = int((CGROUP / "memory.current").read_text())
        # Files that were read or written count as used, and give way to programs.
        cached = re.search(r"^inactive_file (\d+)$", (CGROUP / "memory.stat").read_text(), re.M)
    except (OSError, ValueError):
        return free
    given_way = int(cached[1]) if cached else 0
    return free if most == "max" else min(free, int(most) - used + given_way)


def browser() -> str:
    """Return what to do where Python finds no browser to open."""
    if "JUPYTER_SERVER_URL" in os.environ:  # in a terminal of JupyterLab: it is open in one
        return ""
    try:
        webbrowser.get()
    except webbrowser.Error:
        return "add --no-browser to the command, and open the address that JupyterLab prints"
    return ""


CHECKS: dict[str, Callable[[], str]] = {
    "packages as in requirements.txt": versions,
    "packages can be imported": imports,
    "a server on 127.0.0.1 answers": loopback,
    "a kernel starts and runs a cell": kernel,
    f"{MEMORY} MB of memory are free": memory,
    "a browser can be opened": browser,
}


def rows() -> Iterator[Row]:
    """Yield each row as soon as it is known."""
    yield from check_environment().rows
    for need, check in CHECKS.items():
        try:
            yield need, check()
        except Exception as error:  # what is needed to look is missing itself
            yield need, f"{error!r}: {INSTALL}"


def main() -> int:
    """Print the rows; return 1 if one of them is not in order, else 0."""
    wrong = 0
    for need, problem in rows():
        wrong += bool(problem)
        print(f"NO  {need}: {problem}" if problem else f"ok  {need}", flush=True)
    print(f"{wrong} not in order." if wrong else "This machine can run the course.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
