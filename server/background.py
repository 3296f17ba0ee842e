"""One coroutine in a daemon thread, on an event loop of its own.

A thread of the kernel's process is the steadiest place for a notebook's server: an interrupt of
the kernel does not reach it, a restart or a kill of the kernel ends it, and the kernel's own event
loop stays free.
"""

import asyncio
import threading
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

START_TIMEOUT = 10.0
STOP_TIMEOUT = 10.0


class Worker:
    """The thread's half. It holds no reference to its `Background`, so that one can be dropped."""

    def __init__(self, name: str, main: Callable[["Worker"], Coroutine[Any, Any, None]]) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self.ready = threading.Event()
        self.failure: BaseException | None = None
        self.stop_requested: asyncio.Event | None = None
        self._main = main
        self._stop_early = threading.Event()
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)

    def _run(self) -> None:
        try:
            # A Runner, and not `asyncio.run`, which nest_asyncio replaces for all threads.
            with asyncio.Runner() as runner:
                runner.run(self._supervised())
        except BaseException as exc:  # SystemExit included: uvicorn leaves that way
            self.failure = exc
        finally:
            self.loop = None
            self.ready.set()

    async def _supervised(self) -> None:
        self.stop_requested = asyncio.Event()
        self.loop = asyncio.get_running_loop()
        if not self._stop_early.is_set():
            await self._main(self)

    def call(self, function: Callable[[], Coroutine[Any, Any, Any]], timeout: float) -> Any:
        """Await `function()` on the thread's loop, from another thread, and return its result.

        Raises `TimeoutError` after `timeout` seconds, and `RuntimeError` if the loop is not running
        or if the calling thread is the worker's own.
        """
        loop = self.loop
        if loop is None:
            raise RuntimeError(f"{self.thread.name} is not running")
        if self.thread is threading.current_thread():
            raise RuntimeError(f"{self.thread.name} cannot wait for itself")
        coroutine = function()
        try:
            future = asyncio.run_coroutine_threadsafe(coroutine, loop)
        except RuntimeError:  # the loop was closed in the meantime
            coroutine.close()
            raise
        return future.result(timeout)

    def request_stop(self) -> None:
        """Ask the coroutine to end. Safe from every thread and from a finalizer."""
        self._stop_early.set()
        loop, event = self.loop, self.stop_requested
        if loop is not None and event is not None:
            try:
                loop.call_soon_threadsafe(event.set)
            except RuntimeError:  # the loop has ended by itself in the meantime
                pass


class Background:
    """Runs `main(worker)` in a thread until `stop()`.

    `main` calls `worker.ready.set()` when it serves and ends soon after `worker.stop_requested`
    is set. Dropping the last reference stops the thread, too: a notebook cell that is run again
    leaves nothing behind.
    """

    def __init__(self, name: str, main: Callable[[Worker], Coroutine[Any, Any, None]]) -> None:
        self._name = name
        self._main = main
        self._worker: Worker | None = None
        self._finalizer: weakref.finalize | None = None
        self._lock = threading.Lock()

    @property
    def worker(self) -> Worker | None:
        """The thread that serves now, if any."""
        return self._worker if self.running else None

    @property
    def running(self) -> bool:
        """Whether the thread serves."""
        worker = self._worker
        return worker is not None and worker.thread.is_alive() and worker.ready.is_set()

    def start(self) -> None:
        """Start the thread and wait until it serves. Does nothing if it does already.

        Raises `RuntimeError`, with the cause attached, if `main` failed before it was ready.
        """
        with self._lock:
            if self.running:
                return
            worker = Worker(self._name, self._main)
            self._worker = worker
            self._finalizer = weakref.finalize(self, worker.request_stop)
            # At the interpreter's exit the daemon thread ends with the process.
            self._finalizer.atexit = False
            try:
                worker.thread.start()
                in_time = worker.ready.wait(START_TIMEOUT)
            except BaseException:  # an interrupt while waiting must not leave a thread behind
                worker.request_stop()
                raise
            if worker.failure is not None or not worker.thread.is_alive() or not in_time:
                worker.request_stop()
                self._worker = None
                raise RuntimeError(f"{self._name} did not start") from worker.failure

    def stop(self) -> None:
        """Stop the thread and wait until it has ended. Does nothing if it has already.

        Raises `TimeoutError` if the thread does not end within 10 s.
        """
        with self._lock:
            worker = self._worker
            if worker is None:
                return
            worker.request_stop()
            worker.thread.join(STOP_TIMEOUT)
            if worker.thread.is_alive():
                raise TimeoutError(f"{self._name} did not stop within {STOP_TIMEOUT:g} s")
            if self._finalizer is not None:
                self._finalizer.detach()
            self._worker = None
