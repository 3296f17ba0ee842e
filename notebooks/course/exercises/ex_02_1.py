"""An async context manager written as a class: what it opens, it closes, whatever happens."""

import asyncio
from contextlib import AsyncExitStack

import httpx

from course.exercises.stumbles import ERRORS
from workbench.checking.record import Exercise, Wrong, WrongAnswer, expect, still_open


class OpenClient:
    """`async with OpenClient(url) as client:` gives an httpx.AsyncClient with this base_url."""

    def __init__(self, url):
        self.url = url

    async def __aenter__(self):
        raise NotImplementedError

    async def __aexit__(self, exc_type, exc, traceback):
        raise NotImplementedError


class Solution:
    """`async with OpenClient(url) as client:` gives an httpx.AsyncClient with this base_url."""

    def __init__(self, url):
        self.url = url

    async def __aenter__(self):
        self.client = httpx.AsyncClient(base_url=self.url)
        return self.client

    async def __aexit__(self, exc_type, exc, traceback):
        await self.client.aclose()


class ReturnsNothing:
    def __init__(self, url):
        self.url = url

    async def __aenter__(self):
        self.client = httpx.AsyncClient(base_url=self.url)

    async def __aexit__(self, exc_type, exc, traceback):
        await self.client.aclose()


class ReturnsItself:
    def __init__(self, url):
        self.url = url

    async def __aenter__(self):
        self.client = httpx.AsyncClient(base_url=self.url)
        return self

    async def __aexit__(self, exc_type, exc, traceback):
        await self.client.aclose()


class NeverCloses(Solution):
    async def __aexit__(self, exc_type, exc, traceback):
        pass


class ForgetsToAwaitTheClosing(Solution):
    async def __aexit__(self, exc_type, exc, traceback):
        self.client.aclose()


class SwallowsTheException(Solution):
    async def __aexit__(self, exc_type, exc, traceback):
        await self.client.aclose()
        return True


class ClosesOnlyAfterSuccess(Solution):
    async def __aexit__(self, exc_type, exc, traceback):
        if exc_type is None:
            await self.client.aclose()


class PlainMethods:
    def __init__(self, url):
        self.url = url

    def __aenter__(self):
        self.client = httpx.AsyncClient(base_url=self.url)
        return self.client

    def __aexit__(self, exc_type, exc, traceback):
        self.client.aclose()


class SyncProtocol:
    def __init__(self, url):
        self.url = url

    def __enter__(self):
        self.client = httpx.AsyncClient(base_url=self.url)
        return self.client

    def __exit__(self, exc_type, exc, traceback):
        self.client.aclose()


class ClosesInATaskThatNobodyAwaits(Solution):
    async def __aexit__(self, exc_type, exc, traceback):
        asyncio.create_task(self.client.aclose())  # noqa: RUF006


class SwallowsHttpxErrors(Solution):
    async def __aexit__(self, exc_type, exc, traceback):
        await self.client.aclose()
        return isinstance(exc, httpx.HTTPError)


class SwallowsValueErrors(Solution):
    async def __aexit__(self, exc_type, exc, traceback):
        await self.client.aclose()
        return exc_type is ValueError


class SwallowsLookupErrors(Solution):
    async def __aexit__(self, exc_type, exc, traceback):
        await self.client.aclose()
        return isinstance(exc, LookupError)


class ForgetsTheInterrupted(Solution):
    async def __aexit__(self, exc_type, exc, traceback):
        if exc is None or isinstance(exc, Exception | asyncio.CancelledError):
            await self.client.aclose()


class ForgetsTheCancelled(Solution):
    async def __aexit__(self, exc_type, exc, traceback):
        if exc is None or isinstance(exc, Exception):
            await self.client.aclose()


class RaisesACopy(Solution):
    async def __aexit__(self, exc_type, exc, traceback):
        await self.client.aclose()
        if exc_type:
            raise exc_type(f"while using {self.url}")


class ClosesTheTransportOnly(Solution):
    async def __aexit__(self, exc_type, exc, traceback):
        await self.client._transport.aclose()


class KeepsItOnTheClass:
    client = None

    def __init__(self, url):
        if KeepsItOnTheClass.client is None or KeepsItOnTheClass.client.is_closed:
            KeepsItOnTheClass.client = httpx.AsyncClient(base_url=url)

    async def __aenter__(self):
        return self.client

    async def __aexit__(self, exc_type, exc, traceback):
        await self.client.aclose()


class CutsThePathOff(Solution):
    def __init__(self, url):
        parts = httpx.URL(url)
        super().__init__(f"{parts.scheme}://{parts.host}:{parts.port}")


class MakesItAtOnce:
    def __init__(self, url):
        self.client = httpx.AsyncClient(base_url=url)

    async def __aenter__(self):
        return await self.client.__aenter__()

    async def __aexit__(self, *exc_info):
        return await self.client.__aexit__(*exc_info)


class UsesAnExitStack:
    def __init__(self, url):
        self.url = url
        self.stack = AsyncExitStack()

    async def __aenter__(self):
        return await self.stack.enter_async_context(httpx.AsyncClient(base_url=self.url))

    async def __aexit__(self, exc_type, exc, traceback):
        return await self.stack.__aexit__(exc_type, exc, traceback)


async def check(attempt, server):
    _expect_the_protocol(attempt.answer)
    await _check_a_good_block(attempt, server)
    for words, error in ERRORS.items():
        await _check_a_bad_block(attempt, server, words, error)
    async with attempt(server.url + "/faults") as one, attempt(server.url) as other:
        same, base = one is other, str(one.base_url)
    expect(
        not same,
        "Each block has a client of its own, also when two are open at the same time.",
        happened="Two open blocks shared one client: whoever leaves first closes it for both.",
    )
    expect(
        base.rstrip("/") == server.url + "/faults",
        "A client with `base_url=url`, whatever that url is.",
        happened=f"For a url that ends in `/faults`, the client's `base_url` was `{base}`.",
    )


async def _check_a_good_block(attempt, server):
    async with attempt(server.url) as client:
        expect(
            isinstance(client, httpx.AsyncClient),
            "What `__aenter__` returns is what `as client` names: an `httpx.AsyncClient`.",
            happened="It is the context manager itself, which cannot send anything."
            if type(client) is attempt.answer
            else f"It is an object of type `{type(client).__name__}`.",
        )
        response = await client.get("/echo")
        expect(
            response.status_code == 200,
            "Status 200.",
            happened=f"The status was {response.status_code}.",
        )
    pending, closed = attempt.pending, client.is_closed
    await attempt.settle()
    expect(
        not still_open(attempt.seen) or pending,
        "`__aexit__` closes the client: opened, request, response, closed by the client.",
        happened="The block is over and the connection is open: `aclose()` was called and not "
        "awaited, so it never ran."
        if any("aclose" in warning for warning in attempt.warnings)
        else "The block is over and the connection is open: nobody closed the client.",
    )
    expect(
        not pending,
        "The client is closed when the block is over: `__aexit__` awaits the closing.",
        happened="The block was over, and a task still ran that nobody waited for: "
        f"`{next(iter(pending), '')}`.",
    )
    expect(
        closed,
        "`__aexit__` closes the client: `client.is_closed` is true after the block.",
        happened="The connection is closed, and the client is not: it would open another.",
    )


async def _check_a_bad_block(attempt, server, words, error):
    with server.ledger.watch() as seen:
        raised, came_out = error("raised inside the block"), None
        try:
            async with attempt(server.url) as client:
                await client.get("/echo")
                raise raised
        except error as other:
            came_out = other
        await attempt.settle()
    expect(
        not still_open(seen),
        "The client is closed also when the block raises: that is what `__aexit__` is for.",
        happened=f"The block ended with {words}, and the connection stayed open.",
        seen=seen,
    )
    if came_out is None:
        raise Wrong(
            "An exception of the block comes out of it.",
            happened=f"The block ended with {words}, and it disappeared: `__aexit__` returned "
            'something true, and that means "I have dealt with it".',
            seen=seen,
        )
    expect(
        came_out is raised,
        "The exception of the block itself comes out.",
        happened=f"The block ended with {words}, and another one of its type came out.",
        seen=seen,
    )


def _expect_the_protocol(answer):
    missing = [name for name in ("__aenter__", "__aexit__") if not hasattr(answer, name)]
    expect(
        not missing,
        "`async with` calls `__aenter__` and `__aexit__`; `__enter__` and `__exit__` are for a "
        "plain `with`.",
        happened=f"Your class has no {' and no '.join(f'`{name}`' for name in missing)}.",
    )


EXERCISE = Exercise(
    id="02-1",
    title="Write an async context manager",
    task="""\
Write the class `OpenClient`, so that `async with OpenClient(url) as client:` gives an
`httpx.AsyncClient` with `base_url=url` for the block and closes it after the block, also when the
block raises. The exception itself must still come out.""",
    starter=OpenClient,
    hints=[
        "What `__aenter__` returns is what `as client` names. Keep the client on `self` as well: "
        "`__aexit__` needs it.",
        "`__aexit__` is called however the block ends; its three arguments are `None` when the "
        "block went well. Closing is the same in both cases.",
        "`client.aclose()` is `async def`, so it is awaited. Return nothing from `__aexit__`: "
        "something true would swallow the exception.",
    ],
    wrong=[
        WrongAnswer(ReturnsNothing, "an object of type `NoneType`"),
        WrongAnswer(ReturnsItself, "It is the context manager itself"),
        WrongAnswer(NeverCloses, "nobody closed the client"),
        WrongAnswer(ForgetsToAwaitTheClosing, "called and not awaited, so it never ran"),
        WrongAnswer(SwallowsTheException, "ended with an exception, and it disappeared"),
        WrongAnswer(SwallowsHttpxErrors, "ended with an exception of httpx, and it disappeared"),
        WrongAnswer(SwallowsValueErrors, "ended with a ValueError, and it disappeared"),
        WrongAnswer(SwallowsLookupErrors, "ended with a KeyError, and it disappeared"),
        WrongAnswer(ForgetsTheInterrupted, "ended with an interrupt, and the connection stayed"),
        WrongAnswer(ClosesOnlyAfterSuccess, "ended with an exception, and the connection stayed"),
        WrongAnswer(ForgetsTheCancelled, "ended with a cancellation, and the connection stayed"),
        WrongAnswer(ClosesInATaskThatNobodyAwaits, "a task still ran that nobody waited for"),
        WrongAnswer(RaisesACopy, "another one of its type came out"),
        WrongAnswer(ClosesTheTransportOnly, "it would open another"),
        WrongAnswer(KeepsItOnTheClass, "Two open blocks shared one client"),
        WrongAnswer(CutsThePathOff, "For a url that ends in `/faults`"),
        WrongAnswer(PlainMethods, "`__aenter__` and `__aexit__` are `async def`"),
        WrongAnswer(SyncProtocol, "Your class has no `__aenter__`"),
    ],
    right=[MakesItAtOnce, UsesAnExitStack],
    solution=Solution,
    why="`__aexit__` runs however the block ends, so closing there needs no `try`; and as it "
    "returns None, an exception goes on its way.",
    check=check,
)
