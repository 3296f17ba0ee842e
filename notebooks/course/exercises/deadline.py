"""The check of exercise 10-2: what a deadline for a whole call has to do.

`ex_10_2.py` uses it. It sends requests to the check's own server and to a port that refuses them.
"""

import asyncio
import ssl

import httpx

from server.wire import refused
from workbench.checking.record import Wrong, expect

SECONDS = 0.3  # what the function is given
PATIENCE = 2.5  # seconds after which it is too late, also on a busy machine
GATE, GATE_OF_THE_CANCELLED = "answer", "cancelled"
LONGER = 1.5  # seconds, far longer than the limit of a client
PIECES = 25
SLOW_DRIP = f"/drip?pieces={PIECES}&gap=0.05"  # 1.2 s in all
MORE_THAN_HALF = 0.7  # seconds for it: who allows twice of what is given gets all of it


async def check(attempt, server):
    context = ssl.create_default_context()
    limits = httpx.Limits(max_connections=1)
    async with httpx.AsyncClient(verify=context, timeout=20, limits=limits) as client:
        try:
            await _check_in_time(attempt, server, client)
            await _check_late(attempt, server, client)
            await _check_cancelled(attempt, server, client)
        finally:
            server.gates.open(GATE)
            if left := asyncio.all_tasks() - {asyncio.current_task()}:
                await asyncio.wait(left, timeout=PATIENCE)
        await _check_errors(attempt, server, client)
    await _check_the_client_s_limit(attempt, server, context)
    await _check_no_success(attempt)


async def _check_in_time(attempt, server, client):
    over_the_client = []

    async def note(request):
        over_the_client.append(request)

    client.event_hooks = {"request": [note]}
    limits = client.timeout
    with server.ledger.watch() as seen:
        answering = await _patiently(attempt(client, server.url + "/bytes?size=3", 30))
    expect(
        not answering.cancelled(),
        "The text of an answer that is in time, as soon as it is there.",
        happened=f"The answer came at once, and your function still waited after {PATIENCE} s.",
        seen=seen,
    )
    text = answering.result()
    expect(seen.requests, "A GET of the url.", happened=f"No request was made; {text!r} came back.")
    client.event_hooks = {}
    expect(
        over_the_client,
        "A GET of the url with the `client` that is given.",
        happened="The server got a request, and it did not come from that client.",
        seen=seen,
    )
    expect(
        client.timeout == limits,
        "The client's own limits stay as they are: others use it, too.",
        happened=f"Your function has set them to `{client.timeout}`, for every later request.",
    )
    expect(
        text == "xxx",
        "The text of an answer that is in time.",
        happened=f"It returned `{text!r}` for an answer of three bytes.",
        seen=seen,
    )
    expected = "The text of an answer that takes 0.6 s, with `seconds=30`."
    slowly = await _patiently(attempt(client, server.url + "/drip?pieces=4&gap=0.2", 30))
    expect(
        not slowly.cancelled(), expected, happened=f"It still waited after {PATIENCE} s, in vain."
    )
    text = slowly.result()
    expect(text == "xxxx", expected, happened=f"It returned `{text!r}`.")


async def _check_no_success(attempt):
    """Answers at once with an error, and with nothing: both are complete."""
    for status, body in ((503, "busy"), (200, "")):
        answer = httpx.Response(status, text=body)
        async with httpx.AsyncClient(
            transport=httpx.MockTransport(lambda _, a=answer: a)
        ) as client:
            try:
                text = await attempt(client, "http://complete", 30)
            except httpx.HTTPStatusError:
                continue  # the task leaves open what comes of an error status
        expect(
            text == body,
            f"The text of an answer that is complete: `{body!r}`, with status {status}.",
            happened=f"It returned `{text!r}`. None says that the time was up, and it was not.",
        )


async def _patiently(call):
    """Run a call, but cancel it when patience is over; return its task, which has ended."""
    running = asyncio.create_task(call)
    done, _ = await asyncio.wait([running], timeout=PATIENCE)
    if not done:
        running.cancel()
        await asyncio.wait([running])
    return running


async def _check_late(attempt, server, client):
    await _require_none(
        attempt(client, f"{server.url}/faults/hold?gate={GATE}", SECONDS),
        "a server that does not begin to answer",
        "Where nothing arrives, nobody looks at a clock.",
    )
    await _require_free(server, client, "returned")
    await _require_none(
        attempt(client, server.url + "/faults/headers-only", SECONDS),
        "a server that sends headers, and never a body",
        "The headers came in time. The body is part of the answer, too.",
    )
    await _require_free(server, client, "returned")
    expected = f"None for an answer that comes in pieces for 1.2 s, with `seconds={MORE_THAN_HALF}`"
    with server.ledger.watch() as seen:
        text = await attempt(client, server.url + SLOW_DRIP, MORE_THAN_HALF)
    expect(
        text is None or len(text) < PIECES,
        f"{expected}.",
        happened="All of it came, far too late. (Each piece starts the clock of `read` anew.)",
    )
    expect(
        seen.requests == 1,
        f"{expected}, for all that is tried.",
        happened=f"{seen.requests} requests were made. Who begins again starts the clock again.",
    )
    expect(
        text is None,
        "None for an answer that is not complete.",
        happened=f"It returned `{text!r}`, which is a part of the answer. The caller cannot tell "
        "it from a whole one.",
    )
    await _require_free(server, client, "returned")
    await _check_late_in_parts(attempt, server, client)


async def _check_late_in_parts(attempt, server, client):
    """Half a second until the request is sent, and half a second for its answer."""

    async def wait(request):
        await asyncio.sleep(0.5)

    client.event_hooks = {"request": [wait]}
    text = await attempt(client, server.url + "/drip?pieces=11&gap=0.05", MORE_THAN_HALF)
    client.event_hooks = {}
    expect(
        text is None,
        f"None for a call that takes 1 s in all, with `seconds={MORE_THAN_HALF}`.",
        happened="It took half a second until the request was sent, and another half until the "
        f"body was there, and `{text!r}` was returned: the whole call has one limit.",
    )
    await _require_free(server, client, "returned")


async def _require_free(server, client, ended):
    """Require that the client's connection is free, and have it open for what comes next.

    A deadline that strikes as a connection has just come about would cost it (httpcore 1.0.9).
    """
    expect(
        not client.is_closed,
        "The client stays open: your function did not make it, and others use it.",
        happened=f"Your function has {ended}, and the client is closed.",
    )
    try:
        await client.get(server.url + "/echo", timeout=httpx.Timeout(30, pool=0.5))
    except httpx.PoolTimeout as error:
        raise Wrong(
            f"When your function has {ended}, the connection is free for the next request.",
            happened=f"The next request got `{error!r}`. Your function has {ended}, but its "
            "request goes on behind its back.",
        ) from error


async def _require_none(call, what, why):
    """Require that the call returns None before anyone loses patience."""
    expected = f"None after {SECONDS} s, for {what}."
    running = await _patiently(call)
    expect(
        not running.cancelled(),
        expected,
        happened=f"Your function was still waiting after {PATIENCE} s. {why}",
    )
    raised = running.exception()
    expect(
        not isinstance(raised, TimeoutError),
        expected,
        happened=f"`{raised!r}` came out of your function. `asyncio.timeout` raises Python's "
        "TimeoutError, and that is no httpx exception.",
    )
    result = running.result()
    expect(result is None, expected, happened=f"It returned `{result!r}`.")


async def _check_cancelled(attempt, server, client):
    """Cancel the call from outside, while the server holds its answer back."""
    url = f"{server.url}/faults/hold?gate={GATE_OF_THE_CANCELLED}"
    running = asyncio.create_task(attempt(client, url, 30))
    await server.gates.reached(GATE_OF_THE_CANCELLED)
    running.cancel()
    [result] = await asyncio.gather(running, return_exceptions=True)
    try:
        expect(
            isinstance(result, asyncio.CancelledError),
            "A call that is cancelled from outside ends with CancelledError.",
            happened=f"The caller's task was cancelled, and your function gave it `{result!r}`.",
        )
        await _require_free(server, client, "been cancelled")
    finally:
        server.gates.open(GATE_OF_THE_CANCELLED)


async def _check_errors(attempt, server, client):
    async def full_disk(response):
        raise OSError(28, "No space left on device")

    with refused() as port:
        await _require_raised(attempt, client, port.url, httpx.ConnectError, "Nobody listens there")
    client.event_hooks = {"response": [full_disk]}
    why = "A hook of the client's could not write its log: No space left on device"
    await _require_raised(attempt, client, server.url + "/echo", OSError, why)


async def _require_raised(attempt, client, url, kind, why):
    try:
        text = await attempt(client, url, 30)
    except kind:
        return
    words = "as if it had been too slow" if text is None else "as if it were the text"
    raise Wrong(
        "Errors that have nothing to do with the time come through.",
        happened=f"{why}, and your function returned `{text!r}`, {words}. "
        f"{kind.__name__} was swallowed.",
    )


async def _check_the_client_s_limit(attempt, server, context):
    """Let the client's own `read` limit fire long before the function's time is up.

    A function that gives the request limits of its own may return None, when the time is up.
    """
    limits = httpx.Timeout(30, read=0.3)
    loop = asyncio.get_running_loop()
    async with httpx.AsyncClient(verify=context, timeout=limits) as client:
        began = loop.time()
        try:
            text = await attempt(client, server.url + "/faults/silence", LONGER)
        except httpx.ReadTimeout:
            return
        early = loop.time() - began < LONGER - 0.1
    expect(
        text is None and not early,
        f"A client with `read=0.3`, a silent server, `seconds={LONGER}`: its ReadTimeout comes "
        "through.",
        happened=f"It returned `{text!r}` before {LONGER} s had passed. The client's ReadTimeout "
        "was raised meanwhile, and did not come through.",
    )
