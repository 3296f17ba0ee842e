"""The imports that an answer's source needs to be whole: shown with a solution, typed by tests.

It reads sources and runs nothing.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable


def imports(answer: Callable) -> list[str]:
    """Return the lines above an answer that give it the names of its own file, in that file's way.

    What the file makes itself is imported from it, in the last line.

    Raises `OSError` for an answer that has no source, such as one of C.
    """
    file = inspect.getmodule(answer)
    names = _free(ast.parse(textwrap.dedent(inspect.getsource(answer)))) & vars(file).keys()
    lines, imported = [], set()
    for statement in ast.parse(inspect.getsource(file)).body:
        if not isinstance(statement, ast.Import | ast.ImportFrom):
            continue
        statement.names = [alias for alias in statement.names if _bound(alias) in names]
        if statement.names:
            lines.append(ast.unparse(statement))
            imported |= {_bound(alias) for alias in statement.names}
    if made := sorted(names - imported):
        lines.append(f"from {file.__name__} import {', '.join(made)}")
    return lines


def _free(tree: ast.AST) -> set[str]:
    """The names that a piece of source reads and does not bind."""
    read, bound = set(), set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                read.add(name)
            case ast.Name(id=name) | ast.arg(arg=name):
                bound.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                bound.add(name)
            case ast.ClassDef(name=name):
                bound.add(name)
    return read - bound


def _bound(alias: ast.alias) -> str:
    """The name that an import makes: `h2` in `import h2.events`."""
    return alias.asname or alias.name.partition(".")[0]
