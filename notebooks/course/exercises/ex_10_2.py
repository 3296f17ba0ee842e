"""A limit for the whole: the text within so many seconds, or None."""

import asyncio
import ssl
from time import monotonic

import httpx

from server.wire import refused
from workbench.checking.record import Exercise, Wrong, WrongAnswer, expect

SECONDS = 0.5  # what the function is given
PATIENCE = 2.5  # seconds after which it is too late, also on a busy machine
GATE = "answer"
PIECES = 25
SLOW_DRIP = f"/drip?pieces={PIECES}&gap=0.1"  # 2.4 s in all


async def get_within(client, url, seconds):
    """Return the text of the answer, or None if it is not complete after `seconds`.

    After that, the request no longer occupies a connection. Other errors come through.
    """
    try:
        response = await client.get(url, timeout=seconds)
    except httpx.TimeoutException:
        return None
    return response.text


async def solution(client, url, seconds):
    """Return the text of the answer, or None if it is not complete after `seconds`.

    After that, the request no longer occupies a connection. Other errors come through.
    """
    try:
        async with asyncio.timeout(seconds):
            response = await client.get(url)
    except TimeoutError:
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


async def turns_its_back(client, url, seconds):
    request = asyncio.create_task(client.get(url))
    done, _ = await asyncio.wait({request}, timeout=seconds)
    return request.result().text if done else None


async def catches_httpx_s_exception(client, url, seconds):
    try:
        async with asyncio.timeout(seconds):
            response = await client.get(url)
    except httpx.TimeoutException:
        return None
    return response.text


async def catches_everything(client, url, seconds):
    try:
        async with asyncio.timeout(seconds):
            response = await client.get(url)
    except Exception:
        return None
    return response.text


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


async def check(attempt, server):
    context = ssl.create_default_context()
    limits = httpx.Limits(max_connections=1)
    async with httpx.AsyncClient(verify=context, timeout=30, limits=limits) as client:
        text = await attempt(client, server.url + "/bytes?size=3", 30)
        expect(
            text == "xxx",
            "The text of an answer that is in time.",
            happened=f"It returned `{text!r}` for an answer of three bytes.",
        )
        try:
            await _check_late(attempt, server, client)
        finally:
            server.gates.open(GATE)
            if left := asyncio.all_tasks() - {asyncio.current_task()}:
                await asyncio.wait(left, timeout=PATIENCE)
        await _check_errors(attempt, client)


async def _check_late(attempt, server, client):
    await _require_none(
        attempt(client, f"{server.url}/faults/hold?gate={GATE}", SECONDS),
        "a server that does not begin to answer",
        "Where nothing arrives, nobody looks at a clock.",
    )
    await _require_free(server, client)
    await _require_none(
        attempt(client, server.url + "/faults/headers-only", SECONDS),
        "a server that sends headers, and never a body",
        "The headers came in time. The body is part of the answer, too.",
    )
    await _require_free(server, client)
    text = await attempt(client, server.url + SLOW_DRIP, SECONDS)
    expect(
        text is None or len(text) < PIECES,
        f"None for an answer that comes in pieces for 2.4 s, with `seconds={SECONDS}`.",
        happened="All of it came, far too late: each piece starts the clock of `read` anew.",
    )
    expect(
        text is None,
        "None for an answer that is not complete.",
        happened=f"It returned `{text!r}`, which is a part of the answer. The caller cannot tell "
        "it from a whole one.",
    )


async def _require_free(server, client):
    """Require that the client's connection is free, and have it open for what comes next.

    A deadline that strikes as a connection has just come about would cost it (httpcore 1.0.9).
    """
    try:
        await client.get(server.url + "/echo", timeout=httpx.Timeout(30, pool=0.5))
    except httpx.PoolTimeout as error:
        raise Wrong(
            "After the time is up, the connection is free for the next request.",
            happened=f"The next request got `{error!r}`. Your function has returned, but its "
            "request goes on behind its back.",
        ) from error


async def _require_none(call, what, why):
    """Require that the call returns None before anyone loses patience."""
    expected = f"None after {SECONDS} s, for {what}."
    running = asyncio.create_task(call)
    await asyncio.wait([running], timeout=PATIENCE)
    late = not running.done()
    running.cancel()
    [result] = await asyncio.gather(running, return_exceptions=True)
    expect(
        not late,
        expected,
        happened=f"Your function was still waiting after {PATIENCE} s. {why}",
    )
    expect(
        not isinstance(result, TimeoutError),
        expected,
        happened=f"`{result!r}` came out of your function. `asyncio.timeout` raises Python's "
        "TimeoutError, and that is no httpx exception.",
    )
    if isinstance(result, BaseException):
        raise result
    expect(result is None, expected, happened=f"It returned `{result!r}`.")


async def _check_errors(attempt, client):
    with refused() as port:
        try:
            text = await attempt(client, port.url, 30)
        except httpx.ConnectError:
            return
    raise Wrong(
        "Errors that have nothing to do with the time come through.",
        happened=f"Nobody listens there, and your function returned `{text!r}` as if it had been "
        "too slow. A ConnectError was swallowed.",
    )


EXERCISE = Exercise(
    id="10-2",
    title="A limit for the whole",
    task="`get_within` takes `timeout=seconds` for a limit of the whole answer. Repair it: None if "
    "the answer is not complete after `seconds`, and then the connection is free for the next "
    "request. Errors of other kinds come through.",
    starter=get_within,
    hints=[
        "Which of httpx's four limits bounds the whole answer?",
        "`asyncio.timeout(seconds)` bounds all that is awaited in its block, and cancels it.",
        "It raises `TimeoutError`, from the `async with` itself: so the `try` goes around the "
        "block.",
    ],
    wrong=[
        WrongAnswer(names_all_four, "each piece starts the clock"),
        WrongAnswer(looks_at_the_clock, "nobody looks at a clock"),
        WrongAnswer(limits_the_headers, "The headers came in time"),
        WrongAnswer(turns_its_back, "goes on behind its back"),
        WrongAnswer(catches_httpx_s_exception, "that is no httpx exception"),
        WrongAnswer(catches_everything, "A ConnectError was swallowed"),
        WrongAnswer(returns_a_part, "which is a part of the answer"),
    ],
    solution=solution,
    why="The deadline is around the whole call, headers and body. It cancels the request, and a "
    "cancelled request closes its connection.",
    check=check,
    limit=20.0,
)
