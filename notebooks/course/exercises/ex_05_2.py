"""More requests than connections: the queue stands in front of the pool, not inside it."""

import asyncio
import functools

import anyio
import httpx

from course.exercises.fetch_all_trial import Trial
from workbench.checking.record import Exercise, WrongAnswer

TURNS = range(1, 7)  # of the event loop: the calls are queued, and nothing is sent yet
# What httpcore's `trace` tells of a request: each is a moment at which the whole call is cancelled.
STEPS = (
    "connection.connect_tcp",
    "http11.send_request_headers",
    "http11.send_request_body",
    "http11.receive_response_headers",
    "http11.receive_response_body",
    "http11.response_closed",
)
# After these httpcore waits for a lock, and a cancellation in that wait costs the connection.
BEFORE_A_LOCK = ("connection.connect_tcp.complete", "http11.response_closed.started")


async def fetch_all(client, urls, limit):
    """Get all the urls, `limit` at a time; return their responses in the order of the urls."""
    return await asyncio.gather(*(client.get(url) for url in urls))


async def solution(client, urls, limit):
    """Get all the urls, `limit` at a time; return their responses in the order of the urls."""
    places = asyncio.Semaphore(limit)

    async def get(url):
        async with places:
            request = asyncio.create_task(client.get(url))
            try:
                return await asyncio.shield(request)
            finally:
                await asyncio.wait([request])

    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(get(url)) for url in urls]
    return [call.result() for call in calls]


# The parts of the answers below


def in_turn(client, limit):
    places = asyncio.Semaphore(limit)

    async def get(url):
        async with places:
            return await client.get(url)

    return get


async def in_a_group(get, urls):
    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(get(url)) for url in urls]
    return [call.result() for call in calls]


def results_of(outcomes):
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return outcomes


# Wrong


async def waits_longer(client, urls, limit):
    return await in_a_group(functools.partial(client.get, timeout=60), urls)


async def tries_again(client, urls, limit):
    async def get(url):
        while True:
            try:
                return await client.get(url)
            except httpx.PoolTimeout:
                await asyncio.sleep(0.01)

    return await asyncio.gather(*(get(url) for url in urls))


async def returns_nothing(client, urls, limit):
    return []


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


async def two_places_always(client, urls, limit):
    return await solution(client, urls, 2)


async def gathers_behind_a_semaphore(client, urls, limit):
    return await asyncio.gather(*map(in_turn(client, limit), urls))


async def hands_errors_out(client, urls, limit):
    return await asyncio.gather(*map(in_turn(client, limit), urls), return_exceptions=True)


async def gives_its_place_back_only_if_all_goes_well(client, urls, limit):
    places = asyncio.Semaphore(limit)

    async def get(url):
        await places.acquire()
        response = await client.get(url)
        places.release()
        return response

    return results_of(await asyncio.gather(*map(get, urls), return_exceptions=True))


async def does_not_shield(client, urls, limit):
    return await in_a_group(in_turn(client, limit), urls)


async def leaves_the_shielded_alone(client, urls, limit):
    places = asyncio.Semaphore(limit)

    async def get(url):
        async with places:
            return await asyncio.shield(client.get(url))

    return await in_a_group(get, urls)


async def shields_and_cancels_all_the_same(client, urls, limit):
    get = in_turn(client, limit)

    async def get_in_a_task(url):
        request = asyncio.create_task(get(url))
        try:
            return await asyncio.shield(request)
        finally:
            request.cancel()
            await asyncio.wait([request])

    return await in_a_group(get_in_a_task, urls)


async def asks_again_after_a_reset(client, urls, limit):
    class Again:
        async def get(self, url):
            try:
                return await client.get(url)
            except httpx.ReadError:
                return await client.get(url)

    return await solution(Again(), urls, limit)


async def waits_for_a_set_of_calls(client, urls, limit):
    get = in_turn(client, limit)
    calls = [asyncio.create_task(get(url)) for url in urls]
    await asyncio.wait(calls)
    return [call.result() for call in calls]


async def returns_when_it_is_cancelled(client, urls, limit):
    try:
        return await solution(client, urls, limit)
    except asyncio.CancelledError:
        return []


# Right, too


async def takes_the_urls_away(client, urls, limit):
    given = list(urls)
    urls.clear()
    return await solution(client, given, limit)


async def with_workers(client, urls, limit):
    waiting, responses = list(enumerate(urls)), {}

    async def work():
        while waiting:
            number, url = waiting.pop(0)
            request = asyncio.create_task(client.get(url))
            try:
                responses[number] = await asyncio.shield(request)
            finally:
                await asyncio.wait([request])

    async with asyncio.TaskGroup() as group:
        for _ in range(limit):
            group.create_task(work())
    return [responses[number] for number in range(len(urls))]


async def cancels_and_waits_itself(client, urls, limit):
    places = asyncio.Semaphore(limit)

    async def get(url):
        async with places:
            request = asyncio.ensure_future(client.get(url))
            try:
                return await asyncio.shield(request)
            except asyncio.CancelledError:
                await asyncio.wait([request])
                raise

    calls = [asyncio.create_task(get(url)) for url in urls]
    try:
        return await asyncio.gather(*calls)
    except BaseException:
        for call in calls:
            if not call.cancelling():  # a second cancel would end the wait for its request
                call.cancel()
        await asyncio.wait(calls)
        raise


async def in_a_group_of_anyio(client, urls, limit):
    responses, places = [None] * len(urls), anyio.CapacityLimiter(limit)

    async def get(number, url):
        async with places:
            responses[number] = await client.get(url)

    async with anyio.create_task_group() as group:
        for call in enumerate(urls):
            group.start_soon(get, *call)
    return responses


async def lets_all_of_it_end(client, urls, limit):
    everything = asyncio.gather(*map(in_turn(client, limit), urls), return_exceptions=True)
    try:
        outcomes = await asyncio.shield(everything)
    finally:
        await asyncio.wait([everything])
    return results_of(outcomes)


async def check(attempt, server):
    trial = Trial(attempt, server)
    for limit in (2, 3):
        await trial.check_burst(limit)
    await trial.check_none()
    for failing in ("/faults/reset", "/status?code=418"):
        await trial.check_failing(failing)
    for turns in TURNS:
        await trial.check_cancelling(turns)
    for moment in BEFORE_A_LOCK:
        for held in range(7):
            await trial.check_cancelling(0, moment, held)
    for step in STEPS:
        for end in ("started", "complete"):
            for turns in range(3):
                await trial.check_cancelling(turns, f"{step}.{end}")


EXERCISE = Exercise(
    id="05-2",
    title="A queue of your own",
    task="`fetch_all` gets many urls with a client that has `limit` connections. Repair it, so "
    "that all are answered, each is asked for once, all connections are used, no more are opened, "
    "and what fails is raised, by itself or in an ExceptionGroup. When it has ended, also by an "
    "error or because it was cancelled, none of its requests is under way, and the client works "
    "as before.",
    starter=fetch_all,
    hints=[
        "In which queue do the calls wait? Who ends the wait there, and what does cancelling do?",
        "An `asyncio.Semaphore(limit)` lets `limit` tasks in at a time. All calls share one.",
        "`gather` raises at the first error, and the other calls go on. What waits for all of "
        "them, and cancels them if one fails? Lesson 05's product page is written with one.",
        "A request that is cancelled when it has just been connected costs its connection. So it "
        "runs in a task of its own: `asyncio.shield` keeps it from being cancelled, and `finally` "
        "waits for its end, before the semaphore's place is given back.",
    ],
    wrong=[
        WrongAnswer(waits_longer, "it was cancelled 1 turn"),
        WrongAnswer(tries_again, "stood in the queue again"),
        WrongAnswer(returns_nothing, "No request was made"),
        WrongAnswer(swallows_the_errors, "Answers are missing"),
        WrongAnswer(takes_a_larger_pool, "with a client of its own"),
        WrongAnswer(one_after_another, "They came one after another"),
        WrongAnswer(in_batches, "in batches the slowest one"),
        WrongAnswer(a_semaphore_for_each, "share the same one"),
        WrongAnswer(two_places_always, "Fewer than 3"),
        WrongAnswer(gathers_behind_a_semaphore, "still ran: `in_turn.<locals>.get`"),
        WrongAnswer(hands_errors_out, "handed out as a result"),
        WrongAnswer(gives_its_place_back_only_if_all_goes_well, "It did not end"),
        WrongAnswer(does_not_shield, "`connection.connect_tcp.complete`, and the pool"),
        WrongAnswer(leaves_the_shielded_alone, "still ran: `AsyncClient.get`"),
        WrongAnswer(shields_and_cancels_all_the_same, "drawn out by"),
        WrongAnswer(asks_again_after_a_reset, "failed, and was asked for again"),
        WrongAnswer(returns_when_it_is_cancelled, "as if nothing had happened"),
        WrongAnswer(takes_the_urls_away, "5 urls before the call, and 0 after it"),
        WrongAnswer(waits_for_a_set_of_calls, "Set of Tasks/Futures is empty"),
    ],
    right=[with_workers, cancels_and_waits_itself, lets_all_of_it_end, in_a_group_of_anyio],
    solution=solution,
    why="The calls wait at the semaphore and not in the pool, so no clock runs while they wait. "
    "The group waits for all of them, and none of them is cut off halfway into its connection.",
    check=check,
)
