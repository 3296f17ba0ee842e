"""The headers alone, and the connection back in the pool. Its check is `file_size.py`."""

import asyncio
import gc

import httpx

from course.exercises.file_size import check
from workbench.checking.record import Exercise, WrongAnswer


async def size_of(client, url):
    """Return the file's Content-Length as an int, without reading its body; None if missing."""
    response = await client.send(client.build_request("GET", url), stream=True)
    if response.status_code == 404:
        return None
    size = int(response.headers["content-length"])
    await response.aclose()
    return size


async def solution(client, url):
    """Return the file's Content-Length as an int, without reading its body; None if missing."""
    async with client.stream("GET", url) as response:
        if response.status_code == 404:
            return None
        return int(response.headers["content-length"])


async def close_and_tell(response):
    """How the starter ends, for those that repair its beginning."""
    size = int(response.headers["content-length"])
    await response.aclose()
    return size


async def waits_longer(client, url):
    request = client.build_request("GET", url, timeout=60)
    response = await client.send(request, stream=True)
    return None if response.status_code == 404 else await close_and_tell(response)


async def has_everybody_wait_longer(client, url):
    client.timeout = 60
    return await solution(client, url)


async def collects_the_garbage(client, url):
    response = await client.send(client.build_request("GET", url), stream=True)
    if response.status_code == 404:
        del response
        gc.collect()
        return None
    return await close_and_tell(response)


async def tries_again(client, url):
    request = client.build_request("GET", url)
    try:
        response = await client.send(request, stream=True)
    except httpx.PoolTimeout:
        response = await client.send(request, stream=True)
    return None if response.status_code == 404 else await close_and_tell(response)


async def takes_a_larger_pool(client, url):
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(limits=limits) as own:
        return await solution(own, url)


async def reads_everything(client, url):
    response = await client.get(url)
    if response.status_code == 404:
        return None
    return int(response.headers["content-length"])


async def closes_the_client(client, url):
    async with client:
        return await solution(client, url)


async def returns_nothing(client, url):
    return None


async def closes_in_a_task_that_nobody_awaits(client, url):
    response = await client.send(client.build_request("GET", url), stream=True)
    asyncio.create_task(response.aclose())  # noqa: RUF006
    if response.status_code == 404:
        return None
    return int(response.headers["content-length"])


async def enters_and_does_not_leave(client, url):
    response = await client.stream("GET", url).__aenter__()
    return None if response.status_code == 404 else int(response.headers["content-length"])


async def closes_on_two_of_three_ways_out(client, url):
    response = await client.send(client.build_request("GET", url), stream=True)
    if response.status_code == 404:
        await response.aclose()
        return None
    return await close_and_tell(response)


async def empties_the_pool_itself(client, url):
    response = await client.send(client.build_request("GET", url), stream=True)
    if response.status_code == 404:
        for request in client._transport._pool._requests:
            await request.connection.aclose()
        return None
    return await close_and_tell(response)


async def closes_by_the_stream(client, url):
    request = client.build_request("GET", url)
    response = await client._transport.handle_async_request(request)
    await response.stream.aclose()
    return None if response.status_code == 404 else int(response.headers["content-length"])


async def makes_a_size_up(client, url):
    async with client.stream("GET", url) as response:
        if response.status_code == 404:
            return None
        return int(response.headers.get("content-length", 0))


async def takes_each_failure_for_a_missing_file(client, url):
    try:
        async with client.stream("GET", url) as response:
            response.raise_for_status()
            return int(response.headers["content-length"])
    except httpx.HTTPError:
        return None


async def takes_each_error_status_for_a_missing_file(client, url):
    async with client.stream("GET", url) as response:
        return None if response.is_error else int(response.headers["content-length"])


async def takes_a_cancellation_for_a_missing_file(client, url):
    try:
        return await solution(client, url)
    except asyncio.CancelledError:
        return None


async def closes_in_finally(client, url):
    response = await client.send(client.build_request("GET", url), stream=True)
    try:
        return None if response.status_code == 404 else int(response.headers["content-length"])
    finally:
        await response.aclose()


async def asks_for_the_head(client, url):
    response = await client.head(url)
    return None if response.status_code == 404 else int(response.headers["content-length"])


async def reads_what_a_missing_file_says(client, url):
    async with client.stream("GET", url) as response:
        if response.status_code != 404:
            return int(response.headers["content-length"])
        await response.aread()


EXERCISE = Exercise(
    id="05-1",
    title="Missing files that cost nothing",
    task="`size_of` looks up how large a file is. Repair it, so that it works for ever with the "
    "client's few connections, whether the files are there or not, and whatever it meets, by "
    "httpx's public names and with the client as it is. What fails is raised.",
    starter=size_of,
    hints=[
        "Which ways lead out of the function? Which of them leave the response open?",
        "`aclose()` would have to stand on every way out, also where an exception comes up, as for "
        "a file without Content-Length. There is a statement for that.",
        "`async with client.stream(...) as response:` closes the response at the end of its block, "
        "also when the block is left by `return`.",
    ],
    wrong=[
        WrongAnswer(waits_longer, "ready to wait longer"),
        WrongAnswer(has_everybody_wait_longer, "changed the client's `timeout`"),
        WrongAnswer(collects_the_garbage, "the response of `/status?code=404` is still open"),
        WrongAnswer(tries_again, "as dry the last time as the first"),
        WrongAnswer(takes_a_larger_pool, "a client of its own"),
        WrongAnswer(reads_everything, "It waited for the body"),
        WrongAnswer(closes_the_client, "Your function closed the client"),
        WrongAnswer(returns_nothing, "nothing was raised, and `None` was returned"),
        WrongAnswer(closes_in_a_task_that_nobody_awaits, "a task still ran"),
        WrongAnswer(enters_and_does_not_leave, "CPython collected the block"),
        WrongAnswer(closes_on_two_of_three_ways_out, "the response of `/drip?pieces=2&gap=0`"),
        WrongAnswer(empties_the_pool_itself, "It names `_transport`, `_pool`"),
        WrongAnswer(closes_by_the_stream, "It names `_transport`, and was"),
        WrongAnswer(makes_a_size_up, "which no header said"),
        WrongAnswer(takes_each_failure_for_a_missing_file, "A connection was reset"),
        WrongAnswer(takes_each_error_status_for_a_missing_file, "answered 503"),
        WrongAnswer(takes_a_cancellation_for_a_missing_file, "and it swallowed that"),
    ],
    right=[closes_in_finally, asks_for_the_head, reads_what_a_missing_file_says],
    solution=solution,
    why="The response is closed on every way out, so each place in the pool comes back.",
    check=check,
)
