"""What an exercise is made of, and what its check has at hand.

One file per exercise, `ex_LL_N.py` for exercise "LL-N", defines `EXERCISE = Exercise(...)`; it is
found by its name. An exercise of a notebook that goes deeper is called after it: "04-http2-1" of
`deeper/04-http2.ipynb`. `ex_00_1.py` is a short one to start from. `python -m course.exercises`
proves that it holds in both directions.
"""

import asyncio
import contextlib
import inspect
import re
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from server.ledger import Seen
from server.local import LocalServer
from workbench.checking.witness import Witness


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

    id: "LL-N": lesson and number; the file is `ex_LL_N.py`. Or "LL-what-N", for what goes deeper.
    title: a few words.
    task: what to do, in Markdown, for the lesson's cell.
    starter: the function (or class) as the learner gets it. Its kind and parameters are what the
        learner's answer must have.
    hints: in the order in which they are given.
    wrong: answers that people give, each with the words it earns.
    right: right answers in another style than the solution's; the proof requires each of them to be
        "correct", so that a check asks for what the task says and for no form.
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
    right: Sequence[Callable] = ()

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

    What an answer did besides (see `workbench.checking.witness`):
    `blocked`: the calls that stopped the event loop, in words. A check need not ask: an answer that
    stopped it is not "correct", with words of its own, once the check itself has found nothing.
    `pending`: the names of the tasks that the answer has started and that still run. To be asked
    straight after the answer's `await` or block, before the check awaits anything: a moment later a
    task that nobody waited for may have ended all the same. After `await attempt(...)` it is those
    at the moment of its return.
    `open_loops`: the event loops that it has made and not closed.
    """

    def __init__(
        self,
        answer: Callable,
        server: LocalServer,
        seen: Seen,
        warnings: list[str],
        witness: Witness,
    ) -> None:
        self.answer = answer
        self.seen = seen
        self.warnings = warnings
        self.did = ""  # how its last call ended, in words
        self._server = server
        self._witness = witness
        self._at_return: list[str] | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self._at_return = None
        self.did = "it was called, and has not ended"
        with self._noting():
            result = self.answer(*args, **kwargs)
        if is_coroutine_function(self.answer):
            return self._awaited(result)
        self.did = f"nothing was raised, and {_named(result)} was returned"
        if inspect.iscoroutine(result):
            _refuse(result)
        return _given(result)

    async def _awaited(self, coroutine: Awaitable[Any]) -> Any:
        with self._noting():
            result = _given(await coroutine)
        self._at_return = self._witness.pending
        self.did = f"nothing was raised, and {_named(result)} was returned"
        await self.settle()
        if inspect.iscoroutine(result):
            _refuse(result)
        return result

    @contextlib.contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self.did = f"`{type(error).__name__}` was raised"
            raise

    @property
    def blocked(self) -> list[str]:
        """The calls that stopped the event loop, in words."""
        return self._witness.blocked

    @property
    def pending(self) -> list[str]:
        """The names of the tasks that the answer started and that still ran when it was over."""
        return self._witness.pending if self._at_return is None else self._at_return

    @property
    def open_loops(self) -> list[asyncio.AbstractEventLoop]:
        """The event loops that the answer has made and not closed."""
        return self._witness.open_loops

    def require_request(self, seen: Seen | None = None) -> None:
        """Raise `Wrong` unless the server saw a request: since the check began, or in `seen`."""
        expect(
            (seen or self.seen).requests,
            "A request to the server.",
            happened=f"No request was made; {self.did or 'nothing was called'}.",
        )

    async def require_nothing_left(self, seen: Seen | None = None) -> None:
        """Raise `Wrong` if the answer left something behind, with words for what it is.

        Tasks that still run, connections that are open (since the check began, or in `seen`), event
        loops that were not closed. To be called straight after the answer's `await` or block.
        """
        pending = self.pending
        await self.settle()
        expect(
            not pending,
            "What it starts has ended when it is over: each task is awaited.",
            happened="It was over, and a task still ran that nobody waited for: "
            f"`{next(iter(pending), '')}`.",
        )
        left = still_open(seen or self.seen)
        expect(
            not left,
            "What it opens is closed when it is over.",
            happened=f"It was over, and {_plural(len(left), 'connection')} still open.",
            seen=seen,
        )
        loops = len(self.open_loops)
        expect(
            not loops,
            "An event loop that it makes is closed when it is over (`asyncio.run` does that).",
            happened=f"It was over, and {_plural(loops, 'event loop')} not closed.",
        )

    async def settle(self) -> None:
        """Let client and server finish what is under way, so that the ledger shows it."""
        for _ in range(5):  # a transport that was closed closes its socket in the next turn
            await asyncio.sleep(0)
        self._server.ledger.settle()


def is_coroutine_function(answer: Callable) -> bool:
    """Whether calling it gives a coroutine: `async def`, or an object whose `__call__` is."""
    if inspect.isclass(answer):
        return False
    return inspect.iscoroutinefunction(answer) or inspect.iscoroutinefunction(
        getattr(type(answer), "__call__", None)  # noqa: B004
    )


def _given(result: Any) -> Any:
    if result is Ellipsis:
        raise NotAttempted("it still returns `...`")
    return result


def _refuse(coroutine: Coroutine) -> NoReturn:
    """Close a coroutine that an answer returned instead of a value, and raise `Wrong`."""
    name = coroutine.__qualname__
    coroutine.close()
    raise Wrong(
        "A finished value.",
        happened=f"Your function returned a coroutine (`{name}`) that nobody awaited: "
        "the `await` in front of a call is missing.",
    )


def _named(result: Any) -> str:
    """Name a result in words, whatever its `repr` would do."""
    if result is None or isinstance(result, bool | int | float):
        return f"`{result!r}`"
    return f"an object of type `{type(result).__name__}`"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun} was" if count == 1 else f"{count} {noun}s were"


async def all_reach(server: LocalServer, running: asyncio.Task, gates: Sequence[str]) -> bool:
    """Return whether requests stand at all these gates before the answer ends, within 4 s each."""

    async def reach() -> None:
        for gate in gates:
            await server.gates.reached(gate, timeout=4)

    reaching = asyncio.create_task(reach())
    await asyncio.wait({reaching, running}, return_when=asyncio.FIRST_COMPLETED)
    reaching.cancel()
    [outcome] = await asyncio.gather(reaching, return_exceptions=True)
    return outcome is None
