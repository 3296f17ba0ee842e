"""The broken forms of the whole course, as files that tools can read and run.

The sources are the starters and wrong answers of the exercises, nothing is written twice here.
deeper/11-found-without-running.ipynb calls `write_broken_forms`; it writes into the folder that it
is given and touches nothing else.
"""

import ast
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from course.exercises import find
from workbench.checking.source import definitions, free_names, import_lines

# What the parameters of the answers are, for the annotated files.
TYPES = {
    "url": "str",
    "urls": "list[str]",
    "client": "httpx.AsyncClient",
    "wanted": "int",
    "n": "int",
    "seconds": "float",
    "connect": "float",
    "rest": "float",
    "article": "str",
    "users": "list[str]",
    "user": "str",
    "jobs": "list[object]",
    "job": "object",
    "exc_type": "object",
    "exc": "object",
    "traceback": "object",
}

ANNOTATIONS_NEED = ["from typing import Any", "import httpx"]


@dataclass(frozen=True)
class BrokenForm:
    """A bug, and where the course has it.

    name: what is wrong, in a few words. exercise, answer: the id of the exercise, and the name of
    its starter or of one of its wrong answers.
    """

    name: str
    exercise: str
    answer: str

    def source(self, annotated: bool) -> str:
        """Return a module with the answer, with or without annotations, and without comments.

        Raises `LookupError` if the exercise has no such answer.
        """
        exercise = find(self.exercise)
        answers = [exercise.starter, *(wrong.answer for wrong in exercise.wrong)]
        try:
            [answer] = [one for one in answers if one.__name__ == self.answer]
        except ValueError:
            raise LookupError(f"{self.exercise} has no answer {self.answer!r}") from None
        return module_of(answer, annotated)

    def cured(self) -> str:
        """Return a module with the exercise's solution, annotated."""
        return module_of(find(self.exercise).solution, annotated=True)


def module_of(answer: Callable, annotated: bool) -> str:
    """Return the source of a module with this function or class, and with what it uses."""
    module = inspect.getmodule(answer)
    made = definitions(module)
    names, used = [answer.__name__], set()
    for name in names:  # grows while it is gone through
        used |= free_names(ast.unparse(made[name]))
        names += sorted((used & made.keys()) - set(names))
    lines, nodes = import_lines(module, used), [made[name] for name in names]
    if annotated:
        lines = list(dict.fromkeys([*ANNOTATIONS_NEED, *lines]))
        nodes = [ast.fix_missing_locations(_Annotating().visit(node)) for node in nodes]
    # What is used comes first.
    return "\n\n\n".join(["\n".join(lines), *map(ast.unparse, reversed(nodes))]).lstrip() + "\n"


BROKEN_FORMS = (
    BrokenForm("an await forgotten", "00-1", "forgets_await"),
    BrokenForm("async with around a POST", "01-1", "place_order"),
    BrokenForm("with instead of await", "01-1", "uses_a_plain_with"),
    BrokenForm("await before a stream", "02-2", "awaits_the_stream"),
    BrokenForm("for instead of async for", "02-2", "loops_without_async"),
    BrokenForm("the same, client passed in", "05-what-a-stream-holds-1", "loops_without_async"),
    BrokenForm("aclose() not awaited", "02-1", "PlainMethods"),
    BrokenForm("a tuple as time limit", "10-1", "a_tuple_as_in_requests"),
    BrokenForm("a task that nobody keeps", "00-1", "closes_in_a_task_that_nobody_awaits"),
    BrokenForm("a call that stops the loop", "07-1", "blocks_the_loop"),
    BrokenForm("a client that stops the loop", "01-1", "asks_synchronously"),
    BrokenForm("a context built in the loop", "07-2", "a_context_for_each"),
    BrokenForm("a cancellation swallowed", "03-2", "returns_when_it_is_cancelled"),
    BrokenForm("every exception caught", "01-1", "tries_again_whatever_it_is"),
    BrokenForm("a generator holds a stream", "09-2", "opens_it_in_the_generator"),
    BrokenForm("await response.json()", "01-1", "awaits_the_json"),
    BrokenForm("a client that nobody closes", "00-1", "leaves_the_client_open"),
    BrokenForm("gather after the block", "03-1", "gathers_outside"),
    BrokenForm("a stream read after its block", "02-2", "reads_after_the_block"),
    BrokenForm("a stream sent after its block", "09-2", "export"),
    BrokenForm("a request inside a stream", "05-what-a-stream-holds-1", "first_orders"),
    BrokenForm("no time limit", "05-what-a-stream-holds-1", "waits_for_ever"),
    BrokenForm("one client, many loops", "06-1", "run_jobs"),
    BrokenForm("a loop that is never closed", "06-1", "leaves_its_loop_open"),
    BrokenForm("exceptions as results", "03-1", "hands_errors_out"),
)


def write_broken_forms(folder: Path) -> dict[str, str]:
    """Write each form into the packages bare, annotated and as_installed, which is bare once more.

    A package `cured` has the solution of each form's exercise.
    Returns the forms' names by the stems of their files: {"form_00": "an await forgotten", ...}.
    """
    packages = {
        "bare": lambda form: form.source(annotated=False),
        "annotated": lambda form: form.source(annotated=True),
        "as_installed": lambda form: form.source(annotated=False),
        "cured": BrokenForm.cured,
    }
    stems = {f"form_{number:02}": form for number, form in enumerate(BROKEN_FORMS)}
    for package, source in packages.items():
        (folder / package).mkdir(parents=True, exist_ok=True)
        (folder / package / "__init__.py").touch()
        for stem, form in stems.items():
            (folder / package / f"{stem}.py").write_text(source(form), encoding="utf-8")
    return {stem: form.name for stem, form in stems.items()}


class _Annotating(ast.NodeTransformer):
    """Gives each parameter its type of `TYPES`, or Any; all return Any, but `__init__`."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._annotate(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._annotate(node)

    def _annotate(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        self.generic_visit(node)
        for argument in (*node.args.args, *node.args.kwonlyargs):
            if argument.arg != "self":
                kind = TYPES.get(argument.arg, "Any")
                argument.annotation = ast.parse(kind, mode="eval").body
        node.returns = ast.Constant(None) if node.name == "__init__" else ast.Name("Any")
        return node
