"""Several requests at once of which some fail: what succeeded and what did not is handed back."""

import asyncio

import httpx

from course.exercises.report_trial import check
from workbench.checking.record import Exercise, WrongAnswer


async def fetch_report(urls):
    """Get all the urls at once; return their responses and their errors, two dicts by url."""
    async with httpx.AsyncClient() as client, asyncio.TaskGroup() as group:
        tasks = {url: group.create_task(client.get(url)) for url in urls}
    return {url: task.result() for url, task in tasks.items()}, {}


async def solution(urls):
    """Get all the urls at once; return their responses and their errors, two dicts by url."""
    responses, errors = {}, {}

    async def get(client, url):
        try:
            responses[url] = await client.get(url)
        except httpx.HTTPError as error:
            errors[url] = error

    async with httpx.AsyncClient() as client, asyncio.TaskGroup() as group:
        for url in urls:
            group.create_task(get(client, url))
    return responses, errors


def sorted_out(tasks):
    """Return the results and the errors of tasks that are done, by url."""
    responses, errors = {}, {}
    for url, task in tasks.items():
        try:
            responses[url] = task.result()
        except httpx.HTTPError as error:
            errors[url] = error
    return responses, errors


async def gathers(urls):
    async with httpx.AsyncClient() as client:
        answers = await asyncio.gather(*(client.get(url) for url in urls))
    return dict(zip(urls, answers, strict=True)), {}


async def hands_errors_out_as_responses(urls):
    async with httpx.AsyncClient() as client:
        calls = (client.get(url) for url in urls)
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
    return dict(zip(urls, outcomes, strict=True)), {}


async def looks_inside_the_group(urls):
    tasks = {}
    try:
        async with httpx.AsyncClient() as client, asyncio.TaskGroup() as group:
            tasks = {url: group.create_task(client.get(url)) for url in urls}
    except* httpx.HTTPError:
        pass
    return sorted_out({url: task for url, task in tasks.items() if not task.cancelled()})


async def closes_before_it_collects(urls):
    responses, errors = {}, {}
    async with httpx.AsyncClient() as client:
        tasks = {url: asyncio.create_task(client.get(url)) for url in urls}
        await asyncio.sleep(2)
    for url, task in tasks.items():
        try:
            responses[url] = await task
        except httpx.HTTPError as error:
            errors[url] = error
    return responses, errors


async def forgets_the_errors(urls):
    responses, _ = await solution(urls)
    return responses, {}


async def says_the_errors_as_text(urls):
    responses, errors = await solution(urls)
    return responses, {url: str(error) for url, error in errors.items()}


async def takes_a_status_for_an_error(urls):
    responses, errors = {}, {}

    async def get(client, url):
        try:
            response = await client.get(url)
            responses[url] = response.raise_for_status()
        except httpx.HTTPError as error:
            errors[url] = error

    async with httpx.AsyncClient() as client, asyncio.TaskGroup() as group:
        for url in urls:
            group.create_task(get(client, url))
    return responses, errors


async def one_after_another(urls):
    responses, errors = {}, {}
    async with httpx.AsyncClient() as client:
        for url in urls:
            try:
                responses[url] = await client.get(url)
            except httpx.HTTPError as error:
                errors[url] = error
    return responses, errors


async def returns_when_it_is_cancelled(urls):
    try:
        return await solution(urls)
    except asyncio.CancelledError:
        return {}, {}


async def drops_what_it_does_not_know(urls):
    async with httpx.AsyncClient() as client:
        calls = (client.get(url) for url in urls)
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
    by_url = dict(zip(urls, outcomes, strict=True))
    responses = {u: each for u, each in by_url.items() if isinstance(each, httpx.Response)}
    errors = {u: each for u, each in by_url.items() if isinstance(each, httpx.HTTPError)}
    return responses, errors


async def waits_with_a_limit(urls):
    async with httpx.AsyncClient() as client:
        tasks = {url: asyncio.create_task(client.get(url)) for url in urls}
        done, _ = await asyncio.wait(tasks.values(), timeout=10)
        return sorted_out({url: task for url, task in tasks.items() if task in done})


async def waits_and_cancels_nothing(urls):
    async with httpx.AsyncClient() as client:
        tasks = {url: asyncio.create_task(client.get(url)) for url in urls}
        await asyncio.wait(tasks.values())
    return sorted_out(tasks)


async def cannot_wait_for_none(urls):
    async with httpx.AsyncClient(timeout=None) as client:
        tasks = {url: asyncio.create_task(client.get(url)) for url in urls}
        try:
            await asyncio.wait(tasks.values())
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)
    return sorted_out(tasks)


async def catches_what_ends_the_program(urls):
    responses, errors = {}, {}

    async def get(client, url):
        try:
            responses[url] = await client.get(url)
        except BaseException as error:
            errors[url] = error

    async with httpx.AsyncClient() as client, asyncio.TaskGroup() as group:
        for url in urls:
            group.create_task(get(client, url))
    return responses, errors


async def catches_transport_errors_only(urls):
    responses, errors = {}, {}

    async def get(client, url):
        try:
            responses[url] = await client.get(url)
        except httpx.TransportError as error:
            errors[url] = error

    async with httpx.AsyncClient() as client, asyncio.TaskGroup() as group:
        for url in urls:
            group.create_task(get(client, url))
    return responses, errors


async def returns_nothing(urls):
    return {}, {}


async def gathers_all_outcomes(urls):
    async with httpx.AsyncClient(timeout=None) as client:
        calls = (client.get(url) for url in urls)
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
    responses, errors = {}, {}
    for url, outcome in zip(urls, outcomes, strict=True):
        if isinstance(outcome, httpx.Response):
            responses[url] = outcome
        elif isinstance(outcome, httpx.HTTPError):
            errors[url] = outcome
        else:
            raise outcome
    return responses, errors


async def takes_what_is_done_first(urls):
    async def get(client, url):
        try:
            return url, await client.get(url), None
        except Exception as error:
            return url, None, error

    responses, errors = {}, {}
    async with httpx.AsyncClient() as client, asyncio.TaskGroup() as group:
        tasks = [group.create_task(get(client, url)) for url in urls]
        for next_one in asyncio.as_completed(tasks):
            url, response, error = await next_one
            if error is None:
                responses[url] = response
            else:
                errors[url] = error
    return responses, errors


EXERCISE = Exercise(
    id="03-2",
    title="What could be had, and what could not",
    task="`fetch_report` gets several urls at once, and some of them fail. It is to return two "
    "dicts by url: the responses, whatever their status, and the `httpx.HTTPError` of each url "
    "that failed. A url that fails costs no other its answer, however slow that is, and when the "
    "call is over, also because it was cancelled, nothing of it goes on.",
    starter=fetch_report,
    hints=[
        "A task group cancels its other tasks when one *raises*. Where would an error have to be "
        "caught, so that no task raises it?",
        "Write an inner `async def get(client, url)` with the `try` around its one request. It "
        "puts the response into one dict, or the error into the other.",
        "Catch `httpx.HTTPError` and no more: a CancelledError has to come through, and a bug of "
        "your own should.",
    ],
    wrong=[
        WrongAnswer(gathers, "nobody gets the other answers"),
        WrongAnswer(hands_errors_out_as_responses, "Among the responses is"),
        WrongAnswer(looks_inside_the_group, "its request was given up"),
        WrongAnswer(closes_before_it_collects, "its client was closed under it"),
        WrongAnswer(forgets_the_errors, "the report says nothing of it"),
        WrongAnswer(says_the_errors_as_text, "an object of type `str`"),
        WrongAnswer(takes_a_status_for_an_error, "stands among the errors"),
        WrongAnswer(one_after_another, "one waited for the answer to another"),
        WrongAnswer(returns_when_it_is_cancelled, "returned as if nothing had happened"),
        WrongAnswer(drops_what_it_does_not_know, "it is in neither dict"),
        WrongAnswer(waits_with_a_limit, "nobody waited for it"),
        WrongAnswer(waits_and_cancels_nothing, "It was cancelled: the client was closed"),
        WrongAnswer(cannot_wait_for_none, "Set of Tasks/Futures is empty"),
        WrongAnswer(catches_what_ends_the_program, "is to end the program"),
        WrongAnswer(catches_transport_errors_only, "`DecodingError("),
        WrongAnswer(returns_nothing, "No request was made"),
    ],
    right=[gathers_all_outcomes, takes_what_is_done_first],
    solution=solution,
    why="Each call catches its own `httpx.HTTPError`, so none of the group's tasks raises it, and "
    "the group cancels nobody. What is caught is what the report is about; anything else "
    "ends the group, which cancels the other calls and waits for them before the client is closed.",
    check=check,
)
