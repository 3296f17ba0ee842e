"""Several requests at once: none is under way any more when their client is closed."""

import asyncio

import httpx

from course.exercises.closing_trial import Trial, all_in, check_cancelled, let_an_hour_pass
from workbench.checking.record import Exercise, Wrong, WrongAnswer, expect

RESET = "/faults/reset"
INVALID = "http://127.0.0.1:port/"  # httpx.InvalidURL, which is no httpx.HTTPError


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


async def gathers_outside(urls):
    async with httpx.AsyncClient() as client:
        pass
    return await asyncio.gather(*(client.get(url) for url in urls))


async def gathers_inside(urls):
    async with httpx.AsyncClient() as client:
        return await asyncio.gather(*(client.get(url) for url in urls))


async def pauses_for_one_turn(urls):
    async with httpx.AsyncClient() as client:
        tasks = [asyncio.create_task(client.get(url)) for url in urls]
        await asyncio.sleep(0)
    return await asyncio.gather(*tasks)


async def sleeps_long(urls):
    async with httpx.AsyncClient(timeout=60) as client:
        tasks = [asyncio.create_task(client.get(url)) for url in urls]
        await asyncio.sleep(30)
    return [await task for task in tasks]


async def waits_with_a_limit(urls):
    async with httpx.AsyncClient() as client:
        tasks = [asyncio.create_task(client.get(url)) for url in urls]
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
        tasks = [asyncio.create_task(client.get(url)) for url in urls]
        await asyncio.wait(tasks)
        return [task.result() for task in tasks]


async def returns_unread_streams(urls):
    async with httpx.AsyncClient() as client, asyncio.TaskGroup() as group:
        requests = [client.build_request("GET", url) for url in urls]
        tasks = [group.create_task(client.send(each, stream=True)) for each in requests]
    return [task.result() for task in tasks]


async def grouped(client, urls):
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(client.get(url)) for url in urls]
    return [task.result() for task in tasks]


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


async def gathers_and_cleans_up(urls):
    async with httpx.AsyncClient(timeout=None) as client:
        tasks = [asyncio.create_task(client.get(url)) for url in urls]
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
    async def get(url):
        async with httpx.AsyncClient() as client:
            return await client.get(url)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(get(url)) for url in urls]
    return [task.result() for task in tasks]


async def check(attempt, server):
    for count in (3, 2):
        await check_slow(attempt, server, count)
    await check_failing(attempt, server, server.url + RESET)
    await check_failing(attempt, server, INVALID)
    await check_cancelled(attempt, server, "cancelled")


async def check_slow(attempt, server, count):
    """Answers that take an hour by the loop's clock, the last one first."""
    numbers = range(1, count + 1)
    trial = Trial(attempt, server, f"slow-of-{count}")
    urls = trial.held(*numbers)
    with trial.start(urls, numbers) as running:
        if together := await trial.all_arrive(running):
            await let_an_hour_pass(running)
        await trial.open(running)
    trial.require_running_loop()
    if trial.error is None:
        attempt.require_request(trial.seen)
    elif trial.cut:
        _blame_for_the_cut(trial)
    elif isinstance(trial.error, TimeoutError):
        raise Wrong(
            "It waits for the answers, however long the server takes.",
            happened=f"`{trial.error!r}`: a deadline of its own was over before the answers came.",
        )
    else:
        raise all_in(trial.error)[0]
    expect(
        together,
        "All the requests at the same time.",
        happened="They were never all under way: one waited for the answer to another.",
    )
    _expect_the_responses(trial.outcome, urls)
    await trial.require_nothing_left("All was answered")
    trial.require_nothing_cut("The server had not answered yet")


def _blame_for_the_cut(trial):
    """Raise `Wrong` for a client that was closed under a request, and what came out of it."""
    again = isinstance(trial.error, RuntimeError)
    raise Wrong(
        "The client stays open until every answer has arrived.",
        happened="Its requests were cut by closing the client, and a second try asked the client "
        "after that: it refuses."
        if again
        else f"`{trial.error!r}`: the client was closed while the server still held the requests. "
        "No pause is long enough for every server.",
        seen=trial.seen,
    )


def _expect_the_responses(responses, urls):
    expect(
        isinstance(responses, list | tuple),
        f"A list of {len(urls)} responses.",
        happened=f"It returned an object of type `{type(responses).__name__}`.",
    )
    expect(
        len(responses) == len(urls),
        f"A list of {len(urls)} responses.",
        happened="It returned before the server had answered, without the answers that were still "
        "to come.",
    )
    strange = [each for each in responses if not isinstance(each, httpx.Response)]
    expect(
        not strange,
        "A list of responses.",
        happened=f"In the list is an object of type `{type(next(iter(strange), None)).__name__}`.",
    )
    expect(
        [str(response.url) for response in responses] == urls,
        "The responses in the order of the urls.",
        happened="They are in another order, such as that in which they arrived.",
    )
    expect(
        all(response.is_closed for response in responses),
        "Responses whose body is read.",
        happened="The body of a response is not read, and its client is closed: what had not been "
        "taken from the socket is lost.",
    )


async def check_failing(attempt, server, failing):
    """A url that fails between two that the server holds and two that it has answered."""
    trial = Trial(attempt, server, f"beside-{'reset' if failing.endswith(RESET) else 'invalid'}")
    first, last = trial.held(1, 2)
    # Two: what fails may go out on the connection of one of them.
    answered = [server.url + "/echo", server.url + "/bytes?size=3"]
    held = (1, 2) if failing.endswith(RESET) else ()
    with trial.start([first, failing, *answered, last], held, [failing]) as running:
        if held:
            await trial.fails(running)
        trial.release()
        for number in (1, 2):
            server.gates.open(f"{trial.name}-{number}")
        await trial.ends(running)
    raised = all_in(trial.error)
    when = f"`{failing.removeprefix(server.url)}` failed"
    if not raised:
        results = trial.outcome if isinstance(trial.outcome, list | tuple) else ()
        handed_out = any(isinstance(result, BaseException) for result in results)
        raise Wrong(
            "The error of a url that fails is raised.",
            happened=f"{when}, and its exception was handed out as if it were a response."
            if handed_out
            else f"{when}, nothing was raised, and {len(results)} of 5 responses came back: the "
            "error was swallowed.",
        )
    expect(
        any(isinstance(error, httpx.ReadError | httpx.InvalidURL) for error in raised),
        "The error of a url that fails is raised.",
        happened=f"{when}, and `{trial.error!r}` was raised, which is not that url's.",
    )
    trial.require_nothing_cut(f"{when}, and was raised at once")
    await trial.require_nothing_left(f"{when}")


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
        WrongAnswer(one_after_another, "one waited for the answer to another"),
        WrongAnswer(in_the_order_of_arrival, "in another order"),
        WrongAnswer(by_their_urls, "an object of type `dict`"),
        WrongAnswer(raises_one_of_its_own, "`RuntimeError('a url has failed')"),
        WrongAnswer(hands_errors_out, "handed out as if it were a response"),
        WrongAnswer(swallows_the_errors, "4 of 5 responses came back"),
        WrongAnswer(waits_and_cancels_nothing, "It was cancelled: the client was closed"),
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
