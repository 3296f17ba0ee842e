"""What an answer's source needs of its file: shown with a solution, written with a broken form.

It reads sources and runs nothing. `OSError` comes of what has none, such as a function of C.
"""

import ast
import inspect
import symtable
import textwrap
from collections.abc import Callable
from types import ModuleType


def imports(answer: Callable) -> list[str]:
    """Return the lines that import what an answer uses, as its file does."""
    return import_lines(inspect.getmodule(answer), _used_by(answer))


def own_names(answer: Callable) -> list[str]:
    """Return the names that an answer uses and its file makes, not imports."""
    return sorted(_used_by(answer) & definitions(inspect.getmodule(answer)).keys())


def _used_by(answer: Callable) -> set[str]:
    return free_names(textwrap.dedent(inspect.getsource(answer)))


def import_lines(module: ModuleType, names: set[str]) -> list[str]:
    """Return a module's imports of these names, in its order, and of nothing else."""
    lines = []
    for statement in ast.parse(inspect.getsource(module)).body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            # `import h2.events` makes the name h2.
            bound = {alias: alias.asname or alias.name.split(".")[0] for alias in statement.names}
            statement.names = [alias for alias in statement.names if bound[alias] in names]
            lines += [ast.unparse(statement)] if statement.names else []
    return lines


def definitions(module: ModuleType) -> dict[str, ast.stmt]:
    """Return a module's functions, classes and assignments by their names."""
    made: dict[str, ast.stmt] = {}
    for node in ast.parse(inspect.getsource(module)).body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                made[name] = node
            case ast.ClassDef(name=name) | ast.Assign(targets=[ast.Name(id=name)]):
                made[name] = node
    return made


def free_names(source: str) -> set[str]:
    """Return the names that a piece of source reads and does not bind."""
    module = symtable.symtable(source, "<source>", "exec")
    read, tables = set(), [module]
    for table in tables:  # grows while it is gone through
        tables += table.get_children()
        read |= {
            symbol.get_name()
            for symbol in table.get_symbols()
            if symbol.is_referenced() and (table is module or symbol.is_global())
        }
    bound = (s.get_name() for s in module.get_symbols() if s.is_assigned() or s.is_imported())
    return read - set(bound)
