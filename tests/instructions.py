"""What readers are told to call: found in words, and run in the kernel of the lesson that says it.

`notebooks/conftest.py` adds each call as an item behind the cells of its notebook, so `pytest` runs
it where a learner would, after "Run All". A call counts as told where it stands in `backticks`, is
complete, and names something that the course gives: `hint("03-1")`, `explorer.set(gap=0.5)`. Words
are those of the markdown cells, of the stored outputs, of the lesson's exercises, and, in lesson
00's kernel, of README.
"""

import ast
import importlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from lesson import FOLDER, Lesson, exercises_of
from nbval.plugin import IPyNbFile
from store import NOT_COMPARED

from course.exercises import ids

PACKAGES = ("course", "workbench", "course/capstone")
SPAN = re.compile(r"(\w*)\s*`([^`\n]+)`")
AGAIN = re.compile(r"\brun (?:it|(?:the|this|that) cell) (?:again|once more)", re.IGNORECASE)
TELLS = {"run", "call", "ask", "try", "type", "use", "with"}  # words in front of what is to be done
TIMEOUT = 60  # seconds, as for nbval in pyproject.toml
# What a call shows, by its name; of a call made several times, what each shows.
SHOWS = {
    "hint": (r": hint \d of \d|: no more hints",),
    "solution": (r"solution", r": a solution"),
    "open_solutions": (r"^All solutions are open",),
    "verdicts": (r"\w",),
    "claims": (r"C16",),
}


@dataclass(frozen=True)
class Told:
    """A call, an import or a cell that words tell a reader to run.

    where: who says it. shows: what it must show, as patterns; it is run once for each.
    """

    where: str
    source: str
    shows: tuple[str, ...] = ("",)


@cache
def exported():
    """The names that the course gives to its lessons."""
    names = {"LocalServer"}
    for package in PACKAGES:
        names |= set(importlib.import_module(package.replace("/", ".")).__all__)
    return names


def statement(source):
    """The syntax tree of one statement, with or without `await`; None where it is none."""
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    try:
        body = compile(source, "words", "exec", flags).body
    except SyntaxError:
        return None
    return body[0] if len(body) == 1 else None


def root(node):
    """The name that an expression starts with: explorer in `await explorer.run()`."""
    while isinstance(node, ast.Await | ast.Call | ast.Attribute | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return getattr(node, "id", "")


def bound(lesson):
    """(names that cells bind at the top level, those of them that the course's own calls made)."""
    names, made = set(), set()
    for _, cell in lesson.code:
        tree = statement_list(cell.source)
        for node in tree:
            targets = getattr(node, "targets", [])
            given = {n.id for target in targets for n in ast.walk(target) if hasattr(n, "id")}
            if isinstance(node, ast.Import | ast.ImportFrom):
                given = {alias.asname or alias.name.partition(".")[0] for alias in node.names}
            elif hasattr(node, "name"):
                given = {node.name}
            names |= given
            if root(getattr(node, "value", None)) in exported():
                made |= given
    return names, made


def statement_list(source):
    """The top-level statements of a cell."""
    code = re.sub(r"^[%!].*", "", source, flags=re.MULTILINE)
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    return compile(code, "cell", "exec", flags).body


def told(where, text, names=frozenset(), made=frozenset()):
    """Yield each call of the course's that a text tells its reader to make.

    names, made: see `bound`. A call that is not complete, as `hint(...)` or one of a name that the
    lesson does not bind, describes; it raises ValueError where a word such as "run" stands before.
    """
    for before, source in SPAN.findall(text):
        node = statement(source)
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] in PACKAGES:
            yield Told(where, source)
            continue
        call = called_by(node)
        if not isinstance(call, ast.Call) or root(call) not in exported() | made:
            continue
        inside = [n for argument in arguments(call) for n in ast.walk(argument)]
        unknown = [n.id for n in inside if isinstance(n, ast.Name) and n.id not in names]
        if not unknown and not any(getattr(n, "value", None) is Ellipsis for n in inside):
            called = re.search(r"(\w+)\(", source)[1]
            yield Told(where, source, SHOWS.get(called, ("",)))
        elif before.lower() in TELLS:
            raise ValueError(f"{where}: {source} is not complete, so nobody can run it")


def called_by(node):
    """The expression of a statement, without its `await`: a call, where it is one."""
    value = getattr(node, "value", None)
    return value.value if isinstance(value, ast.Await) else value


def unbound(where, text, names):
    """Yield the course's calls in a text whose name no cell of the lesson binds."""
    for _, source in SPAN.findall(text):
        call = called_by(statement(source))
        if isinstance(call, ast.Call) and root(call) in exported() - names:
            yield f"{where}: {source}"


def arguments(call):
    return [*call.args, *(keyword.value for keyword in call.keywords)]


def strings(path):
    """Every string of a Python file: what an exercise says stands in them."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def words(lesson):
    """(where, text) of all that a lesson's reader is told."""
    yield from lesson.markdown
    for where, output in lesson.outputs:
        yield where, output_text(output)
    for exercise in exercises_of(lesson.path, ids()):
        path = FOLDER / "course" / "exercises" / f"ex_{exercise.replace('-', '_')}.py"
        # The course's own words, said of every exercise.
        yield path.name, f'`hint("{exercise}")` `solution("{exercise}")`'
        yield from ((path.name, text) for text in strings(path))
    if lesson.name.startswith("00"):
        yield "README.md", (FOLDER.parent / "README.md").read_text(encoding="utf-8")


def instructions(lesson):
    """The calls that a lesson's reader is told to make, each once, in the order of the words."""
    names, made = bound(lesson)
    seen = {}
    for where, text in words(lesson):
        for call in told(where, text, names, made):
            seen.setdefault(call.source, call)
    return list(seen.values())


def run_again(lesson):
    """The numbers of the code cells that words beside them, or their output, tell to run again."""
    cells = lesson.notebook.cells
    code = [n for n, cell in enumerate(cells) if cell.cell_type == "code" and cell.source.strip()]
    told = set()
    for number, cell in enumerate(cells):
        if number in code:
            if any(AGAIN.search(output_text(output)) for output in cell.outputs):
                told.add(number)
        elif AGAIN.search(cell.source):
            told.update([n for n in code if n < number][-1:] + [n for n in code if n > number][:1])
    return sorted(n for n in told if "raises-exception" not in cells[n].metadata.get("tags", []))


def output_text(output):
    return output.get("data", {}).get("text/plain", "") or output.get("text", "")


class LessonFile(IPyNbFile):
    """nbval's collector of a notebook's cells, and behind them what the notebook tells to call."""

    def __init__(self, *arguments, **keywords):
        super().__init__(*arguments, **keywords)
        self.skip_compare = NOT_COMPARED

    def collect(self):
        yield from super().collect()
        lesson = Lesson.read(Path(self.path))
        for call in instructions(lesson):
            yield Instruction.from_parent(self, name=f"told {call.source}", call=call)
        for number in run_again(lesson):
            cell = Told(f"{lesson.name}, cell {number}", lesson.notebook.cells[number].source)
            yield Instruction.from_parent(self, name=f"again cell {number}", call=cell)


class Instruction(pytest.Item):
    """One call or cell, run in the notebook's kernel after the cells."""

    def __init__(self, *, call, **keywords):
        super().__init__(**keywords)
        self.call = call

    def runtest(self):
        for expected in self.call.shows:
            said = run(self.parent.kernel.kc, self.call.source)
            if not re.search(expected, said, re.MULTILINE):
                raise AssertionError(f"{self.call.source} shows {said[:200]!r}, not {expected!r}")

    def repr_failure(self, excinfo):
        return f"{self.call.where}: its reader is told to run {self.call.source}: {excinfo.value}"

    def reportinfo(self):
        return self.path, None, f"{self.call.where}: {self.call.source}"


def run(client, source):
    """Run a cell in the kernel of this client and return what it shows as text.

    Raises AssertionError with the exception's name where it fails.
    """
    shown = []

    def collect(message):
        content = message["content"]
        shown.append(content.get("text", "") or content.get("data", {}).get("text/plain", ""))

    reply = client.execute_interactive(
        source, timeout=TIMEOUT, output_hook=collect, store_history=False
    )["content"]
    if reply["status"] != "ok":
        raise AssertionError(f"{reply.get('ename', reply['status'])}: {reply.get('evalue', '')}")
    return "\n".join(shown)
