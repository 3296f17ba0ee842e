"""A limit for the whole: the text within so many seconds, or None. Its check is `deadline.py`."""

import asyncio
from time import monotonic

import anyio
import httpx

from course.exercises.deadline import check
from workbench.checking.record import Exercise, WrongAnswer


async def get_within(client, url, seconds):
    """Return the text of the answer, or None if it is not complete after `seconds`.

    When it has returned or was cancelled, its request no longer occupies a connection. What is
    raised comes through: the client's own time-outs as well as other errors.
    """
    try:
        response = await client.get(url, timeout=seconds)
    except httpx.TimeoutException:
        return None
    return response.text


async def solution(client, url, seconds):
    """Return the text of the answer, or None if it is not complete after `seconds`.

    When it has returned or was cancelled, its request no longer occupies a connection. What is
    raised comes through: the client's own time-outs as well as other errors.
    """
    try:
        async with asyncio.timeout(seconds):
            response = await client.get(url)
    except TimeoutError:
        return None
    return response.text


async def text_or_none(client, url, seconds, caught, **options):
    """Do as the solution does, and take what is `caught` for the deadline."""
    try:
        async with asyncio.timeout(seconds):
            response = await client.get(url, **options)
    except caught:
        return None
    return response.text


async def names_all_four(client, url, seconds):
    limits = httpx.Timeout(connect=seconds, read=seconds, write=seconds, pool=seconds)
    try:
        response = await client.get(url, timeout=limits)
    except httpx.TimeoutException:
        return None
    return response.text


async def looks_at_the_clock(client, url, seconds):
    end = monotonic() + seconds
    text = ""
    async with client.stream("GET", url) as response:
        async for piece in response.aiter_text():
            if monotonic() > end:
                return None
            text += piece
    return text


async def limits_the_headers(client, url, seconds):
    request = client.build_request("GET", url)
    try:
        async with asyncio.timeout(seconds):
            response = await client.send(request, stream=True)
    except TimeoutError:
        return None
    await response.aread()
    return response.text


async def limits_each_part(client, url, seconds):
    request = client.build_request("GET", url)
    try:
        async with asyncio.timeout(seconds):
            response = await client.send(request, stream=True)
        async with asyncio.timeout(seconds):
            await response.aread()
    except TimeoutError:
        return None
    return response.text


async def takes_errors_for_slow(client, url, seconds):
    try:
        async with asyncio.timeout(seconds):
            response = await client.get(url)
    except TimeoutError:
        return None
    return response.text if response.is_success else None


async def takes_nothing_for_none(client, url, seconds):
    return await solution(client, url, seconds) or None


async def turns_its_back(client, url, seconds):
    request = asyncio.create_task(client.get(url))
    done, _ = await asyncio.wait({request}, timeout=seconds)
    return request.result().text if done else None


async def catches_httpx_s_exception(client, url, seconds):
    return await text_or_none(client, url, seconds, httpx.TimeoutException)


async def catches_everything(client, url, seconds):
    return await text_or_none(client, url, seconds, Exception)


async def returns_a_part(client, url, seconds):
    text = None
    try:
        async with asyncio.timeout(seconds):
            async with client.stream("GET", url) as response:
                async for piece in response.aiter_text():
                    text = (text or "") + piece
    except TimeoutError:
        pass
    return text


async def takes_every_timeout(client, url, seconds):
    both = (TimeoutError, httpx.TimeoutException)
    return await text_or_none(client, url, seconds, both)


async def catches_oserror(client, url, seconds):
    return await text_or_none(client, url, seconds, OSError)


async def takes_a_cancellation_for_its_own(client, url, seconds):
    both = (TimeoutError, asyncio.CancelledError)
    return await text_or_none(client, url, seconds, both)


async def forgets_its_task_when_cancelled(client, url, seconds):
    request = asyncio.create_task(client.get(url))
    done, _ = await asyncio.wait({request}, timeout=seconds)
    if not done:
        request.cancel()
        await asyncio.wait({request})
        return None
    return request.result().text


async def waits_it_out(client, url, seconds):
    request = asyncio.create_task(client.get(url))
    await asyncio.sleep(seconds)
    if not request.done():
        request.cancel()
        return None
    return request.result().text


async def hands_out_exceptions(client, url, seconds):
    try:
        async with asyncio.timeout(seconds):
            [response] = await asyncio.gather(client.get(url), return_exceptions=True)
    except TimeoutError:
        return None
    return response if isinstance(response, Exception) else response.text


async def with_a_client_of_its_own(client, url, seconds):
    async with httpx.AsyncClient() as own:
        return await solution(own, url, seconds)


async def changes_the_client(client, url, seconds):
    client.timeout = httpx.Timeout(seconds)
    return await solution(client, url, seconds)


async def closes_the_client(client, url, seconds):
    text = await solution(client, url, seconds)
    if text is None:
        await client.aclose()
    return text


async def tries_again(client, url, seconds):
    return await solution(client, url, seconds) or await solution(client, url, seconds)


async def gives_a_number_of_its_own(client, url, seconds):
    return await solution(client, url, 0.3)


async def returns_the_exception(client, url, seconds):
    try:
        async with asyncio.timeout(seconds):
            response = await client.get(url)
    except TimeoutError as error:
        return error
    return response.text


async def returns_an_empty_text(client, url, seconds):
    return await solution(client, url, seconds) or ""


async def returns_nothing(client, url, seconds):
    return None


async def with_wait_for(client, url, seconds):
    try:
        return (await asyncio.wait_for(client.get(url), seconds)).text
    except TimeoutError:
        return None


async def with_anyio(client, url, seconds):
    text = None
    with anyio.move_on_after(seconds):
        response = await client.get(url)
        text = response.text
    return text


async def asks_whether_it_expired(client, url, seconds):
    try:
        async with asyncio.timeout(seconds) as deadline:
            async with client.stream("GET", url) as response:
                await response.aread()
    except TimeoutError:
        if not deadline.expired():
            raise
        return None
    return response.text


async def without_httpx_s_limits(client, url, seconds):
    return await text_or_none(client, url, seconds, TimeoutError, timeout=None)


RIGHT = (with_wait_for, with_anyio, asks_whether_it_expired, without_httpx_s_limits)


EXERCISE = Exercise(
    id="10-2",
    title="A limit for the whole",
    task="`get_within` takes `timeout=seconds` for a limit of the whole answer. Repair it: None if "
    "the answer is not complete after `seconds`. When it has returned or was cancelled, the "
    "connection is free for the next request. What is raised comes through, the client's own "
    "time-outs as well.",
    starter=get_within,
    hints=[
        "Which of httpx's four limits bounds the whole answer?",
        "`asyncio.timeout(seconds)` bounds all that is awaited in its block, and cancels it.",
        "It raises `TimeoutError`, from the `async with` itself: so the `try` goes around the "
        "block. Only that one means that your time is up.",
    ],
    wrong=[
        WrongAnswer(names_all_four, "(Each piece starts the clock"),
        WrongAnswer(looks_at_the_clock, "nobody looks at a clock"),
        WrongAnswer(limits_the_headers, "The headers came in time"),
        WrongAnswer(limits_each_part, "the whole call has one limit"),
        WrongAnswer(takes_errors_for_slow, "`'busy'`, with status 503"),
        WrongAnswer(
            takes_nothing_for_none, "`''`, with status 200.\nWhat happened: It returned `None`"
        ),
        WrongAnswer(turns_its_back, "Your function has returned, but its"),
        WrongAnswer(catches_httpx_s_exception, "that is no httpx exception"),
        WrongAnswer(
            catches_everything, "returned `None`, as if it had been too slow. ConnectError"
        ),
        WrongAnswer(returns_a_part, "which is a part of the answer"),
        WrongAnswer(takes_every_timeout, "The client's ReadTimeout was raised meanwhile"),
        WrongAnswer(catches_oserror, "could not write its log"),
        WrongAnswer(takes_a_cancellation_for_its_own, "The caller's task was cancelled"),
        WrongAnswer(forgets_its_task_when_cancelled, "Your function has been cancelled, but its"),
        WrongAnswer(waits_it_out, "and your function still waited"),
        WrongAnswer(hands_out_exceptions, "as if it were the text"),
        WrongAnswer(with_a_client_of_its_own, "it did not come from that client"),
        WrongAnswer(changes_the_client, "for every later request"),
        WrongAnswer(closes_the_client, "and the client is closed"),
        WrongAnswer(tries_again, "Who begins again"),
        WrongAnswer(gives_a_number_of_its_own, "that takes 0.6 s, with `seconds=30`"),
        WrongAnswer(returns_the_exception, "It returned `TimeoutError()`"),
        WrongAnswer(returns_an_empty_text, "It returned `''`"),
        WrongAnswer(returns_nothing, "No request was made"),
    ],
    solution=solution,
    why="The deadline is around the whole call, headers and body. It cancels the request, and over "
    "HTTP/1.1 one that is cancelled while it waits for its answer closes its connection.",
    check=check,
    limit=20.0,
    right=RIGHT,
)
