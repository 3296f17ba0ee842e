"""Which of Python's protocols an object has: may it be awaited, entered, iterated over?

    table = await protocol_table(["client.post(url)", "client"], client=client, url=url)
    table                                  # the table
    table.that_can("async with")           # ["client"]

Each expression is evaluated as it stands, so a row cannot differ from the code that it names.
"""

import ast
import inspect
from collections.abc import AsyncIterable, Awaitable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from typing import Any

from workbench.table import Table, Tabular

# What a statement needs, as the standard library's own test of it. Each looks for the methods on
# the object's type, where the interpreter looks for them too.
PROTOCOLS = {
    "await": Awaitable,
    "async with": AbstractAsyncContextManager,
    "async for": AsyncIterable,
    "with": AbstractContextManager,
}


@dataclass(frozen=True)
class Evaluated:
    """An expression, the name of the type of what it gives, and what that can be used with."""

    expression: str
    gives: str
    can: frozenset[str]


class ProtocolTable(Tabular):
    """The rows in the order of the expressions; `table[expression]` is one of them."""

    def __init__(self, rows: Sequence[Evaluated]):
        self.rows = {row.expression: row for row in rows}

    def __getitem__(self, expression: str) -> Evaluated:
        return self.rows[expression]

    def that_can(self, protocol: str) -> list[str]:
        """Return the expressions whose objects have this protocol.

        Raises KeyError for what is none of PROTOCOLS.
        """
        if protocol not in PROTOCOLS:
            raise KeyError(f"{protocol!r} is none of {', '.join(PROTOCOLS)}")
        return [row.expression for row in self.rows.values() if protocol in row.can]

    def table(self) -> Table:
        """Return it as it is shown."""
        rows = [
            [
                f"`{row.expression}`",
                ", ".join(name for name in PROTOCOLS if name in row.can) or "-",
                row.gives,
            ]
            for row in self.rows.values()
        ]
        # The type stands last: its name may be long, and what it is good for has to be in sight.
        return Table(("expression", "use with", "gives"), rows)


async def protocol_table(expressions: Sequence[str], **names: Any) -> ProtocolTable:
    """Evaluate Python expressions and return what each gives and which protocols that has.

    expressions: source text, such as `"client.post(url)"`; it may contain `await`.
    names: what the names in the expressions stand for.

    A coroutine that an expression gives is closed unrun, so that nobody misses its `await`.
    Raises SyntaxError for what is no expression, and whatever an expression itself raises.
    """
    rows = []
    for expression in expressions:
        value = await _evaluate(expression, names)
        can = frozenset(name for name, needs in PROTOCOLS.items() if isinstance(value, needs))
        rows.append(Evaluated(expression, type(value).__name__, can))
        if isinstance(value, Coroutine):
            value.close()
    return ProtocolTable(rows)


async def _evaluate(expression: str, names: dict[str, Any]) -> Any:
    code = compile(expression, "<expression>", "eval", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    value = eval(code, dict(names))
    # Only code with an `await` of its own evaluates to a coroutine that stands for the value.
    return await value if code.co_flags & inspect.CO_COROUTINE else value
