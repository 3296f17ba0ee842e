"""Who opens a client closes it: a function that takes one or makes one."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext, suppress

import httpx

from course.exercises.borrowing import check
from workbench.checking.record import Exercise, WrongAnswer


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


# Right, too


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


# Wrong


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
async def replaces_a_closed_one(client=None):
    if client is not None and not client.is_closed:
        yield client
    else:
        async with httpx.AsyncClient() as own:
            yield own


@asynccontextmanager
async def makes_one_in_any_case(client=None):
    own = httpx.AsyncClient()
    if client is not None:
        yield client
    else:
        async with own:
            yield own


async def forgets_the_decorator(client=None):
    if client is not None:
        yield client
    else:
        async with httpx.AsyncClient() as own:
            yield own


@asynccontextmanager
async def returns_it(client=None):
    return client or httpx.AsyncClient()


# Wrong about a client of its own only: what each does in the second case


def its_own(open_one):
    @asynccontextmanager
    async def answer(client=None):
        opened = asynccontextmanager(open_one)() if client is None else nullcontext(client)
        async with opened as given:
            yield given

    answer.__name__ = open_one.__name__
    return answer


@its_own
async def closes_only_after_success():
    own = httpx.AsyncClient()
    yield own
    await own.aclose()


@its_own
async def closes_unless_it_is_interrupted():
    own = httpx.AsyncClient()
    try:
        yield own
    except (Exception, asyncio.CancelledError):
        await own.aclose()
        raise
    await own.aclose()


@its_own
async def swallows_the_exception():
    async with httpx.AsyncClient() as own:
        with suppress(Exception):
            yield own


@its_own
async def swallows_key_errors():
    async with httpx.AsyncClient() as own:
        with suppress(KeyError):
            yield own


@its_own
async def closes_in_a_task_that_nobody_awaits():
    own = httpx.AsyncClient()
    try:
        yield own
    finally:
        asyncio.create_task(own.aclose())  # noqa: RUF006


kept = []


@its_own
async def keeps_its_own_in_a_global():
    if not kept or kept[-1].is_closed:
        kept.append(httpx.AsyncClient())
    async with AsyncExitStack() as stack:
        stack.push_async_callback(kept[-1].aclose)
        yield kept[-1]


@its_own
async def raises_a_copy():
    async with httpx.AsyncClient() as own:
        try:
            yield own
        except Exception as error:
            raise type(error)("while using the client") from None


# Wrong about one that was lent only: what each does with it in the first case


def a_lent_one(pass_on):
    @asynccontextmanager
    async def answer(client=None):
        opened = httpx.AsyncClient() if client is None else asynccontextmanager(pass_on)(client)
        async with opened as given:
            yield given

    answer.__name__ = pass_on.__name__
    return answer


@a_lent_one
async def swallows_httpx_errors_of_a_lent_one(client):
    with suppress(httpx.HTTPError):
        yield client


@a_lent_one
async def swallows_value_errors_of_a_lent_one(client):
    with suppress(ValueError):
        yield client


@a_lent_one
async def cleans_a_lent_one_up(client):
    yield client
    client.cookies.clear()


@a_lent_one
async def sets_headers_of_a_lent_one(client):
    client.headers["accept"] = "application/json"
    yield client


@a_lent_one
async def lifts_the_time_limit_of_a_lent_one(client):
    timeout, client.timeout = client.timeout, None
    try:
        yield client
    finally:
        client.timeout = timeout


def returns_one_of_two(client=None):
    return httpx.AsyncClient() if client is None else nullcontext(client)


class BorrowsOrOpens:
    def __init__(self, client=None):
        self.own = None if client is not None else httpx.AsyncClient()
        self.client = client or self.own

    async def __aenter__(self):
        return self.client

    async def __aexit__(self, *exc_info):
        if self.own is not None:
            await self.own.aclose()


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
        WrongAnswer(closes_only_after_success, "an exception, and the code after `yield`"),
        WrongAnswer(closes_unless_it_is_interrupted, "an interrupt, and the code after `yield`"),
        WrongAnswer(swallows_the_exception, "ended with an exception, and it disappeared"),
        WrongAnswer(swallows_key_errors, "ended with a KeyError, and it disappeared"),
        WrongAnswer(swallows_httpx_errors_of_a_lent_one, "ended with an exception of httpx, and"),
        WrongAnswer(swallows_value_errors_of_a_lent_one, "ended with a ValueError, and that"),
        WrongAnswer(sets_headers_of_a_lent_one, "its `headers` are others"),
        WrongAnswer(cleans_a_lent_one_up, "its `cookies` are others"),
        WrongAnswer(lifts_the_time_limit_of_a_lent_one, "In the block its `timeout` are others"),
        WrongAnswer(replaces_a_closed_one, "Its owner had closed it, and"),
        WrongAnswer(makes_one_in_any_case, "It made one all the same"),
        WrongAnswer(closes_in_a_task_that_nobody_awaits, "a task still ran that nobody waited for"),
        WrongAnswer(closes_a_lent_one_after_an_error, "a client that was not its own was closed"),
        WrongAnswer(keeps_its_own_in_a_global, "Two open blocks got the same one"),
        WrongAnswer(raises_a_copy, "another one of its type came out"),
        WrongAnswer(forgets_the_decorator, "by `@asynccontextmanager` above it"),
        WrongAnswer(returns_it, "needs a `yield`"),
    ],
    right=[with_a_null_context, with_an_exit_stack, BorrowsOrOpens, returns_one_of_two],
    solution=solution,
    why="Whoever opens a client closes it. `async with` around the `yield` closes the function's "
    "own client however the block ends; a client from outside is only passed on.",
    check=check,
)
