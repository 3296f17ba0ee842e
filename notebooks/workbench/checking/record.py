"""What an exercise is made of, and what its check has at hand.

One file per exercise, `ex_LL_N.py` for exercise "LL-N", defines `EXERCISE = Exercise(...)`; it is
found by its name. `ex_00_1.py` is a short one to start from. `python -m course.exercises`
proves that it holds in both directions.
"""

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from server.ledger import Seen
from server.local import LocalServer


class Wrong(Exception):
    """What a check raises: the answer ran, and it is not what was asked for.

    expected, happened: sentences for the learner; `backticks` mark code.
    seen: the part of the ledger that shows it; without one, all that the server saw.
    """

    def __init__(self, expected: str, *, happened: str, seen: Seen | None = None) -> None:
        super().__init__(expected, happened)
        self.expected = expected
        self.happened = happened
        self.seen = seen


class NotAttempted(Exception):
    """The answer, or the part of it that was called, is still to be written."""


def expect(condition: Any, expected: str, *, happened: str, seen: Seen | None = None) -> None:
    """Raise `Wrong` with these words unless `condition` is true."""
    if not condition:
        raise Wrong(expected, happened=happened, seen=seen)


def still_open(seen: Seen) -> list[int]:
    """Return the numbers of the connections that were opened in `seen` and not closed."""
    opened = [event.connection for event in seen.events if event.kind == "opened"]
    closed = {event.connection for event in seen.events if event.kind == "closed"}
    return [connection for connection in opened if connection not in closed]


@dataclass(frozen=True)
class WrongAnswer:
    """An answer that people give, and words of the report that it earns.

    `says` stands in the report on this answer, and in that on no other of the exercise.
    """

    answer: Callable
    says: str


@dataclass(frozen=True)
class Exercise:
    """An exercise, complete.

    id: "LL-N": lesson and number; the file is `ex_LL_N.py`.
    title: a few words.
    task: what to do, in Markdown, for the lesson's cell.
    starter: the function (or class) as the learner gets it. Its kind and parameters are what the
        learner's answer must have.
    hints: in the order in which they are given.
    wrong: answers that people give, each with the words it earns.
    solution: the answer; it is shown under the starter's name.
    why: a sentence on why the solution is right, shown with it and after a correct answer.
    check: `async def check(attempt, server)`: runs the answer, raises `Wrong` or returns.
    limit: seconds that the check may take.
    serve: makes the server of the check, for one that needs another app or other options.
    """

    id: str
    title: str
    task: str
    starter: Callable
    hints: Sequence[str]
    wrong: Sequence[WrongAnswer]
    solution: Callable
    why: str
    check: Callable[["Attempt", LocalServer], Awaitable[None]]
    limit: float = 10.0
    serve: Callable[[], LocalServer] = LocalServer

    def shown(self, answer: Callable) -> str:
        """Return the source of `starter`, `solution` or a wrong answer under the starter's name."""
        source = inspect.getsource(answer)
        return re.sub(rf"\b{answer.__name__}\b", self.starter.__name__, source)


class Attempt:
    """The learner's answer, as a check runs it.

    `attempt(...)` calls it. A coroutine function is then awaited, `await attempt(url)`; a class or
    a function that makes a context manager is used as such, `async with attempt(url) as client`.
    What it raises comes through: a check that does not expect it leaves it alone, and the learner
    is shown the line. `answer` is the answer itself, `seen` what the server saw since the check
    began, `warnings` what Python has warned of so far, such as "coroutine ... was never awaited".
    """

    def __init__(
        self, answer: Callable, server: LocalServer, seen: Seen, warnings: list[str]
    ) -> None:
        self.answer = answer
        self.seen = seen
        self.warnings = warnings
        self._server = server

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        result = self.answer(*args, **kwargs)
        if inspect.iscoroutinefunction(self.answer):
            return self._awaited(result)
        return _given(result)

    async def _awaited(self, coroutine: Awaitable[Any]) -> Any:
        result = _given(await coroutine)
        await self.settle()
        if inspect.iscoroutine(result):
            name = result.__qualname__
            result.close()
            raise Wrong(
                "A finished value.",
                happened=f"Your function returned a coroutine (`{name}`) that nobody awaited: "
                "the `await` in front of a call is missing.",
            )
        return result

    async def settle(self) -> None:
        """Let client and server finish what is under way, so that the ledger shows it."""
        for _ in range(5):  # a transport that was closed closes its socket in the next turn
            await asyncio.sleep(0)
        self._server.ledger.settle()


def _given(result: Any) -> Any:
    if result is Ellipsis:
        raise NotAttempted("it still returns `...`")
    return result


async def all_reach(server: LocalServer, running: asyncio.Task, gates: Sequence[str]) -> bool:
    """Return whether requests stand at all these gates before the answer ends, within 2 s each."""

    async def reach() -> None:
        for gate in gates:
            await server.gates.reached(gate, timeout=2)

    reaching = asyncio.create_task(reach())
    await asyncio.wait({reaching, running}, return_when=asyncio.FIRST_COMPLETED)
    reaching.cancel()
    [outcome] = await asyncio.gather(reaching, return_exceptions=True)
    return outcome is None
