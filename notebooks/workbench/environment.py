"""Does the course run here? A row for each thing it needs, and for what would break httpx here.

Lesson 00 asks it first. It reads the environment and changes nothing in it.
"""

import os
import ssl
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from urllib.request import getproxies

from workbench.table import Table, Tabular

try:
    import resource
except ImportError:  # Windows, which has no such limit
    resource = None

NEEDED_PYTHON = (3, 11)
# The minor releases whose behaviour the lessons were proved on; requirements.txt asks for them.
PROVED_ON = {"httpx": "0.28", "httpcore": "1.0"}
NEEDED = ["uvicorn", "starlette", "fastapi", "aiohttp", "matplotlib", "ipywidgets", "mypy"]
OPEN_FILES = 200  # the most that one lesson has open at a time, its sockets included


@dataclass(frozen=True, repr=False)
class Environment(Tabular):
    """The rows of the check: what is needed, and what was found wrong, if anything."""

    rows: list[tuple[str, str]]

    @property
    def ok(self) -> bool:
        """Whether every row is in order."""
        return all(not problem for _, problem in self.rows)

    def table(self) -> Table:
        """Return the rows as they are shown."""
        rows = [["NOT OK" if problem else "ok", need, problem] for need, problem in self.rows]
        return Table(("here", "needed", "what is wrong"), rows)


def check_environment() -> Environment:
    """Return what the lessons need of Python, the packages and the environment, and what is wrong.

    That is what they were proved on, and what is known to break httpx before it sends anything.
    """
    return Environment([*_installed(), *_around()])


def _installed() -> Iterator[tuple[str, str]]:
    found = ".".join(map(str, sys.version_info[:3]))
    needed = ".".join(map(str, NEEDED_PYTHON))
    old = sys.version_info < NEEDED_PYTHON
    yield f"Python {needed} or newer", f"this is {found}" if old else ""
    for name, line in PROVED_ON.items():
        yield f"{name} {line}", _package(name, line)
    for name in NEEDED:
        yield name, _package(name, "")


def _package(name: str, line: str) -> str:
    try:
        found = version(name)
    except PackageNotFoundError:
        return "not installed: pip install -r requirements.txt"
    if line and found.split(".")[: line.count(".") + 1] != line.split("."):
        return f"this is {found}; the lessons may say what it no longer does"
    return ""


def _around() -> Iterator[tuple[str, str]]:
    """What surrounds this process: its environment variables and its limits."""
    yield "certificates where the environment says", _certificates()
    yield "a TLS key log that can be written, or none", _key_log()
    yield "no proxy before 127.0.0.1", _proxies()
    yield f"{OPEN_FILES} open files at a time", _open_files()
    yield "asyncio's debug mode off", _debug()
    yield "warnings are no errors", _warnings()


def _certificates() -> str:
    # As httpx 0.28 does (_config.create_ssl_context): the first of the two that is set.
    if path := os.environ.get("SSL_CERT_FILE"):
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
        except OSError as error:
            return f"SSL_CERT_FILE is {path}: {error.strerror}; httpx.AsyncClient() raises that"
    elif (path := os.environ.get("SSL_CERT_DIR")) and not any(
        Path(folder).is_dir() for folder in path.split(os.pathsep)
    ):
        return f"SSL_CERT_DIR is {path}: no such folder; httpx then trusts no server on the web"
    return ""


def _key_log() -> str:
    # As ssl.create_default_context does, which httpx calls: setting the name opens the file.
    path = os.environ.get("SSLKEYLOGFILE")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not path or sys.flags.ignore_environment or not hasattr(context, "keylog_filename"):
        return ""
    try:
        context.keylog_filename = path
    except OSError as error:
        return (
            f"SSLKEYLOGFILE is {path}: {error.strerror}; httpx.AsyncClient() raises that: unset it"
        )
    return ""


def _proxies() -> str:
    # As httpx 0.28 does (_utils.get_environment_proxies): "*" among the excepted switches all off.
    found = getproxies()
    proxies = {scheme: found[scheme] for scheme in ("http", "https", "all") if scheme in found}
    if not proxies or "*" in [host.strip() for host in found.get("no", "").split(",")]:
        return ""
    socks = any(url.startswith("socks") for url in proxies.values())
    if socks and not find_spec("socksio"):
        return "a SOCKS proxy is set, httpx.AsyncClient() raises without socksio: set NO_PROXY=*"
    return f"requests go through a proxy ({', '.join(proxies)}): set NO_PROXY=*"


def _open_files() -> str:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0] if resource else -1
    if limit < 0 or limit >= OPEN_FILES:  # -1 is no limit
        return ""
    return f"the limit is {limit}: run `ulimit -n 1024` before you start JupyterLab"


def _debug() -> str:
    if os.environ.get("PYTHONASYNCIODEBUG") or sys.flags.dev_mode:
        return "it is on (PYTHONASYNCIODEBUG, python -X dev): some outputs will differ"
    return ""


def _warnings() -> str:
    if any(option.startswith("error") for option in sys.warnoptions):
        return "they are (PYTHONWARNINGS, python -W): cells that warn on purpose will fail"
    return ""
