"""The check of exercise 02-3: whose client a block gets, and what is left of it, however it ends.

`ex_02_3.py` uses it. It talks to the check's own server.
"""

import httpx

from course.exercises.ended import clients_made
from course.exercises.ownership import settings_of
from course.exercises.stumbles import ERRORS
from workbench.checking.record import expect, still_open


async def check(attempt, server):
    async with httpx.AsyncClient(cookies={"session": "anna"}) as shared:
        await shared.get(server.url + "/echo")
        await _check_borrowed(attempt, server, shared)
    await _check_closed(attempt, shared)
    await _check_own(attempt, server)
    with clients_made() as made:
        async with attempt(shared):
            pass
    expect(
        all(client.is_closed for client in made),
        "With a client from outside it needs none of its own.",
        happened="It made one all the same, and left it open.",
    )
    async with attempt() as one, attempt() as other:
        same = one is other
    expect(
        not same,
        "Each block without a client from outside gets a new one of its own.",
        happened="Two open blocks got the same one: whoever leaves first closes it for both.",
    )


async def _check_borrowed(attempt, server, shared):
    """The shared client has sent a request and is in use elsewhere."""
    before = settings_of(shared)
    async with attempt(shared) as client:
        is_shared = client is shared
        meanwhile = settings_of(shared)
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
    after = settings_of(shared)
    changed = [
        name for name, value in before.items() if not value == meanwhile[name] == after[name]
    ]
    expect(
        not changed,
        "A client that was passed in is left as it was.",
        happened=f"{'In' if after == before else 'After'} the block its `{', '.join(changed)}` are "
        "others, for its owner as well.",
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


async def _check_closed(attempt, closed):
    """One that its owner has closed: that is the owner's mistake, and not to be hidden."""
    async with attempt(closed) as client:
        is_the_same = client is closed
    expect(
        is_the_same,
        "The block gets the very client that was passed in, also a closed one.",
        happened="Its owner had closed it, and the block got another one: without the owner's "
        "settings, and the owner never hears of the mistake.",
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
        issubclass(kind, httpx.AsyncClient),
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
