"""Run a check on an answer in this process and put what came of it into words.

`workbench.checking.child` does it for a learner's answer, `workbench.checking.proof` for the
exercises' own.
"""

import asyncio
import contextlib
import gc
import inspect
import itertools
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from types import CodeType, FrameType
from typing import Any

from server.ledger import Seen
from workbench.checking.blame import Own, meaning_of, name_of
from workbench.checking.record import Attempt, Exercise, NotAttempted, Wrong, expect
from workbench.checking.witness import Witness
from workbench.checking.words import not_attempted, report, wrong
from workbench.message import Report


class Run:
    """One run of an exercise's check on an answer, against a server of its own.

    `began` is set when the server serves, `ended` when what came of the check is known.
    """

    def __init__(self, exercise: Exercise, answer: Callable) -> None:
        self.began = threading.Event()
        self.ended = threading.Event()
        self._exercise = exercise
        self._answer = answer
        self._own = Own(answer, besides=exercise.check)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._attempt: Attempt | None = None

    def run(self, deliver: Callable[[Report], Any]) -> None:
        """Run the check and deliver its report, before anything is cleaned up."""
        with (
            _listening() as heard,
            self._exercise.serve() as server,
            Witness(self._own) as witness,
            _loop_that_notes(heard) as self._loop,
        ):
            witness.watch_tasks(self._loop)
            attempt = self._attempt = Attempt(
                self._answer, server, Seen(server.ledger), heard, witness
            )
            self.began.set()
            raised = None
            try:
                self._loop.run_until_complete(self._check(attempt, server))
            except BaseException as error:  # SystemExit and KeyboardInterrupt are the learner's
                raised = error
            self.ended.set()
            outcome, parts = self._verdict(raised, attempt)
            # The traceback holds the learner's variables, such as a coroutine that was never
            # awaited. Python warns of it when it is collected.
            raised = None
            gc.collect()
            notes = [] if outcome == "not attempted" else [*dict.fromkeys(heard)]
            deliver(report(self._exercise, outcome, parts, notes))

    async def _check(self, attempt: Attempt, server: Any) -> None:
        with server.ledger.watch() as attempt.seen:
            await self._exercise.check(attempt, server)
            expect(
                not attempt.blocked,
                "The event loop goes on while your code waits: other requests have their turn "
                "meanwhile.",
                happened=f"Your code stopped it: {next(iter(attempt.blocked), '')}",
            )

    def _verdict(self, raised: BaseException | None, attempt: Attempt) -> tuple[str, list[Any]]:
        """Return the outcome and the parts of its report."""
        exercise = self._exercise
        if raised is None:
            return "correct", [exercise.why]
        if isinstance(raised, Wrong):
            return "wrong", wrong(exercise, raised, raised.seen or attempt.seen, attempt.did)
        line = self._own.line_of(raised.__traceback__)
        if isinstance(raised, NotAttempted) or (isinstance(raised, NotImplementedError) and line):
            where = raised if isinstance(raised, NotAttempted) else line
            words = f"Something is still to be written: {where}."
            return "not attempted", not_attempted(exercise, words)
        where = (
            f"It came from {line}"
            if line is not None
            else f"It came up where the check used your `{exercise.starter.__name__}`."
        )
        parts = [name_of(raised), where, meaning_of(raised), attempt.seen.summary()]
        return "error", [*filter(None, parts)]

    def late(self, thread: threading.Thread) -> Report:
        """Return the report on a check that has not ended, called from another thread than its."""
        exercise = self._exercise
        kind = "class" if inspect.isclass(exercise.starter) else "function"
        parts = [f"Your {kind} did not finish within {exercise.limit:g} s, so it was stopped."]
        lines = itertools.chain(_running(thread), *map(_waiting, asyncio.all_tasks(self._loop)))
        own = (self._own.describe(*line) for line in lines if self._own.has(line[0]))
        parts += [f"It was at {line}" for line in itertools.islice(own, 1)]
        return report(exercise, "error", [*parts, self._attempt.seen.summary()], [])


def _running(thread: threading.Thread) -> Iterator[tuple[CodeType, int]]:
    """Yield the lines where a thread is, the innermost first."""
    frame: FrameType | None = sys._current_frames().get(thread.ident)
    while frame is not None:
        yield frame.f_code, frame.f_lineno
        frame = frame.f_back


def _waiting(task: asyncio.Task) -> list[tuple[CodeType, int]]:
    """Return the lines where a task waits, the innermost first: they are on no thread's stack."""
    lines = []
    coroutine: Any = task.get_coro()
    while (frame := getattr(coroutine, "cr_frame", None)) is not None:
        lines.append((frame.f_code, frame.f_lineno))
        coroutine = coroutine.cr_await
    return lines[::-1]


@contextlib.contextmanager
def _loop_that_notes(heard: list[str]) -> Iterator[asyncio.AbstractEventLoop]:
    """Give a new event loop; what asyncio would have logged is noted."""

    def note(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        exc = context.get("exception")
        heard.append(context["message"] + (f": {exc!r}" if exc is not None else ""))

    with asyncio.Runner() as runner:
        runner.get_loop().set_exception_handler(note)
        yield runner.get_loop()


@contextlib.contextmanager
def _listening() -> Iterator[list[str]]:
    """Collect what Python would print on stderr, with paths, about the learner's code.

    Of the warnings the RuntimeWarnings are kept, such as that about a coroutine that was never
    awaited; how exceptions in finalizers end is dropped.
    """
    heard: list[str] = []
    hook = sys.unraisablehook
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = lambda message, category, *place, **more: (
            heard.append(str(message)) if issubclass(category, RuntimeWarning) else None
        )
        sys.unraisablehook = lambda unraisable: None
        try:
            yield heard
        finally:
            sys.unraisablehook = hook
