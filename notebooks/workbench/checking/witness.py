"""See what neither an answer's result nor the server's ledger shows.

What stopped the event loop, the tasks that the answer started, the event loops that it made.
`run_check` enters a `Witness` around a check; the check asks it through its `Attempt`.
"""

import asyncio
import concurrent.futures
import contextlib
import functools
import sys
import threading
import time
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Any
from unittest import mock

from workbench.checking.blame import Own

_now: "Witness | None" = None  # the one that is entered; checks run one at a time in a process


class Witness:
    """Notes what the learner's code does while its block runs. `own` tells which code that is.

    blocked: what stopped a running event loop, in words: "`time.sleep(2)`, line 3 of your
    function: `...`". No clock is read, so a busy machine changes nothing: noted are calls that
    block their thread, made in the thread of a running loop. These are `time.sleep`, connecting a
    blocking socket (which every synchronous client does), waiting for a `concurrent.futures`
    result that is not there yet, and `Thread.join`.
    """

    def __init__(self, own: Own) -> None:
        self.blocked: list[str] = []
        self._own = own
        self._tasks: weakref.WeakSet[asyncio.Task] = weakref.WeakSet()
        self._loops: list[asyncio.AbstractEventLoop] = []
        self._below: FrameType | None = None
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> "Witness":
        global _now
        listen()
        _now = self
        self._below = sys._getframe(1)  # who runs the check: what stands below is not the learner's
        self._stack.callback(_forget)
        self._around(asyncio.BaseEventLoop, "__init__", lambda loop: self._loops.append(loop))
        self._around(concurrent.futures.Future, "result", self._note_result)
        self._around(threading.Thread, "join", lambda _: self.note_blocking("Thread.join()"))
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()
        self._below = None
        for loop in self._loops:
            if not loop.is_running():
                loop.close()

    def watch_tasks(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have the loop note from now on which tasks the learner's code starts."""

        def factory(loop, coroutine, **kwargs):
            task = asyncio.Task(coroutine, loop=loop, **kwargs)
            if self._line() is not None:
                self._tasks.add(task)
            return task

        loop.set_task_factory(factory)

    @property
    def pending(self) -> list[str]:
        """The tasks that the learner's code has started and that have not ended, by name."""
        return sorted(
            getattr(task.get_coro(), "__qualname__", task.get_name())
            for task in self._tasks
            if not task.done()
        )

    @property
    def open_loops(self) -> list[asyncio.AbstractEventLoop]:
        """The event loops that the learner's code has made, and that nobody has closed."""
        return [loop for loop in self._loops if not loop.is_closed()]

    def note_blocking(self, call: str) -> None:
        """Note a call of the learner's code that blocks its thread, if a loop runs in that."""
        if asyncio._get_running_loop() is not None and (line := self._line()) is not None:
            self.blocked.append(f"`{call}`, {line}")

    def _note_result(self, future: concurrent.futures.Future) -> None:
        if not future.done():
            self.note_blocking("Future.result()")

    def _line(self) -> str | None:
        """The learner's innermost line on this thread's stack, in words; None without one."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame is not self._below:
            if self._own.has(frame.f_code):
                return self._own.describe(frame.f_code, frame.f_lineno)
            frame = frame.f_back
        return None

    def _around(self, owner: Any, name: str, note: Callable[[Any], None]) -> None:
        """Call `note` with the first argument whenever the learner's code comes here."""
        original = getattr(owner, name)

        @functools.wraps(original)
        def noting(first, *args, **kwargs):
            if self._line() is not None:
                note(first)
            return original(first, *args, **kwargs)

        self._stack.enter_context(mock.patch.object(owner, name, noting))


def _forget() -> None:
    global _now
    _now = None


def _hear(event: str, args: tuple[Any, ...]) -> None:
    if _now is not None and event == "socket.connect" and args[0].gettimeout() != 0:
        _now.note_blocking("socket.connect()")


_hooked = False
_sleep = time.sleep


def listen() -> None:
    """Have Python tell of `time.sleep` and of sockets that connect, from now on and for ever.

    Done once in a process, and before an answer is loaded that may have taken `sleep` by name. (A
    socket's class cannot be patched; its connecting is an audit event. A sleep is one since 3.13.)
    """
    global _hooked
    if not _hooked:
        _hooked = True
        sys.addaudithook(_hear)
        time.sleep = _noted_sleep


@functools.wraps(time.sleep)
def _noted_sleep(seconds: float) -> None:
    if _now is not None:
        _now.note_blocking(f"time.sleep({seconds})")
    _sleep(seconds)
