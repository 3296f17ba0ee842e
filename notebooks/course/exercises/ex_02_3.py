"""Who opens a client closes it: a function that takes one or makes one."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext, suppress

import httpx

from course.exercises.stumbles import ERRORS
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


@asynccontextmanager
async def swallows_httpx_errors_of_a_lent_one(client=None):
    if client is None:
        async with httpx.AsyncClient() as own:
            yield own
    else:
        with suppress(httpx.HTTPError):
            yield client


@asynccontextmanager
async def closes_in_a_task_that_nobody_awaits(client=None):
    if client is not None:
        yield client
    else:
        own = httpx.AsyncClient()
        try:
            yield own
        finally:
            asyncio.create_task(own.aclose())  # noqa: RUF006


@asynccontextmanager
async def closes_a_lent_one_after_an_error(client=None):
    given = client or httpx.AsyncClient()
    try:
        yield given
    except BaseException:
        await given.aclose()
        raise
    if client is None:
        await given.aclose()


@asynccontextmanager
async def with_a_null_context(client=None):
    async with httpx.AsyncClient() if client is None else nullcontext(client) as given:
        yield given


@asynccontextmanager
async def with_an_exit_stack(client=None):
    async with AsyncExitStack() as stack:
        if client is None:
            client = httpx.AsyncClient()
            stack.push_async_callback(client.aclose)
        yield client


kept = None


@asynccontextmanager
async def keeps_its_own_in_a_global(client=None):
    global kept
    if client is not None:
        yield client
    else:
        if kept is None or kept.is_closed:
            kept = httpx.AsyncClient()
        async with AsyncExitStack() as stack:
            stack.push_async_callback(kept.aclose)
            yield kept


@asynccontextmanager
async def raises_a_copy(client=None):
    if client is not None:
        yield client
    else:
        async with httpx.AsyncClient() as own:
            try:
                yield own
            except Exception as error:
                raise type(error)("while using the client") from None


async def forgets_the_decorator(client=None):
    if client is not None:
        yield client
    else:
        async with httpx.AsyncClient() as own:
            yield own


@asynccontextmanager
async def returns_it(client=None):
    return client or httpx.AsyncClient()


async def check(attempt, server):
    async with httpx.AsyncClient() as shared:
        await shared.get(server.url + "/echo")
        await _check_borrowed(attempt, server, shared)
    await _check_own(attempt, server)
    async with attempt() as one, attempt() as other:
        same = one is other
    expect(
        not same,
        "Each block without a client from outside gets a new one of its own.",
        happened="Two open blocks got the same one: whoever leaves first closes it for both.",
    )


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
    for words, error in ERRORS.items():
        came_out = await _stumble(attempt, error, shared)
        expect(
            not shared.is_closed,
            "A client that was passed in stays open, also when the block raises.",
            happened=f"The block ended with {words}, and a client that was not its own was closed.",
        )
        expect(
            came_out,
            "An exception of the block comes out of it, whosever client it is.",
            happened=f"The block had a client from outside, ended with {words}, and that "
            "disappeared inside your function.",
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
    await _check_own_after_success(attempt, server)
    for words, error in ERRORS.items():
        with server.ledger.watch() as seen:
            came_out = await _stumble(attempt, error, url=server.url + "/echo")
            await attempt.settle()
        expect(
            not still_open(seen),
            "A client that the function made is closed after the block, also when it raises.",
            happened=f"The block ended with {words}, and the code after `yield` did not run.",
            seen=seen,
        )
        expect(
            came_out,
            "An exception of the block comes out of it.",
            happened=f"The block ended with {words}, and it disappeared inside your function.",
            seen=seen,
        )


async def _check_own_after_success(attempt, server):
    with server.ledger.watch() as seen:
        async with attempt() as own:
            kind = type(own)
            if isinstance(own, httpx.AsyncClient):
                await own.get(server.url + "/echo")
        pending = attempt.pending
        await attempt.settle()
    expect(
        kind is httpx.AsyncClient,
        "Without a client passed in, the block gets a new `httpx.AsyncClient`.",
        happened=f"It got an object of type `{kind.__name__}`.",
        seen=seen,
    )
    expect(
        not pending,
        "The function's own client is closed when the block is over: the closing is awaited.",
        happened="The block was over, and a task still ran that nobody waited for: "
        f"`{next(iter(pending), '')}`.",
        seen=seen,
    )
    expect(
        not still_open(seen),
        "A client that the function made is closed after the block, as nobody else can close it.",
        happened="The block is over, and the connection of its own client is open.",
        seen=seen,
    )


async def _stumble(attempt, error, *args, url=None):
    """Raise in the block; return whether the exception came out."""
    raised = error("raised inside the block")
    try:
        async with attempt(*args) as client:
            if url is not None:
                await client.get(url)
            raise raised
    except error as came_out:
        expect(
            came_out is raised,
            "The exception of the block itself comes out.",
            happened="The block raised an exception, and another one of its type came out.",
        )
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
        WrongAnswer(swallows_the_exception, "and it disappeared inside your function"),
        WrongAnswer(swallows_httpx_errors_of_a_lent_one, "The block had a client from outside"),
        WrongAnswer(closes_in_a_task_that_nobody_awaits, "a task still ran that nobody waited for"),
        WrongAnswer(closes_a_lent_one_after_an_error, "a client that was not its own was closed"),
        WrongAnswer(keeps_its_own_in_a_global, "Two open blocks got the same one"),
        WrongAnswer(raises_a_copy, "another one of its type came out"),
        WrongAnswer(forgets_the_decorator, "by `@asynccontextmanager` above it"),
        WrongAnswer(returns_it, "needs a `yield`"),
    ],
    right=[with_a_null_context, with_an_exit_stack],
    solution=solution,
    why="Whoever opens a client closes it. `async with` around the `yield` closes the function's "
    "own client however the block ends; a client from outside is only passed on.",
    check=check,
)
