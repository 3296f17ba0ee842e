"""Several requests at once: none is under way when their client is closed.

Its check is `gathering.py`.
"""

import asyncio

import httpx

from course.exercises.gathering import check
from workbench.checking.record import Exercise, WrongAnswer


async def fetch_all(urls):
    """Get all the urls at the same time; return their responses, in the order of the urls."""
    async with httpx.AsyncClient() as client:
        tasks = [asyncio.create_task(client.get(url)) for url in urls]
        await asyncio.sleep(0.2)
    return [await task for task in tasks]


async def solution(urls):
    """Get all the urls at the same time; return their responses, in the order of the urls."""
    async with httpx.AsyncClient() as client, asyncio.TaskGroup() as group:
        tasks = [group.create_task(client.get(url)) for url in urls]
    return [task.result() for task in tasks]


def started(client, urls):
    return [asyncio.create_task(client.get(url)) for url in urls]


async def grouped(client, urls):
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(client.get(url)) for url in urls]
    return [task.result() for task in tasks]


# Wrong


async def gathers_outside(urls):
    async with httpx.AsyncClient() as client:
        pass
    return await asyncio.gather(*(client.get(url) for url in urls))


async def gathers_inside(urls):
    async with httpx.AsyncClient() as client:
        return await asyncio.gather(*(client.get(url) for url in urls))


async def pauses_for_one_turn(urls):
    async with httpx.AsyncClient() as client:
        tasks = started(client, urls)
        await asyncio.sleep(0)
    return await asyncio.gather(*tasks)


async def sleeps_long(urls):
    async with httpx.AsyncClient(timeout=60) as client:
        tasks = started(client, urls)
        await asyncio.sleep(30)
    return [await task for task in tasks]


async def waits_with_a_limit(urls):
    async with httpx.AsyncClient() as client:
        tasks = started(client, urls)
        done, _ = await asyncio.wait(tasks, timeout=4)
    return [task.result() for task in tasks if task in done]


async def sets_a_deadline(urls):
    async with asyncio.timeout(4):
        return await solution(urls)


async def tries_again(urls):
    async def get(client, url):
        for _ in range(3):
            try:
                return await client.get(url)
            except httpx.TransportError:
                await asyncio.sleep(0.01)

    async with httpx.AsyncClient() as client:
        tasks = [asyncio.create_task(get(client, url)) for url in urls]
        await asyncio.sleep(2)
    return await asyncio.gather(*tasks)


async def one_after_another(urls):
    async with httpx.AsyncClient() as client:
        return [await client.get(url) for url in urls]


async def has_three_connections(urls):
    limits = httpx.Limits(max_connections=3)
    async with httpx.AsyncClient(limits=limits) as client:
        return await grouped(client, urls)


async def keeps_its_tasks_by_url(urls):
    async with httpx.AsyncClient() as client, asyncio.TaskGroup() as group:
        tasks = {url: group.create_task(client.get(url)) for url in urls}
    return [task.result() for task in tasks.values()]


async def empties_the_list(urls):
    async with httpx.AsyncClient() as client, asyncio.TaskGroup() as group:
        tasks = []
        while urls:
            tasks.append(group.create_task(client.get(urls.pop(0))))
    return [task.result() for task in tasks]


async def in_the_order_of_arrival(urls):
    async with httpx.AsyncClient() as client:
        calls = [client.get(url) for url in urls]
        return [await call for call in asyncio.as_completed(calls)]


async def by_their_urls(urls):
    return dict(zip(urls, await solution(urls), strict=True))


async def raises_one_of_its_own(urls):
    try:
        return await solution(urls)
    except* httpx.HTTPError:
        raise RuntimeError("a url has failed") from None


async def hands_errors_out(urls):
    async with httpx.AsyncClient() as client:
        calls = (client.get(url) for url in urls)
        return await asyncio.gather(*calls, return_exceptions=True)


async def swallows_the_errors(urls):
    outcomes = await hands_errors_out(urls)
    return [outcome for outcome in outcomes if isinstance(outcome, httpx.Response)]


async def waits_and_cancels_nothing(urls):
    async with httpx.AsyncClient() as client:
        tasks = started(client, urls)
        await asyncio.wait(tasks)
        return [task.result() for task in tasks]


async def cannot_wait_for_none(urls):
    async with httpx.AsyncClient() as client:
        tasks = started(client, urls)
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


async def returns_unread_streams(urls):
    async with httpx.AsyncClient() as client:
        requests = [client.build_request("GET", url) for url in urls]
        return await asyncio.gather(*(client.send(each, stream=True) for each in requests))


async def closes_in_a_task_that_nobody_awaits(urls):
    client = httpx.AsyncClient()
    try:
        return await grouped(client, urls)
    finally:
        asyncio.create_task(client.aclose())  # noqa: RUF006


async def closes_only_if_all_goes_well(urls):
    client = httpx.AsyncClient()
    responses = await grouped(client, urls)
    await client.aclose()
    return responses


async def returns_nothing(urls):
    return []


async def asks_synchronously(urls):
    with httpx.Client() as client:
        return [client.get(url) for url in urls]


# Right, too


async def gathers_and_cleans_up(urls):
    async with httpx.AsyncClient(timeout=None) as client:
        tasks = started(client, urls)
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def lets_all_end_and_raises(urls):
    outcomes = await hands_errors_out(urls)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return outcomes


async def a_client_for_each(urls):
    context = httpx.create_ssl_context()

    async def get(url):
        async with httpx.AsyncClient(verify=context) as client:
            return await client.get(url)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(get(url)) for url in urls]
    return [task.result() for task in tasks]


EXERCISE = Exercise(
    id="03-1",
    title="All the answers before the end",
    task="`fetch_all` gets several urls at once. It works as long as the server answers within its "
    "pause of 0.2 s. Repair it, so that it works however long the server takes. If a url fails, "
    "its error is raised, by itself or in an ExceptionGroup. However the call ends, also when it "
    "is cancelled, nothing of it goes on.",
    starter=fetch_all,
    hints=[
        "Find the line that closes the client. Which requests may still be running there?",
        "No pause is the right one, and no limit. What you want to wait for is the tasks.",
        "`asyncio.gather(...)` inside the client's block waits for all of them unless one fails: "
        "then it raises at once, and the others go on. What waits for them in that case, too?",
        "`async with httpx.AsyncClient() as client, asyncio.TaskGroup() as group:` leaves the "
        "group first. Make the tasks with `group.create_task(...)`; after the block each has its "
        "`.result()`.",
    ],
    wrong=[
        WrongAnswer(gathers_outside, "after its `async with` block"),
        WrongAnswer(gathers_inside, "`/faults/reset` failed, and was raised at once"),
        WrongAnswer(pauses_for_one_turn, "All was answered, it was over, and a connection"),
        WrongAnswer(sleeps_long, "No pause is long enough for every server"),
        WrongAnswer(waits_with_a_limit, "without the answers that were still to come"),
        WrongAnswer(sets_a_deadline, "a deadline of its own"),
        WrongAnswer(tries_again, "a second try asked the client"),
        WrongAnswer(one_after_another, "The 3 were never all under way"),
        WrongAnswer(has_three_connections, "The 25 were never all under way"),
        WrongAnswer(empties_the_list, "with 0 urls in it"),
        WrongAnswer(keeps_its_tasks_by_url, "The same url was given two times"),
        WrongAnswer(in_the_order_of_arrival, "in another order"),
        WrongAnswer(by_their_urls, "an object of type `dict`"),
        WrongAnswer(raises_one_of_its_own, "`RuntimeError('a url has failed')"),
        WrongAnswer(hands_errors_out, "handed out as if it were a response"),
        WrongAnswer(swallows_the_errors, "4 of 5 responses came back"),
        WrongAnswer(waits_and_cancels_nothing, "It was cancelled: the client was closed"),
        WrongAnswer(cannot_wait_for_none, "Set of Tasks/Futures is empty"),
        WrongAnswer(returns_unread_streams, "is not read"),
        WrongAnswer(closes_in_a_task_that_nobody_awaits, "still ran: `AsyncClient.aclose`"),
        WrongAnswer(closes_only_if_all_goes_well, "`/faults/reset` failed, it was over, and"),
        WrongAnswer(returns_nothing, "No request was made"),
        WrongAnswer(asks_synchronously, "`socket.connect()`"),
    ],
    right=[gathers_and_cleans_up, lets_all_end_and_raises, a_client_for_each],
    solution=solution,
    why="The group is left before the client is closed, and it waits for its tasks, also for those "
    "that it cancels because one has failed or because it is cancelled itself. What failed comes "
    "out in an ExceptionGroup: `except*` looks inside.",
    check=check,
)
