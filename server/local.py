"""Start and stop a server on 127.0.0.1, from a notebook, a test or a script.

    with LocalServer() as server:
        httpx.get(server.url + "/echo")
"""

import asyncio
import functools
import os
import socket
from typing import Any

import uvicorn

from server.app import create_app
from server.background import Background, Worker
from server.gates import Gates
from server.ledger import Ledger
from server.protocol import LedgerProtocol

HOST = "127.0.0.1"
SETTLE_TIMEOUT = 5.0
# From the SYN in the listening socket to the application's first step a request takes about six
# turns of the event loop; some more do no harm.
SETTLE_TURNS = 12

SET_HERE = {"app", "host", "fd", "uds", "http", "loop", "ws", "workers", "reload"}


class LocalServer:
    """uvicorn on a loopback port, in a daemon thread, with a ledger of what it sees.

    `app` is any ASGI application; without one it is the course's own (`server.app`). `port` 0
    takes any free port, anew at each start. The options are uvicorn's
    (https://www.uvicorn.org/settings/), for example `timeout_keep_alive=1`, in seconds.

    Starting twice or stopping twice does no harm. A server that nothing refers to any more stops
    by itself, so a cell that makes one can be run again.

    Raises `TypeError` for an option that uvicorn does not have or that is set here, `ValueError`
    for a port out of range.
    """

    def __init__(self, app: Any = None, *, port: int = 0, **uvicorn_options: Any) -> None:
        refused = sorted(SET_HERE & uvicorn_options.keys())
        if refused:
            raise TypeError(f"LocalServer sets {', '.join(refused)} itself")
        if not isinstance(port, int) or not 0 <= port <= 65535:
            raise ValueError(f"port must be a whole number from 0 to 65535, not {port!r}")
        self.ledger = Ledger()
        self.app = create_app() if app is None else app
        self._wanted_port = port
        self._port: int | None = None
        # uvicorn would otherwise set up logging for the whole process and write each request to
        # stderr, that is into the notebook.
        quiet = {"log_config": None, "log_level": "critical", "access_log": False}
        self._options = {**quiet, "timeout_graceful_shutdown": 1, **uvicorn_options}
        self._config()  # so that a wrong option is reported here and not at start()
        self._background: Background | None = None

    def _config(self) -> uvicorn.Config:
        # The protocol is named because "auto" takes httptools where that is installed.
        protocol = type("BoundLedgerProtocol", (LedgerProtocol,), {"ledger": self.ledger})
        return uvicorn.Config(self.app, http=protocol, loop="asyncio", ws="none", **self._options)

    @property
    def running(self) -> bool:
        """Whether the server answers."""
        return self._background is not None and self._background.running

    @property
    def port(self) -> int:
        """The port it listens on. Raises `RuntimeError` while the server does not run."""
        if self._port is None or not self.running:
            raise RuntimeError("the server is not running, so it has no address: call start()")
        return self._port

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`, without a slash at the end. Raises as `port` does."""
        return f"http://{HOST}:{self.port}"

    @property
    def gates(self) -> Gates:
        """The gates of the course's own application, for requests to `/faults/hold`.

        Raises `AttributeError` if the server runs another application.
        """
        state = getattr(self.app, "state", None)
        if not hasattr(state, "gates"):
            raise AttributeError("only the course's own application (server.app) has gates")
        return state.gates

    def start(self) -> None:
        """Start serving and return when the server answers. Does nothing if it does already.

        Raises `OSError` if a port was asked for and is taken, and `RuntimeError`, with its cause,
        if the application fails to start.
        """
        if self.running:
            return
        listening = _listen(self._wanted_port)
        port = listening.getsockname()[1]
        uvicorn_server = uvicorn.Server(self._config())
        background = Background("server-local", functools.partial(_serve, uvicorn_server, listening))
        try:
            background.start()
        except RuntimeError as exc:
            listening.close()
            raise RuntimeError(
                "the application did not start; log_level='error' shows what it said"
            ) from exc.__cause__
        except BaseException:
            listening.close()
            raise
        self._port = port
        self._background = background
        self.ledger.settle = functools.partial(_settle, background.worker)

    def stop(self) -> None:
        """Stop serving and return when it is done. Does nothing if the server does not run.

        Requests under way get one second (uvicorn's `timeout_graceful_shutdown`), then they are
        cut.
        """
        if self._background is not None:
            self._background.stop()
            self._background = None

    def __enter__(self) -> "LocalServer":
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<LocalServer {self.url if self.running else 'not running'}>"


def _listen(port: int) -> socket.socket:
    """Bind here, and not in uvicorn: the port is known at once and nothing can race for it."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
        listening.listen(2048)
    except OSError as exc:
        listening.close()
        raise OSError(exc.errno, f"cannot listen on {HOST}:{port}: {exc.strerror}") from None
    return listening


async def _serve(server: uvicorn.Server, listening: socket.socket, worker: Worker) -> None:
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    stopping = asyncio.create_task(worker.stop_requested.wait())
    try:
        while not server.started and not serving.done() and not stopping.done():
            await asyncio.wait({serving, stopping}, timeout=0.005)
        if server.started:
            worker.ready.set()
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        if not server.started and not serving.done():
            serving.cancel()  # the application hangs in its start-up
        await serving
    finally:
        stopping.cancel()
        # Requests that outlived the graceful end would keep their sockets open.
        for protocol in list(server.server_state.connections):
            protocol.transport.abort()
        while server.server_state.connections:
            await asyncio.sleep(0)


def _settle(worker: Worker | None) -> None:
    """Let the server's loop work off what already lies in its sockets.

    On loopback the bytes of a finished `send()` are in the receiver's socket, so a dozen turns of
    the loop are enough to count them.
    """

    async def turns() -> None:
        for _ in range(SETTLE_TURNS):
            await asyncio.sleep(0)

    try:
        if worker is not None:
            worker.call(turns, SETTLE_TIMEOUT)
    except TimeoutError:
        raise TimeoutError("the server's event loop is blocked: its ledger is behind") from None
    except RuntimeError:  # the server has ended, so there is nothing to wait for
        pass
