"""Several requests at once, all answered before their client is closed."""

import asyncio

import httpx

from workbench.checking.record import Exercise, Wrong, WrongAnswer, all_reach, expect, still_open

GATES = ("first", "second", "third")
# How long the server holds its answers, and how long the wrong answers pause, in seconds: shorter
# than the one, and longer than three connections take to open on a busy machine.
HOLD = 1.5
PAUSE = 1.0


async def fetch_all(urls):
    """Get all the urls at the same time; return their responses, in the order of the urls."""
    async with httpx.AsyncClient() as client:
        tasks = [asyncio.create_task(client.get(url)) for url in urls]
        await asyncio.sleep(0.2)
    return [await task for task in tasks]


async def solution(urls):
    """Get all the urls at the same time; return their responses, in the order of the urls."""
    async with httpx.AsyncClient() as client:
        return await asyncio.gather(*(client.get(url) for url in urls))


async def gathers_outside(urls):
    async with httpx.AsyncClient() as client:
        calls = [client.get(url) for url in urls]
    return await asyncio.gather(*calls)


async def pauses_for_one_turn(urls):
    async with httpx.AsyncClient() as client:
        tasks = [asyncio.create_task(client.get(url)) for url in urls]
        await asyncio.sleep(0)
    return await asyncio.gather(*tasks)


async def raises_the_time_limit(urls):
    async with httpx.AsyncClient(timeout=60) as client:
        tasks = [asyncio.create_task(client.get(url)) for url in urls]
        await asyncio.sleep(PAUSE)
    return [await task for task in tasks]


async def swallows_the_errors(urls):
    async with httpx.AsyncClient() as client:
        tasks = [asyncio.create_task(client.get(url)) for url in urls]
        await asyncio.sleep(PAUSE)
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    return [outcome for outcome in outcomes if isinstance(outcome, httpx.Response)]


async def tries_again(urls):
    async def get(client, url):
        for _ in range(3):
            try:
                return await client.get(url)
            except httpx.TransportError:
                await asyncio.sleep(0.01)

    async with httpx.AsyncClient() as client:
        tasks = [asyncio.create_task(get(client, url)) for url in urls]
        await asyncio.sleep(PAUSE)
    return await asyncio.gather(*tasks)


async def one_after_another(urls):
    async with httpx.AsyncClient() as client:
        return [await client.get(url) for url in urls]


async def in_the_order_of_arrival(urls):
    async with httpx.AsyncClient() as client:
        calls = [client.get(url) for url in urls]
        return [await call for call in asyncio.as_completed(calls)]


async def check(attempt, server):
    urls = [f"{server.url}/faults/hold?gate={gate}" for gate in GATES]
    running = asyncio.create_task(attempt(urls))
    try:
        # The server answers when all the requests have arrived and a moment has passed, and it
        # answers the last one first.
        arrived = await all_reach(server, running, GATES)
        if arrived:
            await asyncio.wait([running], timeout=HOLD)
        for gate in reversed(GATES):
            server.gates.open(gate)
            await asyncio.sleep(0.02)
        responses = await running
    except httpx.ReadError as error:
        raise Wrong(
            "The client stays open until every answer has arrived.",
            happened=f"`{error!r}`: the client was closed while the server still held the "
            "requests. No pause is long enough for every server.",
        ) from error
    except RuntimeError as error:
        if "client has been closed" not in str(error):
            raise
        raise Wrong(
            "The client is open whenever a request is made.",
            happened="A second try asked the client after it had been closed: each one is refused."
            if attempt.seen.requests
            else "The client was closed before the first request had begun, and refused them all.",
        ) from error
    expect(
        arrived,
        "All the requests at the same time.",
        happened="They came one after another: the second waited for the answer to the first.",
    )
    expect(
        isinstance(responses, list | tuple) and len(responses) == len(urls),
        f"A list of {len(urls)} responses.",
        happened="Answers are missing, and no exception says so: the errors were swallowed.",
    )
    expect(
        [str(getattr(response, "url", response)) for response in responses] == urls,
        "The responses in the order of the urls.",
        happened="They are in another order, such as that in which they arrived.",
    )
    expect(
        not still_open(attempt.seen),
        "Every connection is closed at the end.",
        happened="Connections are still open, and their client is closed already: nobody can close "
        "them now. A pause lets the requests begin; it does not wait for them.",
    )


EXERCISE = Exercise(
    id="03-1",
    title="All the answers before the end",
    task="`fetch_all` gets several urls at once. It works as long as the server answers within its "
    "pause of 0.2 s. Repair it, so that it works however long the server takes.",
    starter=fetch_all,
    hints=[
        "Find the line that closes the client. Which requests may still be running there?",
        "No pause is the right one. What you want to wait for is the tasks themselves.",
        "`asyncio.gather(...)` waits for several calls and gives their results in the order of the "
        "calls. It has to stand inside the client's block.",
    ],
    wrong=[
        WrongAnswer(gathers_outside, "before the first request had begun"),
        WrongAnswer(pauses_for_one_turn, "it does not wait for them"),
        WrongAnswer(raises_the_time_limit, "while the server still held the requests"),
        WrongAnswer(swallows_the_errors, "the errors were swallowed"),
        WrongAnswer(tries_again, "A second try asked the client"),
        WrongAnswer(one_after_another, "one after another"),
        WrongAnswer(in_the_order_of_arrival, "in another order"),
    ],
    solution=solution,
    why="`gather` stands inside the block, so the client is closed only after the last answer; a "
    "`TaskGroup` inside the block does the same.",
    check=check,
)
