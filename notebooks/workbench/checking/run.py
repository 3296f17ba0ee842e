"""Check a learner's answer: what needs no run is said at once, the rest by a process of its own."""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

from workbench.checking.blame import codes_of
from workbench.checking.pack import Unpackable
from workbench.checking.process import NoReport, report_of
from workbench.checking.record import Exercise, Wrong, is_coroutine_function
from workbench.checking.words import not_attempted, report, wrong
from workbench.message import Report


def run_check(
    exercise: Exercise,
    answer: Any,
    run: Callable[[Exercise, Callable], Report] = report_of,
) -> Report:
    """Run the exercise's check on an answer, against a server of its own.

    run: how an answer is run that can be. Raises `KeyboardInterrupt` when it is interrupted.
    """
    if problem := _no_function(exercise, answer):
        return report(exercise, "not attempted", [problem])
    if _same_code(answer, exercise.starter):
        words = "It is still as it was given."
        return report(exercise, "not attempted", not_attempted(exercise, words))
    if problem := _unusable(exercise, answer):
        return report(exercise, "wrong", wrong(exercise, problem, None))
    try:
        return run(exercise, answer)
    except (NoReport, Unpackable) as problem:
        return report(exercise, "error", [str(problem)])


def _no_function(exercise: Exercise, answer: Any) -> str | None:
    """Return what is wrong with what was given to `check` where that is no answer at all."""
    usage = f"`check` takes the function itself, without calling it: `{_usage(exercise)}`."
    if inspect.iscoroutine(answer):
        answer.close()
        return f"{usage} It was called, which made a coroutine, and nothing in it has run."
    if not callable(answer):
        return f"{usage} What it was given is an object of type `{type(answer).__name__}`."
    return None


def _usage(exercise: Exercise) -> str:
    return f'check("{exercise.id}", {exercise.starter.__name__})'


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
