"""Start and stop a server on 127.0.0.1, from a notebook, a test or a script.

with LocalServer() as server:
    httpx.get(server.url + "/echo")
"""

import asyncio
import contextlib
import errno
import functools
import os
import socket
import time
from collections.abc import Callable
from typing import Any

import uvicorn

from server.app import create_app
from server.background import HOST, Background, Worker, stop_listening, too_few_descriptors, turns
from server.gates import Gates
from server.ledger import Ledger
from server.protocol import LedgerProtocol

SETTLE_TIMEOUT = 5.0
# From the SYN in the listening socket to the request in the ledger it takes about five turns of
# the event loop; some more do no harm.
SETTLE_TURNS = 12
# A server that was dropped a moment ago still holds its port; one that stays does not go away.
PORT_PATIENCE = 1.0
# Longer than the second that requests under way get, shorter than `stop()` waits for the thread.
SHUTDOWN_TIMEOUT = 5.0
# How many connections may wait to be let in. asyncio would try as often in one turn of the loop,
# which is long if each try fails for want of a file descriptor; so it is told a smaller number.
QUEUE = 2048
LET_IN_AT_ONCE = 100
TICK = 0.1  # seconds, uvicorn's own
# From `transport.close()` to `connection_lost()` it takes one turn of the event loop.
CLOSE_TURNS = 2

SET_HERE = {"app", "host", "fd", "uds", "http", "http2", "loop", "ws", "workers", "reload"}


class LocalServer(Background):
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
        # uvicorn would otherwise set up logging for the whole process and write each request to
        # stderr, that is into the notebook.
        quiet = {"log_config": None, "log_level": "critical", "access_log": False}
        ours = {"timeout_graceful_shutdown": 1, "backlog": LET_IN_AT_ONCE}
        options = {**quiet, **ours, **uvicorn_options}
        make_config = functools.partial(_config, self.app, self.ledger, options)
        make_config()  # so that a wrong option is reported here and not by start()
        main = functools.partial(_serve, make_config, port, self.ledger)
        super().__init__("server", "server-local", main)

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

        Raises `OSError` if a port was asked for and is taken, and `RuntimeError` if the application
        fails to start or does not get there within 10 s.
        """
        super().start()

    def stop(self) -> None:
        """Stop serving and return when it is done. Does nothing if the server does not run.

        Requests under way get one second (uvicorn's `timeout_graceful_shutdown`); then they get a
        500 if their answer has not begun, and are cut otherwise. The application's own shutdown is
        cut 5 s after the call.

        Raises `TimeoutError` if the server has not stopped within 10 s, because the application
        blocks its event loop.
        """
        super().stop()

    def __repr__(self) -> str:
        return f"<LocalServer {self.url if self.running else 'not running'}>"


# What stands below runs in the server's thread. They take what they need and no LocalServer:
# one that the thread referred to could not be dropped.


def _config(app: Any, ledger: Ledger, options: dict[str, Any]) -> uvicorn.Config:
    # The protocol is named because "auto" takes httptools where that is installed.
    protocol = type("BoundLedgerProtocol", (LedgerProtocol,), {"ledger": ledger})
    return uvicorn.Config(app, http=protocol, loop="asyncio", ws="none", **options)


class _Server(uvicorn.Server):
    """uvicorn's server, which tells a `Worker` when it serves and ends when that is told to stop.

    uvicorn looks every tenth of a second whether it should end, and again whether it may.
    """

    def __init__(self, config: uvicorn.Config, worker: Worker, ledger: Ledger) -> None:
        super().__init__(config)
        self.worker = worker
        self.ledger = ledger

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        sockets[0].listen(QUEUE)  # asyncio has set its own number
        self.worker.port = sockets[0].getsockname()[1]
        self.ledger.settle = functools.partial(_settle, self.worker)
        self.worker.ready.set()

    async def main_loop(self) -> None:
        """Tick as uvicorn does, for its Date header and `limit_max_requests`, until told to."""
        counter = 0
        while not await self.on_tick(counter) and not self.worker.stop_requested.is_set():
            counter += 1
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK):
                    await self.worker.stop_requested.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Shut down as uvicorn does, and at once where no request is under way."""
        for listener in self.servers:
            await stop_listening(listener)
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await turns(CLOSE_TURNS)
        if self.server_state.connections or self.server_state.tasks:
            await super().shutdown(sockets)
        else:
            await self.lifespan.shutdown()


async def _serve(
    make_config: Callable[[], uvicorn.Config], port: int, ledger: Ledger, worker: Worker
) -> None:
    listening = await _listen(port)
    server = _Server(make_config(), worker, ledger)
    serving = asyncio.create_task(_run(server, listening))
    stopping = asyncio.create_task(worker.stop_requested.wait())
    try:
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if server.started:
            await asyncio.wait({serving}, timeout=SHUTDOWN_TIMEOUT)
        serving.cancel()  # it hangs in the application's start-up or shutdown, or has ended
        await asyncio.wait({serving})
        if not serving.cancelled():
            serving.result()
    finally:
        listening.close()
        # Requests that outlived the graceful end would keep their sockets open.
        for protocol in list(server.server_state.connections):
            protocol.transport.abort()
        while server.server_state.connections:
            await turns(1)
        await turns(1)  # for the ledger's last entry


async def _listen(port: int) -> socket.socket:
    """Bind here, and not in uvicorn: the port is known at once and nothing can race for it."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PORT_PATIENCE
    while True:
        # Without the protocol's number asyncio leaves Nagle's algorithm on, and each response that
        # is written in two parts waits 40 ms for the client's delayed acknowledgement.
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            if os.name == "posix":
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((HOST, port))
            listening.listen(QUEUE)
        except OSError as exc:
            listening.close()
            if exc.errno != errno.EADDRINUSE or loop.time() > deadline:
                raise OSError(
                    exc.errno, f"cannot listen on {HOST}:{port}: {exc.strerror}"
                ) from None
            await asyncio.sleep(0.02)
        else:
            return listening


async def _run(server: uvicorn.Server, listening: socket.socket) -> None:
    """Run uvicorn; raise `RuntimeError`, in the application's words, if that does not start."""
    said = ["log_level='error' shows what it said"]
    try:
        server.config.load()
        server.config.loaded_app = _noting_failure(server.config.loaded_app, said)
        await server.serve(sockets=[listening])
    except SystemExit:  # uvicorn's way to report it
        raise RuntimeError(f"the application did not start: {said[-1]}") from None


def _noting_failure(app: Any, said: list[str]) -> Any:
    """Return `app`, wrapped so that its reason for not starting is appended to `said`."""

    async def noting(scope, receive, send) -> None:
        async def noting_send(message) -> None:
            if message["type"] == "lifespan.startup.failed" and message.get("message"):
                # Starlette sends the whole traceback; its last line names the error.
                said.append(message["message"].strip().splitlines()[-1])
            await send(message)

        await app(scope, receive, noting_send if scope["type"] == "lifespan" else send)

    return noting


def _settle(worker: Worker) -> None:
    """Let the server's loop work off what already lies in its sockets.

    On loopback the bytes of a finished `send()` are in the receiver's socket, so a dozen turns of
    the loop are enough to count them. What is still under way on a `server.wire.Link` is not there
    yet.

    Raises `TimeoutError` if the loop does not turn for 5 s, and `OSError` if the process has had
    no file descriptor for that long to let a connection in.
    """
    deadline = time.monotonic() + SETTLE_TIMEOUT
    while True:
        try:
            worker.wait_for_turns(SETTLE_TURNS, SETTLE_TIMEOUT)
        except TimeoutError:
            raise TimeoutError("the server's event loop is blocked: its ledger is behind") from None
        if not worker.starved:
            return
        if time.monotonic() > deadline:
            raise too_few_descriptors()
        time.sleep(0.05)  # until asyncio tries again to let in who waits outside
