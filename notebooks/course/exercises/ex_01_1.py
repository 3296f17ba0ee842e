"""The article's snippet, repaired: two forms are right, and one try tells nothing."""

import asyncio

import httpx

from course.exercises.ended import check_cancelled, tries_of
from workbench.checking.record import Exercise, WrongAnswer, expect

AT_ONCE = 5


async def place_order(url):
    """Post {"order": 17} as JSON to url + "/echo"; return the status code and the answer's JSON."""
    async with httpx.AsyncClient() as client:
        async with client.post(url + "/echo", json={"order": 17}) as response:
            return response.status_code, response.json()


async def solution(url):
    """Post {"order": 17} as JSON to url + "/echo"; return the status code and the answer's JSON."""
    async with httpx.AsyncClient() as client:
        response = await client.post(url + "/echo", json={"order": 17})
        return response.status_code, response.json()


async def awaits_inside_async_with(url):
    async with httpx.AsyncClient() as client:
        async with await client.post(url + "/echo", json={"order": 17}) as response:
            return response.status_code, response.json()


async def uses_a_plain_with(url):
    async with httpx.AsyncClient() as client:
        with client.post(url + "/echo", json={"order": 17}) as response:
            return response.status_code, response.json()


async def hides_the_exception(url):
    async with httpx.AsyncClient() as client:
        try:
            async with client.post(url + "/echo", json={"order": 17}) as response:
                return response.status_code, response.json()
        except TypeError:
            return None


async def tries_again(url):
    async with httpx.AsyncClient() as client:
        for _ in range(3):
            try:
                async with client.post(url + "/echo", json={"order": 17}) as response:
                    return response.status_code, response.json()
            except TypeError:
                await asyncio.sleep(0.01)
    raise RuntimeError("no answer after 3 tries")


async def streams_without_reading(url):
    async with httpx.AsyncClient() as client:
        async with client.stream("POST", url + "/echo", json={"order": 17}) as response:
            return response.status_code, response.json()


async def awaits_the_json(url):
    async with httpx.AsyncClient() as client:
        response = await client.post(url + "/echo", json={"order": 17})
        return response.status_code, await response.json()


async def ordered(client, url):
    response = await client.post(url + "/echo", json={"order": 17})
    return response.status_code, response.json()


async def sends_it_twice(url):
    await solution(url)
    return await solution(url)


async def sends_nothing(url):
    return None


async def asks_synchronously(url):
    with httpx.Client() as client:
        response = client.post(url + "/echo", json={"order": 17})
        return response.status_code, response.json()


async def forgets_to_close(url):
    return await ordered(httpx.AsyncClient(), url)


async def closes_in_a_task_that_nobody_awaits(url):
    client = httpx.AsyncClient()
    answer = await ordered(client, url)
    asyncio.create_task(client.aclose())  # noqa: RUF006
    return answer


async def tries_the_snippet_first(url):
    async with httpx.AsyncClient() as client:
        try:
            async with client.post(url + "/echo", json={"order": 17}) as response:
                return response.status_code, response.json()
        except TypeError:
            return await ordered(client, url)


async def swaps_the_two(url):
    status, echoed = await solution(url)
    return echoed, status


async def makes_the_answer_up(url):
    await solution(url)
    return 200, {"method": "POST", "json": {"order": 17}}


async def takes_200_for_granted(url):
    _, echoed = await solution(url)
    return 200, echoed


async def tries_again_whatever_it_is(url):
    for _ in range(3):
        try:
            return await solution(url)
        except Exception:
            await asyncio.sleep(0.01)


async def asks_in_a_thread(url):
    response = await asyncio.to_thread(httpx.post, url + "/echo", json={"order": 17})
    return response.status_code, response.json()


async def closes_unless_it_is_cancelled(url):
    client = httpx.AsyncClient()
    try:
        answer = await ordered(client, url)
    except Exception:
        await client.aclose()
        raise
    await client.aclose()
    return answer


async def returns_a_list(url):
    async with httpx.AsyncClient() as client:
        response = (await client.post(url + "/echo", json={"order": 17})).raise_for_status()
    return [response.status_code, response.json()]


async def streams_and_reads(url):
    async with httpx.AsyncClient() as client:
        async with client.stream("POST", url + "/echo", json={"order": 17}) as response:
            await response.aread()
            return response.status_code, response.json()


async def closes_in_finally(url):
    client = httpx.AsyncClient(base_url=url)
    try:
        request = client.build_request("POST", "/echo", json={"order": 17})
        response = await client.send(request)
    finally:
        await client.aclose()
    return response.status_code, response.json()


async def check(attempt, server):
    try:
        first = await attempt(server.url)
    except RuntimeError as exc:
        # A retry that gives up raises in its own words; what it hid is what matters.
        expect(
            attempt.seen.connections or not _never_awaited(attempt),
            "One POST.",
            happened=f"`{exc!r}`, and not one byte was sent. This failure does not come and go: "
            "trying again cannot help.",
        )
        raise
    expect(
        attempt.seen.requests or not _never_awaited(attempt),
        "One POST.",
        happened=f"Your function returned `{first!r}`, nothing was sent, and Python says that a "
        "call was never awaited: its exception is hidden, not cured.",
    )
    attempt.require_request()
    expect(
        attempt.seen.requests == 1,
        "One order for each call.",
        happened=f"One call of your function sent {attempt.seen.requests} orders.",
    )
    _expect_the_echo(first, server)
    expect(
        not _never_awaited(attempt),
        "One call of `client.post`, and it is awaited.",
        happened="An order was sent; before it, your function made a call that it never awaited.",
    )
    await attempt.require_nothing_left()
    with server.ledger.watch() as seen:
        answers = await asyncio.gather(*(attempt(server.url) for _ in range(AT_ONCE)))
    for answer in answers:
        _expect_the_echo(answer, server)
    expect(
        seen.requests == AT_ONCE,
        f"{AT_ONCE} requests for {AT_ONCE} calls at once.",
        happened=f"The server got {seen.requests}.",
        seen=seen,
    )
    await attempt.require_nothing_left()
    if not attempt.blocked:  # or the report says so: what follows would not fit
        await _check_bad_ends(attempt, server)


async def _check_bad_ends(attempt, server):
    try:
        status, *_ = await attempt(server.url + "/nowhere")
    except httpx.HTTPStatusError as error:
        status = error.response.status_code
    expect(
        status == 404,
        "The status code of the answer, or its error: 404 of a server that has no such page.",
        happened=f"The server answered 404, and your function returned `{status!r}`.",
    )
    # First this one: it refuses a call whose request goes out by no `httpx.AsyncClient`.
    await check_cancelled(lambda: attempt(server.url))
    tries = await tries_of(lambda: attempt(server.url))
    expect(
        tries == 1,
        "One order for each call, also when the connection breaks: the server may have taken it.",
        happened=f"The connection broke, and your function sent the order {tries} times.",
    )


def _never_awaited(attempt):
    return any("never awaited" in said for said in attempt.warnings)


def _expect_the_echo(answer, server):
    wanted = "A status code and the JSON: `return response.status_code, response.json()`."
    expect(
        isinstance(answer, tuple | list) and len(answer) == 2,
        wanted,
        happened=f"Your function returned an object of type `{type(answer).__name__}`.",
    )
    kinds = [type(part).__name__ for part in answer]
    expect(
        isinstance(answer[0], int) and isinstance(answer[1], dict),
        wanted,
        happened=f"Your function returned two objects, of the types `{kinds[0]}` and `{kinds[1]}`.",
    )
    status, echoed = answer
    got = (status, echoed.get("method"), echoed.get("json"))
    expect(
        got == (200, "POST", {"order": 17}),
        'Status 200, and the echo of a POST with the JSON `{"order": 17}`.',
        happened=f"Status, method and JSON were `{got}`.",
    )
    expect(
        echoed.get("headers", {}).get("host") == server.url.removeprefix("http://"),
        "The JSON that the server answered with, as it is.",
        happened="An order was sent, and what your function returned is not the answer to it.",
    )


EXERCISE = Exercise(
    id="01-1",
    title="Repair the snippet",
    task="""\
`place_order(url)` is the article's snippet, and it fails every time. Repair it: each call sends one
POST with the JSON `{"order": 17}` to `url + "/echo"` and returns the status code and the JSON of
the answer. The check calls it once alone and then five times at once.""",
    starter=place_order,
    hints=[
        "The ledger of your failing call is empty. So the cure is in how the request is started, "
        "not in what happens to the answer.",
        "`client.post(...)` gives a coroutine. What does Python want you to do with a coroutine?",
        "One of the two `async with` is right: the client's. The other one becomes "
        "`response = await client.post(...)`.",
    ],
    wrong=[
        WrongAnswer(awaits_inside_async_with, "A Response is no context manager"),
        WrongAnswer(uses_a_plain_with, "neither in `with` nor in `async with`"),
        WrongAnswer(hides_the_exception, "its exception is hidden, not cured"),
        WrongAnswer(tries_again, "trying again cannot help"),
        WrongAnswer(streams_without_reading, "has to be read first"),
        WrongAnswer(awaits_the_json, "`await response.json()` is aiohttp's habit"),
        WrongAnswer(sends_it_twice, "sent 2 orders"),
        WrongAnswer(sends_nothing, "What happened: No request was made"),
        WrongAnswer(asks_synchronously, "Your code stopped it: `socket.connect()`"),
        WrongAnswer(tries_the_snippet_first, "before it, your function made a call"),
        WrongAnswer(swaps_the_two, "of the types `dict` and `int`"),
        WrongAnswer(makes_the_answer_up, "is not the answer to it"),
        WrongAnswer(takes_200_for_granted, "The server answered 404, and"),
        WrongAnswer(tries_again_whatever_it_is, "sent the order 3 times"),
        WrongAnswer(asks_in_a_thread, "no such client was asked for anything"),
        WrongAnswer(closes_unless_it_is_cancelled, "under way, and its client was not closed"),
        WrongAnswer(forgets_to_close, "1 connection was still open"),
        WrongAnswer(closes_in_a_task_that_nobody_awaits, "a task still ran that nobody waited for"),
    ],
    right=[streams_and_reads, closes_in_finally, returns_a_list],
    solution=solution,
    why="`await client.post(...)` sends the request and returns a Response whose body is read. "
    '`async with client.stream("POST", ...)` with `await response.aread()` in its block is right, '
    "too: that method is an async context manager.",
    check=check,
)
