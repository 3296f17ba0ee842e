"""Run a check on a learner's answer and put what came of it into words."""

import ast
import asyncio
import contextlib
import gc
import inspect
import itertools
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from server.ledger import Seen
from workbench.checking.blame import Own, codes_of, meaning_of, name_of
from workbench.checking.record import (
    Attempt,
    Exercise,
    NotAttempted,
    Wrong,
    expect,
    is_coroutine_function,
)
from workbench.checking.thread import Worker
from workbench.checking.witness import Witness
from workbench.message import Lines, Report

_numbers = itertools.count(1)


def run_check(exercise: Exercise, answer: Callable) -> Report:
    """Run the exercise's check on an answer, against a server of its own.

    Raises `TypeError` for something that is no function and no class, `KeyboardInterrupt` when it
    is interrupted.
    """
    _require_function(exercise, answer)
    if _same_code(answer, exercise.starter):
        return _not_attempted(exercise, "It is still as it was given.")
    if problem := _unusable(exercise, answer):
        return _wrong(exercise, problem, None, [])
    own = Own(answer, besides=exercise.check)
    with _listening() as heard, exercise.serve() as server, Witness(own) as witness:
        seen = Seen(server.ledger)
        attempts: list[Attempt] = []

        async def run_check() -> None:
            with server.ledger.watch() as watched:
                nonlocal seen
                seen = watched
                attempt = Attempt(answer, server, watched, heard, witness)
                attempts.append(attempt)
                witness.watch_tasks(asyncio.get_running_loop())
                await exercise.check(attempt, server)
                expect(
                    not witness.blocked,
                    "The event loop goes on while your code waits: other requests have their "
                    "turn meanwhile.",
                    happened=f"Your code stopped it: {next(iter(witness.blocked), '')}",
                )

        worker = Worker(run_check, f"exercise-{exercise.id}-{next(_numbers)}", mine=own.runs)
        worker.run(exercise.limit)
        verdict = _verdict(exercise, own, worker, seen, attempts[0].did if attempts else "")
        # The traceback holds the learner's variables, such as a coroutine that was never awaited.
        worker.raised = None
        gc.collect()
    return verdict([*dict.fromkeys(heard), *worker.asides])


def _verdict(
    exercise: Exercise, own: Own, worker: Worker, seen: Seen, did: str
) -> Callable[[list[str]], Report]:
    """Return what makes the report once it is known what Python warned of."""
    raised = worker.raised
    if not worker.finished or not worker.stopped:
        return _late(exercise, own, worker, seen)
    if raised is None:
        return lambda notes: _report(exercise, "correct", [exercise.why], notes)
    if isinstance(raised, Wrong):
        return lambda notes: _wrong(exercise, raised, raised.seen or seen, notes, did)
    line = own.line_of(raised.__traceback__)
    if isinstance(raised, NotAttempted):
        words = f"Something is still to be written: {raised}."
        return lambda notes: _not_attempted(exercise, words)
    if isinstance(raised, NotImplementedError) and line is not None:
        words = f"Something is still to be written: {line}."
        return lambda notes: _not_attempted(exercise, words)
    return _failed(exercise, raised, line, seen)


def _failed(
    exercise: Exercise, raised: BaseException, line: str | None, seen: Seen
) -> Callable[[list[str]], Report]:
    parts = [name_of(raised)]
    if line is not None:
        parts.append(f"It came from {line}")
    else:
        parts.append(f"It came up where the check used your `{exercise.starter.__name__}`.")
    if meaning := meaning_of(raised):
        parts.append(meaning)
    parts.append(seen.summary())
    return lambda notes: _report(exercise, "error", parts, notes)


def _late(
    exercise: Exercise, own: Own, worker: Worker, seen: Seen
) -> Callable[[list[str]], Report]:
    kind = "class" if inspect.isclass(exercise.starter) else "function"
    line = next((own.describe(*stand) for stand in worker.standing if own.has(stand[0])), None)
    if worker.finished:
        words = f"Your {kind} left a thread running"
    else:
        words = f"Your {kind} did not finish within {exercise.limit:g} s"
    if worker.stopped:
        parts = [f"{words}, so it was stopped."]
    else:
        parts = [
            f"{words}, and it could not be stopped: Python cannot interrupt a call that blocks its "
            "thread. It goes on until that call returns; restarting the kernel ends it. "
            "(`await asyncio.sleep(...)` waits without blocking; `time.sleep(...)` blocks.)"
        ]
    if line is not None:
        parts.append(f"It was at {line}")
    parts.append(seen.summary())
    return lambda notes: _report(exercise, "error", parts, notes)


def _wrong(
    exercise: Exercise, wrong: Wrong, seen: Seen | None, notes: list[str], did: str = ""
) -> Report:
    parts: list[Any] = [f"Expected: {wrong.expected}", f"What happened: {wrong.happened}"]
    silent = seen is not None and not seen.requests and is_coroutine_function(exercise.starter)
    if silent and did and "No request was made" not in wrong.happened:
        # First what was seen: the check's own words may take a request for granted.
        parts.insert(0, f"No request was made; {did}.")
    if seen is None:
        parts.append("So it was not run, and the server saw nothing.")
    else:
        parts.append(Lines(seen.table()))
    return _report(exercise, "wrong", parts, notes)


def _not_attempted(exercise: Exercise, words: str) -> Report:
    name = exercise.starter.__name__
    advice = f"Write your answer into `{name}` and run the cell again."
    return _report(exercise, "not attempted", [f"{words} {advice}"], [])


def _report(exercise: Exercise, outcome: str, parts: list[Any], notes: list[str]) -> Report:
    parts = [*parts, *(f"Python noted: {note}" for note in notes)]
    if outcome != "correct":
        parts.append(f'`hint("{exercise.id}")` gives a hint.')
    return Report(f"Exercise {exercise.id}: {outcome}", parts, outcome=outcome)


def _require_function(exercise: Exercise, answer: Any) -> None:
    name = exercise.starter.__name__
    usage = f'check("{exercise.id}", {name})'
    if inspect.iscoroutine(answer):
        answer.close()
        raise TypeError(f"check takes the function itself, without calling it: {usage}")
    if not callable(answer):
        raise TypeError(f"check takes a function: {usage}; got a {type(answer).__name__}")


def _unusable(exercise: Exercise, answer: Callable) -> Wrong | None:
    """Return why an answer cannot be run at all, if that is so."""
    starter = exercise.starter
    name = starter.__name__
    if inspect.isclass(starter) and not inspect.isclass(answer):
        made_by = "made by `async def`" if is_coroutine_function(answer) else "made by `def`"
        return Wrong(f"A class, `class {name}: ...`.", happened=f"It is a function, {made_by}.")
    if not is_coroutine_function(starter) and is_coroutine_function(answer):
        return Wrong(
            f"A plain function, `def {name}(...)`.",
            happened="It is made by `async def`: whoever calls it gets a coroutine, and nothing "
            "in it runs until somebody awaits that.",
        )
    if is_coroutine_function(starter) and not is_coroutine_function(answer):
        if inspect.isasyncgenfunction(answer):
            happened = "It has a `yield` in it, which makes it an async generator."
        elif inspect.isclass(answer):
            happened = "It is a class."
        else:
            happened = "It is a plain function, made by `def` without `async`: it cannot `await`."
        return Wrong(f"A coroutine function, `async def {name}(...)`.", happened=happened)
    wanted = inspect.signature(starter)
    try:
        has = inspect.signature(answer)
        for args, kwargs in _calls(wanted):
            has.bind(*args, **kwargs)
    except TypeError as exc:
        return Wrong(
            f"One that is called as `{name}{_names_only(wanted)}`.",
            happened=f"Yours is called as `{name}{_names_only(has)}`: {exc}.",
        )
    return None


def _calls(signature: inspect.Signature) -> Iterator[tuple[list[None], dict[str, None]]]:
    """Yield the arguments of the calls that a signature invites: with all, and with the least."""
    for least in (False, True):
        parameters = [
            parameter
            for parameter in signature.parameters.values()
            if not (least and parameter.default is not parameter.empty)
        ]
        positional = [None for parameter in parameters if parameter.kind < parameter.KEYWORD_ONLY]
        by_name = [
            parameter for parameter in parameters if parameter.kind == parameter.KEYWORD_ONLY
        ]
        yield positional, {parameter.name: None for parameter in by_name}


def _names_only(signature: inspect.Signature) -> str:
    parameters = [
        parameter.replace(annotation=parameter.empty) for parameter in signature.parameters.values()
    ]
    return str(inspect.Signature(parameters))


def _same_code(answer: Callable, starter: Callable) -> bool:
    """Whether an answer is still the starter, comments and docstrings aside."""
    try:
        return _essence(answer) == _essence(starter)
    except (OSError, SyntaxError):  # code without a source, or a lambda inside a longer line
        return False


def _essence(answer: Callable) -> list[Any]:
    """Return the syntax trees of a function, or of a class's methods, without their docstrings.

    The trees and not the compiled code: Python compiles `httpx.AsyncClient()` otherwise in a cell
    that does not itself import httpx.
    """
    essence = []
    for code in codes_of(answer):
        tree = ast.parse(textwrap.dedent(inspect.getsource(code)))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node):
                del node.body[0]
        essence.append(ast.dump(tree))
    return essence


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
