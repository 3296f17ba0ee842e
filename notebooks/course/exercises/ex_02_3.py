"""Who opens a client closes it: a function that takes one or makes one."""

from contextlib import asynccontextmanager

import httpx

from workbench.checking.record import Exercise, WrongAnswer, expect, still_open


@asynccontextmanager
async def borrow_or_open(client=None):
    """Give `client` for the block and leave it open; without one, give a new one and close it."""
    raise NotImplementedError
    yield client


@asynccontextmanager
async def solution(client=None):
    """Give `client` for the block and leave it open; without one, give a new one and close it."""
    if client is not None:
        yield client
    else:
        async with httpx.AsyncClient() as own:
            yield own


@asynccontextmanager
async def closes_whatever_it_gives(client=None):
    client = client or httpx.AsyncClient()
    try:
        yield client
    finally:
        await client.aclose()


@asynccontextmanager
async def enters_whatever_it_gives(client=None):
    async with client or httpx.AsyncClient() as entered:
        yield entered


@asynccontextmanager
async def closes_nothing(client=None):
    yield client or httpx.AsyncClient()


@asynccontextmanager
async def always_makes_one(client=None):
    async with httpx.AsyncClient() as own:
        yield own


@asynccontextmanager
async def closes_only_after_success(client=None):
    if client is not None:
        yield client
    else:
        own = httpx.AsyncClient()
        yield own
        await own.aclose()


@asynccontextmanager
async def swallows_the_exception(client=None):
    if client is not None:
        yield client
    else:
        own = httpx.AsyncClient()
        try:
            yield own
        except Exception:
            pass
        finally:
            await own.aclose()


async def forgets_the_decorator(client=None):
    if client is not None:
        yield client
    else:
        async with httpx.AsyncClient() as own:
            yield own


@asynccontextmanager
async def returns_it(client=None):
    return client or httpx.AsyncClient()


class Stumble(Exception):
    """What the check raises inside a block."""


async def check(attempt, server):
    async with httpx.AsyncClient() as shared:
        await shared.get(server.url + "/echo")
        await _check_borrowed(attempt, server, shared)
    await _check_own(attempt, server)


async def _check_borrowed(attempt, server, shared):
    """The shared client has sent a request and is in use elsewhere."""
    async with attempt(shared) as client:
        is_shared = client is shared
    expect(
        is_shared,
        "The block gets the very client that was passed in.",
        happened="It got another one, so nothing is shared.",
    )
    expect(
        not shared.is_closed,
        "A client that was passed in stays open: its owner goes on using it.",
        happened="The block closed a client that was not its own. The owner's next request fails.",
    )
    await _stumble(attempt, shared)
    expect(
        not shared.is_closed,
        "A client that was passed in stays open, also when the block raises.",
        happened="The block raised, and a client that was not its own was closed.",
    )
    with server.ledger.watch() as seen:
        await shared.get(server.url + "/echo")
    expect(
        seen.connections == 0,
        "The owner's next request travels on the connection that was there before.",
        happened="It needed a new connection.",
        seen=seen,
    )


async def _check_own(attempt, server):
    for raises in (False, True):
        with server.ledger.watch() as seen:
            if raises:
                came_out = await _stumble(attempt, url=server.url + "/echo")
            else:
                came_out = True
                async with attempt() as own:
                    kind = type(own)
                    if isinstance(own, httpx.AsyncClient):
                        await own.get(server.url + "/echo")
            await attempt.settle()
        expect(
            kind is httpx.AsyncClient,
            "Without a client passed in, the block gets a new `httpx.AsyncClient`.",
            happened=f"It got an object of type `{kind.__name__}`.",
            seen=seen,
        )
        expect(
            not still_open(seen),
            "A client that the function made is closed after the block, "
            + ("also when the block raises." if raises else "as nobody else can close it."),
            happened="The block raised, and the code after `yield` did not run."
            if raises
            else "The block is over, and the connection of its own client is open.",
            seen=seen,
        )
        expect(
            came_out,
            "An exception of the block comes out of it.",
            happened="It disappeared inside your function.",
            seen=seen,
        )


async def _stumble(attempt, *args, url=None):
    """Raise in the block; return whether the exception came out."""
    try:
        async with attempt(*args) as client:
            if url is not None:
                await client.get(url)
            raise Stumble("raised inside the block")
    except Stumble:
        return True
    return False


EXERCISE = Exercise(
    id="02-3",
    title="Close what is yours, and nothing else",
    task="""\
Write `borrow_or_open(client=None)`, to be used as `async with borrow_or_open(client) as c:`.
A client that was passed in is given to the block and stays open, for it belongs to somebody else.
Without one, the block gets a new `httpx.AsyncClient`, which is closed after the block. Both also
hold when the block raises, and the exception comes out.""",
    starter=borrow_or_open,
    hints=[
        "Two cases, two blocks of code: `if client is not None:` and `else:`, each with a `yield`.",
        "What stands before `yield` runs on entering, what stands after it on leaving. When the "
        "block raises, the exception comes up at the `yield`.",
        "In the second case `async with httpx.AsyncClient() as own:` around the `yield` does the "
        "closing. In the first case there is nothing to do after the `yield`.",
    ],
    wrong=[
        WrongAnswer(closes_whatever_it_gives, "The owner's next request fails"),
        WrongAnswer(enters_whatever_it_gives, "One that somebody else has opened is used as it is"),
        WrongAnswer(closes_nothing, "the connection of its own client is open"),
        WrongAnswer(always_makes_one, "It got another one"),
        WrongAnswer(closes_only_after_success, "the code after `yield` did not run"),
        WrongAnswer(swallows_the_exception, "It disappeared inside your function"),
        WrongAnswer(forgets_the_decorator, "by `@asynccontextmanager` above it"),
        WrongAnswer(returns_it, "needs a `yield`"),
    ],
    solution=solution,
    why="Whoever opens a client closes it. `async with` around the `yield` closes the function's "
    "own client however the block ends; a client from outside is only passed on.",
    check=check,
)
