"""More requests than connections: the queue stands in front of the pool, not inside it."""

import asyncio
import ssl

import httpx

from workbench.checking.record import Exercise, Wrong, WrongAnswer, all_reach, expect

LIMIT = 2
GATES = ("first", "second", "third", "fourth", "fifth")
POOL = 0.3  # seconds
TURNS = 5  # of the event loop: in one of the first, the calls are queued and nothing is sent yet


async def fetch_all(client, urls, limit):
    """Get all the urls, `limit` at a time; return their responses in the order of the urls."""
    return await asyncio.gather(*(client.get(url) for url in urls))


async def solution(client, urls, limit):
    """Get all the urls, `limit` at a time; return their responses in the order of the urls."""
    places = asyncio.Semaphore(limit)

    async def get(url):
        async with places:
            return await client.get(url)

    return await asyncio.gather(*(get(url) for url in urls))


async def waits_longer(client, urls, limit):
    timeout = httpx.Timeout(60)
    return await asyncio.gather(*(client.get(url, timeout=timeout) for url in urls))


async def tries_again(client, urls, limit):
    async def get(url):
        while True:
            try:
                return await client.get(url)
            except httpx.PoolTimeout:
                await asyncio.sleep(0.01)

    return await asyncio.gather(*(get(url) for url in urls))


async def swallows_the_errors(client, urls, limit):
    calls = (client.get(url) for url in urls)
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    return [outcome for outcome in outcomes if isinstance(outcome, httpx.Response)]


async def takes_a_larger_pool(client, urls, limit):
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(limits=limits) as own:
        return await asyncio.gather(*(own.get(url) for url in urls))


async def one_after_another(client, urls, limit):
    return [await client.get(url) for url in urls]


async def in_batches(client, urls, limit):
    responses = []
    for first in range(0, len(urls), limit):
        batch = urls[first : first + limit]
        responses += await asyncio.gather(*(client.get(url) for url in batch))
    return responses


async def a_semaphore_for_each(client, urls, limit):
    async def get(url):
        async with asyncio.Semaphore(limit):
            return await client.get(url)

    return await asyncio.gather(*(get(url) for url in urls))


async def check(attempt, server):
    context = ssl.create_default_context()
    asked = []

    async def note(request):
        asked.append(request.url)

    def new_client():
        return httpx.AsyncClient(
            verify=context,
            limits=httpx.Limits(max_connections=LIMIT),
            timeout=httpx.Timeout(5, pool=POOL),
            event_hooks={"request": [note]},
        )

    urls = [f"{server.url}/faults/hold?gate={gate}" for gate in GATES]
    async with new_client() as client:
        await _check_burst(attempt, server, client, urls, asked)
    for turns in range(1, TURNS + 1):
        async with new_client() as client:
            await _check_cancelling(attempt, server, client, urls, turns)


async def _check_burst(attempt, server, client, urls, asked):
    running = asyncio.create_task(attempt(client, urls, LIMIT))
    try:
        together = await all_reach(server, running, GATES[:LIMIT])
        # The server works for longer than the pool lets anyone wait.
        await asyncio.wait([running], timeout=2 * POOL)
        server.gates.open(GATES[1])
        moved_up = await all_reach(server, running, GATES[LIMIT : LIMIT + 1])
        for gate in GATES:
            server.gates.open(gate)
        responses = await running
    except httpx.PoolTimeout as error:
        raise Wrong(
            "Every url is answered, however long the server takes.",
            happened=f"`{error!r}`: calls were waiting in the pool's own queue, where `pool=` ends "
            "the wait. A semaphore keeps them out of it if all of them share the same one.",
        ) from error
    finally:
        running.cancel()
        await asyncio.wait([running])
    opened = attempt.seen.connections
    expect(
        opened <= LIMIT,
        f"At most {LIMIT} connections.",
        happened=f"The server saw {opened}: it would be the next one to fail.",
    )
    expect(
        together,
        f"{LIMIT} urls at the same time.",
        happened="They came one after another: a connection was free and nobody used it.",
    )
    expect(
        isinstance(responses, list | tuple) and len(responses) == len(urls),
        f"A list of {len(urls)} responses.",
        happened="Answers are missing, and no exception says so: the errors were swallowed.",
    )
    expect(
        [str(getattr(response, "url", response)) for response in responses] == urls,
        "The responses in the order of the urls.",
        happened="They are in another order.",
    )
    expect(
        len(asked) <= len(urls),
        "Each url is asked for once.",
        happened=f"{len(asked)} requests were begun for {len(urls)} urls: whoever gave up stood in "
        "the queue again, behind everybody else.",
    )
    expect(
        moved_up,
        "A connection that comes free is used at once.",
        happened="The second url was answered, and the third had to wait for the first: in batches "
        "the slowest one holds up all the others.",
    )


async def _check_cancelling(attempt, server, client, urls, turns):
    calls = asyncio.create_task(attempt(client, urls, LIMIT))
    for _ in range(turns):
        await asyncio.sleep(0)
    calls.cancel()
    await asyncio.wait([calls])
    try:
        await client.get(server.url + "/echo")
    except httpx.PoolTimeout as error:
        raise Wrong(
            "After a cancelled `fetch_all` the client works as before.",
            happened=f"`{error!r}`: calls were cancelled in the pool's queue, and left it with "
            "connections that no request has. Waiting longer does not bring them back.",
        ) from error


EXERCISE = Exercise(
    id="05-2",
    title="A queue of your own",
    task="`fetch_all` gets many urls with a client that has `limit` connections. Repair it, so "
    "that all are answered, all connections are used, no more are opened, and the client stays "
    "usable if the whole call is cancelled.",
    starter=fetch_all,
    hints=[
        "In which queue do the calls wait? Who ends the wait there, and what does cancelling do?",
        "An `asyncio.Semaphore(limit)` lets `limit` tasks in at a time. All calls share one.",
        "Write an inner `async def get(url)` that makes its request inside `async with` of the "
        "semaphore, and gather those.",
    ],
    wrong=[
        WrongAnswer(waits_longer, "connections that no request has"),
        WrongAnswer(tries_again, "stood in the queue again"),
        WrongAnswer(swallows_the_errors, "the errors were swallowed"),
        WrongAnswer(takes_a_larger_pool, "the next one to fail"),
        WrongAnswer(one_after_another, "one after another"),
        WrongAnswer(in_batches, "in batches the slowest one"),
        WrongAnswer(a_semaphore_for_each, "share the same one"),
    ],
    solution=solution,
    why="The calls wait at the semaphore and not in the pool, so no clock runs while they wait, "
    "and one that is cancelled there has not asked the pool for anything.",
    check=check,
)
