"""Say which of the learner's own lines an exception came through, and what it usually means."""

import inspect
import linecache
import re
from collections.abc import Callable, Iterator
from types import CodeType, TracebackType
from typing import Any

# What a message of Python or httpx means in these lessons: type, pattern of the message, words.
_MEANINGS = [
    (
        TypeError,
        r"'coroutine' object does not support the asynchronous context manager protocol",
        "`async with` was given a coroutine: a request that has not even been sent. "
        "`await` the request; `async with` is for the client, and for `client.stream(...)`.",
    ),
    (
        TypeError,
        r"'Response' object does not support the asynchronous context manager protocol",
        "A Response is no context manager: it is here already, and nothing has to be closed. "
        "Give it a name with `=` instead of `async with ... as`.",
    ),
    (
        TypeError,
        r"'coroutine' object does not support the context manager protocol",
        "A request is entered neither in `with` nor in `async with`: it is awaited.",
    ),
    (
        TypeError,
        r"'async_generator' object does not support the asynchronous context manager protocol",
        "A function with a `yield` becomes a context manager by `@asynccontextmanager` above it.",
    ),
    (
        TypeError,
        r"'coroutine' object is not an async iterator",
        "`@asynccontextmanager` needs a `yield` in the function below it, in the place where the "
        "block of `async with` is to run.",
    ),
    (
        TypeError,
        r"'async with' received an object from __a(enter|exit)__ that does not implement __await__",
        "`async with` awaits what these methods return: `__aenter__` and `__aexit__` are "
        "`async def`.",
    ),
    (
        TypeError,
        r"'_AsyncGeneratorContextManager' object can't be awaited"
        r"|object _AsyncGeneratorContextManager can't be used in 'await' expression",
        "This is an async context manager, and those are entered, not awaited: `async with ...`. "
        "`client.stream(...)` is the one request method of httpx that is one.",
    ),
    (
        TypeError,
        r"object (dict|list|str|int|bytes|NoneType) can't be used in 'await' expression"
        r"|'(dict|list|str|int|bytes|NoneType)' object can't be awaited",
        "`await` was given a finished value. In httpx only what goes over the network is awaited: "
        "`response.json()` and `response.text` read a body that is here already. "
        "(`await response.json()` is aiohttp's habit.)",
    ),
    (
        (AttributeError, TypeError),
        r"'coroutine' object (has no attribute|is not subscriptable)",
        "An `await` is missing: calling an `async def` function only makes a coroutine, and "
        "nothing runs until it is awaited.",
    ),
    (
        TypeError,
        r"'async_generator' object is not iterable",
        "What arrives over the network piece by piece is read with `async for`.",
    ),
    (
        RuntimeError,
        r"Attempted to access streaming response content, without having called",
        "The body of a stream has to be read first, in its block: `await response.aread()`, or "
        "piece by piece with `async for`.",
    ),
    (
        RuntimeError,
        r"Attempted to read or stream content, but the stream has been closed",
        "The body of `client.stream(...)` can be read inside its `async with` block only.",
    ),
    (
        RuntimeError,
        r"Cannot send a request, as the client has been closed",
        "The client was used after its `async with` block, or after `aclose()`.",
    ),
    (
        RuntimeError,
        r"Cannot (open a client instance more than once|reopen a client instance)",
        "`async with client` opens and closes the client, and each client can do that once. "
        "One that somebody else has opened is used as it is.",
    ),
]


class Own:
    """The learner's own code: that of one function, or of the methods of one class.

    `besides` is a function that may stand in the same file and is not theirs: the check itself.
    """

    def __init__(self, answer: Any, besides: Callable) -> None:
        self._roots = list(codes_of(answer))
        theirs = {code for root in self._roots for code in _nested(root)}
        self._codes = theirs
        # What their function calls may stand in the same cell, outside of it.
        self._files = {code.co_filename for code in theirs} - {besides.__code__.co_filename}

    def has(self, code: CodeType) -> bool:
        """Whether a piece of code is the learner's."""
        return code in self._codes or code.co_filename in self._files

    def line_of(self, traceback: TracebackType | None) -> str | None:
        """The learner's innermost line of a traceback, in words; None if it has none of theirs."""
        found = None
        while traceback is not None:
            if self.has(traceback.tb_frame.f_code):
                found = self.describe(traceback.tb_frame.f_code, traceback.tb_lineno)
            traceback = traceback.tb_next
        return found

    def describe(self, code: CodeType, line: int) -> str:
        """Return "line 3 of your function: `...`"."""
        # Inside a comprehension or an inner function, lines still count from the outer one.
        outer = next((root for root in self._roots if code in set(_nested(root))), code)
        whose = "your function"
        if len(self._roots) != 1 or outer is not self._roots[0]:
            whose = f"your `{outer.co_name}`"
        source = linecache.getline(code.co_filename, line).strip()
        return f"line {line - outer.co_firstlineno + 1} of {whose}" + (
            f": `{source}`" if source else ""
        )


def codes_of(answer: Any) -> Iterator[CodeType]:
    """Yield the code of a function, or of each method of a class, in the order of their lines."""
    if inspect.isclass(answer):
        methods = (getattr(member, "__func__", member) for member in vars(answer).values())
        codes = (getattr(inspect.unwrap(method), "__code__", None) for method in methods)
        yield from sorted(filter(None, codes), key=lambda code: code.co_firstlineno)
    else:
        code = getattr(inspect.unwrap(answer), "__code__", None)
        if code is not None:
            yield code
        elif not inspect.isbuiltin(answer):  # an object with `__call__`: its class is the answer
            yield from codes_of(type(answer))


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


def name_of(exc: BaseException) -> str:
    """Return `TypeError: its message`, or the `repr` where the message is empty."""
    kind = type(exc).__name__
    try:
        message = str(exc).strip()
        return f"{kind}: {message}" if message else repr(exc)
    except BaseException as another:  # the exception is the learner's, and so are its methods
        return f"{kind}, whose own text could not be had: {type(another).__name__}"


def meaning_of(exc: BaseException) -> str | None:
    """Say in words what an exception usually means in these lessons, if that is known."""
    for kind, pattern, words in _MEANINGS:
        if isinstance(exc, kind) and re.search(pattern, name_of(exc)):
            return words
    return None
