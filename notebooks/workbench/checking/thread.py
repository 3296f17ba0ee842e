"""Run a coroutine function in a thread of its own, and end it when its time is up.

A learner's code may hang, loop for ever or swallow every exception. It gets a thread with its own
event loop, so that none of this reaches the kernel's.
"""

import asyncio
import contextlib
import ctypes
import gc
import itertools
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from types import CodeType, FrameType
from typing import Any

CANCELLING = 0.5  # seconds that a cancelled coroutine has to end by itself
STOPPING = 5.0  # seconds after which a thread that cannot be stopped is given up
BURST = 20  # so many attempts to stop a thread come quickly one after the other
BREATH = 0.2  # seconds of the pause that follows, in which the thread's event loop gets a turn
CLEANING = 1.0  # seconds that what a coroutine left behind has to end
CLOSINGS = 100  # how often closing what was left is begun again after an exception
SPARING = 3.0  # seconds that cleaning up has, before it is stopped, too


class Worker:
    """Runs `await function()` in a thread called `name`.

    `mine` tells of a frame whether it runs the learner's code.

    After `run()`: `finished` says whether it ended by itself within the limit, `result` and
    `raised` what came of it, `stopped` whether all its threads are gone, `standing` the code and
    lines where it was when its time was up, the innermost first. `asides` are the words that
    asyncio would have logged, such as those about a task whose exception nobody looked at.
    """

    def __init__(
        self,
        function: Callable[[], Coroutine[Any, Any, Any]],
        name: str,
        mine: Callable[[FrameType], bool],
    ) -> None:
        self.result: Any = None
        self.raised: BaseException | None = None
        self.finished = False
        self.stopped = False
        self.standing: list[tuple[CodeType, int]] = []
        self.asides: list[str] = []
        self._function = function
        self._mine = mine
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task | None = None
        self._transports: weakref.WeakSet[asyncio.BaseTransport] = weakref.WeakSet()
        self._left: list[Coroutine] = []
        self._helpers = f"{name}-helper"
        self._stopping = False
        self._struck = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._live, name=name, daemon=True)
        self._cleaner = threading.Thread(target=self._clean_up, name=name, daemon=True)

    def run(self, limit: float) -> None:
        """Run for `limit` seconds at most, then stop the thread. Returns when all of it is gone.

        A call that blocks in C, such as `time.sleep(3600)`, cannot be interrupted by Python. Its
        thread is given up after some seconds: it ends once the call returns.

        An interrupt (KeyboardInterrupt) stops the thread, too, and is raised again.
        """
        try:
            self._thread.start()  # an interrupt can come here, too: the thread may run already
            self.finished = self._ends_within(self._thread, limit)
        finally:
            if self._thread.ident is not None:
                self._end()

    # In the caller's thread

    def _end(self) -> None:
        """Stop the thread if it still runs, and have a fresh one clean up."""
        if not self.finished:
            self.standing = self._stands()
            self._wake()
        ended = self._ends_within(self._thread, CANCELLING) or self._stop(self._thread)
        self._over.clear()
        self._cleaner.start()
        if ended and (self._ends_within(self._cleaner, SPARING) or self._stop(self._cleaner)):
            self.stopped = self._gone_within(CLEANING)
        if self._stopping:
            # What was struck down half-made, a socket without a transport for one, is still
            # referred to by the traceback. Nobody is to be warned of that.
            self.raised = None
            with warnings.catch_warnings(action="ignore", category=ResourceWarning):
                gc.collect()
        # A cleaner that was stopped has left the loop to us.
        if self.stopped and self._loop is not None:
            self._loop.close()
            self._task = None  # it keeps the learner's variables, by its exception's traceback

    def _ends_within(self, thread: threading.Thread, seconds: float) -> bool:
        """Whether a thread ends in time.

        In short waits: on Windows an interrupt does not reach the main thread while it waits. Not
        by `join` or `is_alive`: one that is interrupted takes the thread for ended (Python 3.11
        and 3.12). And not by the event alone, which a thread that was stopped may not have set.
        """
        deadline = time.monotonic() + seconds
        while thread.ident in sys._current_frames():
            if (left := deadline - time.monotonic()) <= 0:
                return False
            if self._over.wait(min(left, 0.05)):
                time.sleep(0.0001)  # it has said so with its last step, and is all but gone
        return True

    def _gone_within(self, seconds: float) -> bool:
        """Whether also the threads of `asyncio.to_thread` end in time."""
        deadline = time.monotonic() + seconds
        while self._helping() and time.monotonic() < deadline:
            time.sleep(0.01)
        return not self._helping()

    def _helping(self) -> bool:
        return any(thread.name.startswith(self._helpers) for thread in threading.enumerate())

    def _stands(self) -> list[tuple[CodeType, int]]:
        """Where the thread is: code and line, the innermost first."""
        running = []
        frame = sys._current_frames().get(self._thread.ident)
        while frame is not None:
            running.append((frame.f_code, frame.f_lineno))
            frame = frame.f_back
        # A coroutine that waits is not on the thread's stack.
        waiting = []
        awaited = self._task.get_coro() if self._task is not None else None
        while (frame := getattr(awaited, "cr_frame", None)) is not None:
            waiting.append((frame.f_code, frame.f_lineno))
            awaited = awaited.cr_await
        return running + waiting[::-1]

    def _stop(self, thread: threading.Thread) -> bool:
        """End a thread by an exception raised inside it, again and again; say whether it ended."""
        self._stopping = True
        deadline = time.monotonic() + STOPPING
        pauses = itertools.cycle([0.001] * BURST + [BREATH])
        while not self._ends_within(thread, next(pauses)) and time.monotonic() < deadline:
            if self._may_be_struck(thread):
                _raise_in(thread, SystemExit)
            self._wake()
        return self._ends_within(thread, 0)

    def _may_be_struck(self, thread: threading.Thread) -> bool:
        """Whether a thread stands in the learner's code, or in what the learner's code called.

        Not in the trace function, which Python takes away when it raises, and not in a function of
        ours or of the event loop's that has yet to tidy up. The thread cannot move on before the
        exception is sent: it waits for the interpreter's lock, which this one has just got.
        """
        stack = []
        frame = sys._current_frames().get(thread.ident)
        while frame is not None:
            stack.append(frame.f_code)
            frame = frame.f_back
        return (
            not SPARED.isdisjoint(stack[1:])
            and SPARED.isdisjoint(stack[:1])
            and Worker._trace.__code__ not in stack
        )

    def _wake(self) -> None:
        loop, task = self._loop, self._task
        if loop is not None and task is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended in the meantime
                loop.call_soon_threadsafe(self._cancel, task)

    # In the thread

    def _cancel(self, task: asyncio.Task) -> None:
        # Should an exception have struck in the trace function after all, here it comes back, for
        # the learner's coroutine that goes on next.
        self._trace_learners_code()
        task.cancel()

    def _trace_learners_code(self) -> None:
        if sys.gettrace() in (None, self._trace):  # a debugger's is left alone
            sys.settrace(self._trace)

    def _trace(self, frame: FrameType, event: str, arg: Any) -> Callable | None:
        """Raise SystemExit once more where the learner's code has swallowed it.

        What strikes inside a `try` is swallowed by a bare `except`; raised on a line of that
        `except` itself, it comes out. (After an exception Python takes a trace function away.)
        """
        if event == "call":
            return self._trace if self._mine(frame) else None
        if event == "exception" and self._stopping and issubclass(arg[0], SystemExit):
            self._struck = True
        elif event == "line" and self._struck:
            self._struck = False
            raise SystemExit
        return self._trace

    def _live(self) -> None:
        try:
            self._trace_learners_code()
            # Not a Runner: closing one waits for ever for tasks that swallow their cancellation.
            self._loop = loop = asyncio.new_event_loop()
            loop.set_exception_handler(self._note)
            loop.set_default_executor(ThreadPoolExecutor(thread_name_prefix=self._helpers))
            self._watch_connections(loop)
            self._task = loop.create_task(self._function())
            self.result = loop.run_until_complete(self._task)
        except BaseException as exc:  # SystemExit included: it is the learner's, or ours
            self.raised = exc
        finally:
            self._over.set()

    def _clean_up(self) -> None:
        self._thread.join()  # one that was given up ends at last when its call returns
        try:
            self._leave()
            for _ in range(CLOSINGS):
                try:
                    self._trace_learners_code()
                    self._close_left()
                    break
                except BaseException:  # the SystemExit that ended one; the next has its turn
                    continue
        finally:
            self._over.set()

    def _leave(self) -> None:
        loop = self._loop
        if loop is None:
            return
        self._trace_learners_code()
        try:
            loop.run_until_complete(self._clean())
        except BaseException as exc:  # a learner's task that answers its cancellation this way
            self.asides.append(f"while it was being cleaned up: {exc!r}")
        finally:
            loop.close()

    def _close_left(self) -> None:
        """Close the coroutines that swallowed their cancellation; others have ended already.

        Python closes a coroutine that nobody refers to any more, in whatever thread that is, and
        one with a bare `except` in a loop may then go round for ever, now that it cannot wait.
        Here it can still be stopped.
        """
        for coroutine in self._left:
            coroutine.close()

    def _watch_connections(self, loop: asyncio.AbstractEventLoop) -> None:
        """Remember each connection, so that one which the learner's code forgot can be closed."""
        create_connection = loop.create_connection

        async def remembering(*args, **kwargs):
            transport, protocol = await create_connection(*args, **kwargs)
            self._transports.add(transport)
            return transport, protocol

        loop.create_connection = remembering

    async def _clean(self) -> None:
        """End what the learner's code left behind on the loop: tasks, generators, connections."""
        loop = asyncio.get_running_loop()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        self._left = [task.get_coro() for task in left]
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=CLEANING)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLEANING):
                await loop.shutdown_asyncgens()
        for transport in list(self._transports):
            transport.abort()
        for _ in range(3):  # the transports close their sockets in the loop's next turn
            await asyncio.sleep(0)

    def _note(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        exc = context.get("exception")
        self.asides.append(context["message"] + (f": {exc!r}" if exc is not None else ""))


# What runs the learner's code, and tidies up when that ends.
SPARED = frozenset(
    function.__code__
    for function in (
        Worker._live,
        Worker._leave,
        Worker._close_left,
        asyncio.BaseEventLoop.run_until_complete,
        asyncio.BaseEventLoop.run_forever,
    )
)


def _raise_in(thread: threading.Thread, exception: type[BaseException]) -> None:
    """Have `exception` raised in a thread at its next step."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread.ident), ctypes.py_object(exception)
    )
