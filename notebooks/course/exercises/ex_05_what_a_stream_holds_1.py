"""A list that is streamed, and details on the same pool."""

import asyncio
import contextlib
from contextlib import aclosing

import httpx
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route

from course.exercises.first_orders_trial import FEW, MISSING, check
from server.faults import close
from server.local import LocalServer
from workbench.checking.record import Exercise, WrongAnswer

LATE = 60  # seconds that the third line of a slow list takes


async def first_orders(client, url, n):
    """Return the details of the first n >= 1 orders, or of all if fewer: a list of JSON."""
    details = []
    async with client.stream("GET", url) as response:
        async for number in response.aiter_lines():
            detail = await client.get(f"{url}/{number}")
            details.append(detail.json())
            if len(details) == n:
                break
    return details


async def solution(client, url, n):
    """Return the details of the first n >= 1 orders, or of all if fewer: a list of JSON."""
    numbers, details = [], []
    async with client.stream("GET", url) as response:
        response.raise_for_status()
        async for number in response.aiter_lines():
            numbers.append(number)
            if len(numbers) == n:
                break
    for number in numbers:
        detail = await client.get(f"{url}/{number}")
        detail.raise_for_status()
        details.append(detail.json())
    return details


async def _take(client, url, n):
    """Read the first n numbers, and leave the stream."""
    numbers = []
    async with client.stream("GET", url) as response:
        response.raise_for_status()
        async for number in response.aiter_lines():
            numbers.append(number)
            if len(numbers) == n:
                break
    return numbers


async def _detail(client, url, number):
    return (await client.get(f"{url}/{number}")).raise_for_status().json()


async def nested_still(client, url, n):
    numbers = await _take(client, url, n)
    async with client.stream("GET", url):
        return [(await client.get(f"{url}/{number}")).json() for number in numbers]


async def waits_for_ever(client, url, n):
    client.timeout = None
    return await first_orders(client, url, n)


async def loops_without_async(client, url, n):
    async with client.stream("GET", url) as response:
        numbers = [number for number in response.aiter_lines()][:n]  # noqa: C416
    return [(await client.get(f"{url}/{number}")).json() for number in numbers]


async def takes_a_client_of_its_own(client, url, n):
    numbers = await _take(client, url, n)
    async with httpx.AsyncClient(verify=False) as other:
        return [(await other.get(f"{url}/{number}")).json() for number in numbers]


async def does_not_look_at_the_status(client, url, n):
    numbers = await _take(client, url, n)
    return [(await client.get(f"{url}/{number}")).json() for number in numbers]


async def skips_what_is_missing(client, url, n):
    numbers = await _take(client, url, n)
    answers = [await client.get(f"{url}/{number}") for number in numbers]
    return [answer.json() for answer in answers if answer.is_success]


async def closes_the_client(client, url, n):
    try:
        return await solution(client, url, n)
    finally:
        await client.aclose()


async def leaves_its_limits_at_the_client(client, url, n):
    client.timeout = 60
    return await solution(client, url, n)


async def returns_when_it_is_cancelled(client, url, n):
    try:
        return await solution(client, url, n)
    except asyncio.CancelledError:
        return []


async def hands_out_exceptions(client, url, n):
    calls = (_detail(client, url, number) for number in await _take(client, url, n))
    return await asyncio.gather(*calls, return_exceptions=True)


async def leaves_some_under_way(client, url, n):
    calls = (_detail(client, url, number) for number in await _take(client, url, n))
    return await asyncio.gather(*calls)


async def skips_what_breaks(client, url, n):
    details = []
    for number in await _take(client, url, n):
        with contextlib.suppress(httpx.TransportError):
            details.append(await _detail(client, url, number))
    return details


async def reads_a_line_more(client, url, n):
    numbers = []
    async with client.stream("GET", url) as response:
        response.raise_for_status()
        async for number in response.aiter_lines():
            if len(numbers) == n:
                break
            numbers.append(number)
    return [await _detail(client, url, number) for number in numbers]


async def takes_a_chunk_for_a_line(client, url, n):
    numbers = []
    async with client.stream("GET", url) as response:
        async for chunk in response.raise_for_status().aiter_text():
            numbers.append(chunk.strip())
            if len(numbers) == n:
                break
    return [await _detail(client, url, number) for number in numbers]


async def keeps_the_stream_of_a_list_that_fails(client, url, n):
    response = await client.send(client.build_request("GET", url), stream=True)
    response.raise_for_status()
    numbers = []
    async for number in response.aiter_lines():
        numbers.append(number)
        if len(numbers) == n:
            break
    await response.aclose()
    return [await _detail(client, url, number) for number in numbers]


async def one_too_many(client, url, n):
    return [await _detail(client, url, number) for number in await _take(client, url, n + 1)]


async def all_at_once(client, url, n):
    numbers = await _take(client, url, n)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_detail(client, url, number)) for number in numbers]
    return [task.result() for task in tasks]


async def with_aclosing(client, url, n):
    async def lines():
        async with client.stream("GET", url) as response:
            async for number in response.raise_for_status().aiter_lines():
                yield number

    numbers = []
    async with aclosing(lines()) as coming:
        async for number in coming:
            numbers.append(number)
            if len(numbers) >= n:
                break
    return [await _detail(client, url, number) for number in numbers]


async def by_send(client, url, n):
    numbers = []
    response = await client.send(client.build_request("GET", url), stream=True)
    try:
        response.raise_for_status()
        lines = response.aiter_lines()
        while len(numbers) < n:
            try:
                numbers.append(await anext(lines))
            except StopAsyncIteration:
                break
    finally:
        await response.aclose()
    return [await _detail(client, url, number) for number in numbers]


def serve():
    """Return a server of orders: lists and their details, of which some are missing or break."""

    async def orders(request):
        async def lines():
            number = 0
            while number < (FEW if request.url.path == "/few" else 10_000):
                number += 1
                yield f"{number}"  # a line is not a chunk
                yield "\n"
                late = request.url.path == "/late" and number == FEW
                await asyncio.sleep(LATE if late else 0.01)

        return StreamingResponse(lines())

    async def order(request):
        number = request.path_params["number"]
        return JSONResponse({"order": number}, status_code=404 if number == MISSING else 200)

    async def closed(request):
        return PlainTextResponse("1\n2\n", status_code=503)

    names = ("all", "few", "late")
    details = [Route(f"/{name}/{{number:int}}", order) for name in (*names, "closed")]
    lists = [Route(f"/{name}", orders) for name in (*names, "torn")]
    more = [Route("/closed", closed), Route("/torn/{number:int}", close.without_answer)]
    return LocalServer(Starlette(routes=[*lists, *details, *more]))


EXERCISE = Exercise(
    id="05-what-a-stream-holds-1",
    title="The first orders",
    task="`url` streams the numbers of orders, a line each, perhaps without end. `url/NUMBER` has "
    "the details. The client that you get may have one place in its pool. Repair `first_orders`. "
    "What fails is raised, and when that is over, no request of it is under way.",
    starter=first_orders,
    hints=[
        "While the list's stream is open, how many places are left in a pool of one?",
        "Read the first n numbers, leave the block, and only then ask for the details.",
        "`raise_for_status()`: for the list before it is read, and for each detail.",
    ],
    wrong=[
        WrongAnswer(nested_still, "the only place in the pool was taken"),
        WrongAnswer(waits_for_ever, "What does it wait for?"),
        WrongAnswer(loops_without_async, "object is not iterable"),
        WrongAnswer(takes_a_client_of_its_own, "Some were made by another client"),
        WrongAnswer(does_not_look_at_the_status, "404; a list of 9 was returned"),
        WrongAnswer(skips_what_is_missing, "404; a list of 8 was returned"),
        WrongAnswer(closes_the_client, "Your function has closed it"),
        WrongAnswer(leaves_its_limits_at_the_client, "It came back with `Timeout"),
        WrongAnswer(returns_when_it_is_cancelled, "and it swallowed that"),
        WrongAnswer(hands_out_exceptions, "a list with an exception in it"),
        WrongAnswer(leaves_some_under_way, "and a task still ran"),
        WrongAnswer(skips_what_breaks, "a detail's connection was closed; a list of 0"),
        WrongAnswer(reads_a_line_more, "it waited for one more"),
        WrongAnswer(takes_a_chunk_for_a_line, "307 Temporary Redirect"),
        WrongAnswer(keeps_the_stream_of_a_list_that_fails, "503. The next request of the same"),
        WrongAnswer(one_too_many, "{'order': 4}]"),
    ],
    solution=solution,
    why="The list's stream holds the one place until its block is left. Then it is free for the "
    "details, one after the other.",
    check=check,
    serve=serve,
    right=[with_aclosing, by_send, all_at_once],
)
