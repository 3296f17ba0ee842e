"""One coroutine in a daemon thread, on an event loop of its own.

A thread of the kernel's process is the steadiest place for a notebook's server: an interrupt of
the kernel does not reach it, a restart or a kill of the kernel ends it, and the kernel's own event
loop stays free.
"""

import asyncio
import contextlib
import errno
import threading
import time
import weakref
from collections.abc import Callable, Coroutine
from typing import Any, Self

HOST = "127.0.0.1"
START_TIMEOUT = 10.0
STOP_TIMEOUT = 10.0
# From accept() to the protocol's `connection_made` it takes so many turns of the event loop.
ACCEPT_TURNS = 3


# So long asyncio leaves a listener alone that found no file descriptor, and a little more
# (`ACCEPT_RETRY_DELAY` in asyncio/constants.py is 1 s).
DESCRIPTORS_PATIENCE = 1.2


async def turns(count: int) -> None:
    """Let the running event loop go round `count` times, so that what is ready takes its turn."""
    for _ in range(count):
        await asyncio.sleep(0)


class Worker:
    """The thread's half. It holds no reference to its `Background`, so that one can be dropped.

    `main` puts the port that it listens on into `port` and then sets `ready`.
    """

    def __init__(self, name: str, main: Callable[["Worker"], Coroutine[Any, Any, None]]) -> None:
        self.port: int | None = None
        self.ready = threading.Event()
        self.stop_requested: asyncio.Event | None = None
        self.failure: BaseException | None = None
        self._main = main
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop_early = threading.Event()
        self._ended = threading.Event()
        self._starved_until = 0.0
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def serving(self) -> bool:
        """Whether `main` is ready, runs, and was not asked to stop."""
        return self.ready.is_set() and not self._ended.is_set() and not self._stop_early.is_set()

    def _run(self) -> None:
        try:
            # A Runner, and not `asyncio.run`, which nest_asyncio replaces for all threads. The
            # selector loop on every system: on Windows the other one sends a FIN before each RST.
            with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
                runner.run(self._supervised())
        except BaseException as exc:
            self.failure = exc
        finally:
            self._loop = None
            self.ready.set()
            self._ended.set()

    async def _supervised(self) -> None:
        self.stop_requested = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(self._on_loop_error)
        if not self._stop_early.is_set():
            await self._main(self)

    def _on_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        # asyncio reports this as often as it tries to accept, a hundred times each second.
        if _is_descriptor_shortage(context.get("exception")):
            self._starved_until = time.monotonic() + DESCRIPTORS_PATIENCE
        else:
            loop.default_exception_handler(context)

    @property
    def starved(self) -> bool:
        """Whether the process has had no file descriptor for a connection that asks to come in."""
        return time.monotonic() < self._starved_until

    def wait_for_turns(self, count: int, timeout: float) -> None:
        """Block the calling thread until the loop has gone round `count` times, or has ended.

        Does nothing in the worker's own thread, which cannot wait for itself.

        Raises `TimeoutError` after `timeout` seconds.
        """
        loop = self._loop
        if loop is None or self.thread is threading.current_thread():
            return
        done = threading.Event()

        def turn(left: int) -> None:
            if left:
                loop.call_soon(turn, left - 1)
            else:
                done.set()

        deadline = time.monotonic() + timeout
        try:
            loop.call_soon_threadsafe(turn, count)
        except RuntimeError:  # the loop was closed in the meantime
            return
        # In slices, since a loop that ends now will not call back.
        while not done.wait(0.05) and self._loop is not None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the event loop of {self.thread.name} is blocked")

    def call(self, function: Callable[[], Any], timeout: float) -> Any:
        """Call a plain function in the worker's thread; return what it returns, None at its end.

        Raises as `wait_for_turns` does.
        """
        results: list[Any] = []
        loop = self._loop
        with contextlib.suppress(RuntimeError):  # the loop was closed in the meantime
            if loop is not None:
                loop.call_soon_threadsafe(lambda: results.append(function()))
        self.wait_for_turns(1, timeout)
        return results[0] if results else None

    def wait_for_end(self, timeout: float) -> bool:
        """Block the calling thread until the worker's has ended, and return whether it has."""
        # An interrupt of `Thread.join` marks a thread as ended that is not (Python 3.11).
        if self.thread.ident is not None and self._ended.wait(timeout):
            self.thread.join()
        return not self.thread.is_alive()

    def request_stop(self) -> None:
        """Ask the coroutine to end. Safe from every thread and from a finalizer."""
        self._stop_early.set()
        loop, event = self._loop, self.stop_requested
        if loop is not None and event is not None:
            with contextlib.suppress(RuntimeError):  # the loop may have ended in the meantime
                loop.call_soon_threadsafe(event.set)


class Background:
    """Runs `main(worker)`, which serves a loopback port, in a thread until `stop()`.

    What `LocalServer` and `Link` have in common: each passes its own `main` to `__init__`.

    `main` calls `worker.ready.set()` when it serves and ends soon after `worker.stop_requested`
    is set. Dropping the last reference stops the thread, too: a notebook cell that is run again
    leaves nothing behind. For that, `main` must hold no reference to this object.
    """

    def __init__(
        self, what: str, name: str, main: Callable[[Worker], Coroutine[Any, Any, None]]
    ) -> None:
        """`what` it is in the messages ("server", "link"); `name` is the thread's."""
        self._what = what
        self._name = name
        self._main = main
        self._worker: Worker | None = None
        self._finalizer: weakref.finalize | None = None
        self._lock = threading.Lock()

    @property
    def _serving(self) -> Worker | None:
        worker = self._worker
        return worker if worker is not None and worker.serving else None

    @property
    def running(self) -> bool:
        """Whether it serves."""
        return self._serving is not None

    @property
    def port(self) -> int:
        """The port it listens on. Raises `RuntimeError` while it does not run."""
        worker = self._serving
        if worker is None:
            raise RuntimeError(
                f"the {self._what} is not running, so it has no address: call start()"
            )
        return worker.port

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`, without a slash at the end. Raises as `port` does."""
        return f"http://{HOST}:{self.port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the thread and wait until it serves. Does nothing if it does already.

        Raises what `main` raised before it was ready, `RuntimeError` if it is not ready within
        10 s, and `OSError` with a sentence about it if the process has too few file descriptors.
        """
        with self._lock:
            if self.running:
                return
            self._end()  # of an earlier thread, whose start or stop was interrupted
            worker = self._worker = Worker(self._name, self._main)
            self._finalizer = weakref.finalize(self, worker.request_stop)
            # At the interpreter's exit the daemon thread ends with the process.
            self._finalizer.atexit = False
            try:
                worker.thread.start()
                if not worker.ready.wait(START_TIMEOUT):
                    raise RuntimeError(f"{self._name} did not start within {START_TIMEOUT:g} s")
                if _is_descriptor_shortage(worker.failure):
                    raise too_few_descriptors() from worker.failure
                if worker.failure is not None:
                    raise worker.failure
            except BaseException:  # an interrupt while waiting must not leave a thread behind
                worker.request_stop()
                raise

    def stop(self) -> None:
        """Stop the thread and wait until it has ended. Does nothing if it has already.

        Raises `TimeoutError` if the thread does not end within 10 s.
        """
        with self._lock:
            self._end()

    def _end(self) -> None:
        worker = self._worker
        if worker is None:
            return
        worker.request_stop()
        if not worker.wait_for_end(STOP_TIMEOUT):
            raise TimeoutError(f"{self._name} did not stop within {STOP_TIMEOUT:g} s")
        if self._finalizer is not None:
            self._finalizer.detach()
        self._worker = None


def too_few_descriptors() -> OSError:
    """Return the error that says it: EMFILE, with the limit of this process."""
    limit = f" It may have {_descriptor_limit()}" if _descriptor_limit() else ""
    return OSError(
        errno.EMFILE,
        "this process has no file descriptor left for another connection."
        f"{limit}; `ulimit -n 1024`, before it is started, allows more",
    )


def _descriptor_limit() -> int:
    """Return how many descriptors this process may open; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def _is_descriptor_shortage(exc: BaseException | None) -> bool:
    return isinstance(exc, OSError) and exc.errno in (errno.EMFILE, errno.ENFILE)


async def stop_listening(listener: asyncio.Server) -> None:
    """Close a listener once each connection that it has accepted is one.

    `Server.close()` alone would leak the socket of a connection that was accepted in the same turn
    of the loop: its transport refuses to be made for a closed server.
    """
    loop = asyncio.get_running_loop()
    for sock in listener.sockets:
        loop.remove_reader(sock.fileno())
    await turns(ACCEPT_TURNS)
    listener.close()
