"""The first correct request: a client of one's own, an awaited post, the JSON of the answer."""

import asyncio
import contextlib
import json

import aiohttp
import httpx

from course.exercises.ended import check_cancelled, clients_made, require_closed
from workbench.checking.record import Exercise, WrongAnswer, expect

GREETING = {"hello": "server"}


async def first_request(url):
    """Post {"hello": "server"} as JSON to url + "/echo"; return the answer's JSON."""
    raise NotImplementedError


async def solution(url):
    """Post {"hello": "server"} as JSON to url + "/echo"; return the answer's JSON."""
    async with httpx.AsyncClient() as client:
        response = await client.post(url + "/echo", json={"hello": "server"})
        response.raise_for_status()
    return response.json()


async def forgets_await(url):
    async with httpx.AsyncClient() as client:
        response = client.post(url + "/echo", json={"hello": "server"})
        return response.json()


async def returns_the_coroutine(url):
    async with httpx.AsyncClient() as client:
        return client.post(url + "/echo", json={"hello": "server"})


async def enters_the_request(url):
    async with httpx.AsyncClient() as client:
        async with client.post(url + "/echo", json={"hello": "server"}) as response:
            return response.json()


async def awaits_the_json(url):
    async with httpx.AsyncClient() as client:
        response = await client.post(url + "/echo", json={"hello": "server"})
        return await response.json()


async def leaves_the_client_open(url):
    client = httpx.AsyncClient()
    response = await client.post(url + "/echo", json={"hello": "server"})
    return response.json()


async def returns_the_response(url):
    async with httpx.AsyncClient() as client:
        return await client.post(url + "/echo", json={"hello": "server"})


async def sends_a_form(url):
    async with httpx.AsyncClient() as client:
        response = await client.post(url + "/echo", data={"hello": "server"})
    return response.json()


async def sends_a_get(url):
    async with httpx.AsyncClient() as client:
        response = await client.get(url + "/echo")
    return response.json()


async def returns_what_the_server_read(url):
    async with httpx.AsyncClient() as client:
        response = await client.post(url + "/echo", json={"hello": "server"})
    return response.json()["json"]


async def sends_text(url):
    async with httpx.AsyncClient() as client:
        response = await client.post(url + "/echo", content='{"hello": "server"}')
    return response.json()


async def makes_it_up(url):
    return {"method": "POST", "headers": {}, "body_length": 18, "json": {"hello": "server"}}


async def returns_nothing(url):
    async with httpx.AsyncClient() as client:
        await client.post(url + "/echo", json={"hello": "server"})


async def asks_synchronously(url):
    with httpx.Client() as client:
        response = client.post(url + "/echo", json={"hello": "server"})
    return response.json()


async def closes_in_a_task_that_nobody_awaits(url):
    client = httpx.AsyncClient()
    response = await client.post(url + "/echo", json={"hello": "server"})
    asyncio.create_task(client.aclose())  # noqa: RUF006
    return response.json()


async def closes_only_what_went_well(url):
    client = httpx.AsyncClient()
    response = await client.post(url + "/echo", json={"hello": "server"})
    response.raise_for_status()
    await client.aclose()
    return response.json()


async def closes_unless_it_is_cancelled(url):
    client = httpx.AsyncClient()
    try:
        response = await client.post(url + "/echo", json={"hello": "server"})
    except Exception:
        await client.aclose()
        raise
    await client.aclose()
    return response.json()


async def swallows_a_cancellation(url):
    try:
        return await solution(url)
    except BaseException:
        return None


async def makes_one_to_spare(url):
    httpx.AsyncClient()
    return await solution(url)


async def asks_with_aiohttp(url):
    async with aiohttp.ClientSession() as session:
        async with session.post(url + "/echo", json={"hello": "server"}) as response:
            return await response.json()


async def makes_the_answer_up_after_asking(url):
    async with httpx.AsyncClient() as client:
        await client.post(url + "/echo", json={"hello": "server"})
    headers = {"content-type": "application/json"}
    return {"method": "POST", "headers": headers, "body_length": 18, "json": {"hello": "server"}}


async def closes_in_finally(url):
    client = httpx.AsyncClient(base_url=url)
    try:
        response = await client.post("/echo", json={"hello": "server"})
        return response.json()
    finally:
        await client.aclose()


async def writes_the_json_itself(url):
    body = json.dumps({"hello": "server"})
    headers = {"Content-Type": "application/json; charset=utf-8"}
    async with httpx.AsyncClient(headers=headers, timeout=10) as client:
        response = await client.request("POST", f"{url}/echo", content=body)
        return json.loads(response.text)


async def streams_and_reads(url):
    async with httpx.AsyncClient() as client:
        async with client.stream("POST", url + "/echo", json={"hello": "server"}) as response:
            await response.aread()
            return response.json()


async def check(attempt, server):
    with clients_made() as made:
        answer = await attempt(server.url)
    attempt.require_request()
    expect(
        made or attempt.blocked,
        "A request that is sent by an `httpx.AsyncClient`.",
        happened="A request arrived, and your function made no such client.",
    )
    posts = [
        event
        for event in attempt.seen.events
        if event.kind == "request" and (event.method, event.path) == ("POST", "/echo")
    ]
    expect(
        len(posts) == 1 and attempt.seen.requests == 1,
        "One request, a POST to `/echo`.",
        happened="The server got something else; see what it saw.",
    )
    _expect_the_echo(answer, server)
    await attempt.require_nothing_left()
    require_closed(made, "It was over")
    # The other way out of the function: an answer of 404, which it may raise or return.
    with server.ledger.watch() as seen, contextlib.suppress(Exception):
        await attempt(server.url + "/nowhere")
    await attempt.settle()
    expect(
        seen.closed == seen.connections,
        "A client that is closed whatever the answer is: `async with` sees to it, or `finally`.",
        happened="Asked for a page that is not there, your function left its connection open: "
        f"{attempt.did}, and nobody closed the client.",
        seen=seen,
    )
    if not attempt.blocked:  # or the report says so: a synchronous client is not cancelled
        await check_cancelled(lambda: attempt(server.url))


def _expect_the_echo(answer, server):
    expect(
        answer != GREETING,
        "The whole JSON of the answer.",
        happened="Your function returned only the part that repeats your greeting.",
    )
    expect(
        isinstance(answer, dict) and {"method", "headers", "json"} <= set(answer),
        "The JSON of the answer, as a dict: `response.json()`.",
        happened=f"Your function returned an object of type `{type(answer).__name__}`"
        + (" that is not the answer's JSON." if isinstance(answer, dict) else "."),
    )
    expect(
        answer["json"] == GREETING,
        f"The body `{GREETING}` as JSON: `json=...` writes it and its Content-Type.",
        happened=f"What the server could read as JSON was `{answer['json']!r}`.",
    )
    expect(
        answer["headers"].get("host") == server.url.removeprefix("http://"),
        "The JSON that the server answered with, as it is.",
        happened="A request arrived, and what your function returned is not the answer to it.",
    )
    kind = answer["headers"].get("content-type", "")
    expect(
        kind.startswith("application/json"),
        "A request that says it carries JSON: `json=...` sets `Content-Type: application/json`.",
        happened=f"The body was right, and its Content-Type was `{kind}`."
        if kind
        else "The body was right, and the request had no Content-Type.",
    )


EXERCISE = Exercise(
    id="00-1",
    title="Your first correct request",
    task="""\
Write `first_request(url)`: it opens an `httpx.AsyncClient`, posts the JSON
`{"hello": "server"}` to `url + "/echo"`, closes the client, and returns the JSON of the answer.""",
    starter=first_request,
    hints=[
        "`async with httpx.AsyncClient() as client:` opens a client and closes it after the block.",
        "`client.post(...)` is an `async def` method. Its call has to be awaited: "
        "`response = await client.post(..., json=...)`.",
        "`response.json()` is a plain method: after `await client.post(...)` the body is here, and "
        "it needs no `await`.",
    ],
    wrong=[
        WrongAnswer(forgets_await, "An `await` is missing"),
        WrongAnswer(returns_the_coroutine, "returned a coroutine (`AsyncClient.post`)"),
        WrongAnswer(enters_the_request, "a request that has not even been sent"),
        WrongAnswer(awaits_the_json, "`await response.json()` is aiohttp's habit"),
        WrongAnswer(leaves_the_client_open, "1 connection was still open"),
        WrongAnswer(returns_the_response, "an object of type `Response`"),
        WrongAnswer(sends_a_form, "`json=...` writes it"),
        WrongAnswer(sends_a_get, "The server got something else"),
        WrongAnswer(returns_what_the_server_read, "only the part that repeats your greeting"),
        WrongAnswer(sends_text, "had no Content-Type"),
        WrongAnswer(makes_it_up, "an object of type `dict` was returned"),
        WrongAnswer(returns_nothing, "an object of type `NoneType`"),
        WrongAnswer(asks_synchronously, "socket.connect()"),
        WrongAnswer(closes_in_a_task_that_nobody_awaits, "a task still ran"),
        WrongAnswer(closes_only_what_went_well, "left its connection open"),
        WrongAnswer(closes_unless_it_is_cancelled, "under way, and its client was not closed"),
        WrongAnswer(swallows_a_cancellation, "and it swallowed that"),
        WrongAnswer(makes_one_to_spare, "1 of the 2 clients that it had made"),
        WrongAnswer(asks_with_aiohttp, "your function made no such client"),
        WrongAnswer(makes_the_answer_up_after_asking, "is not the answer to it"),
    ],
    right=[closes_in_finally, writes_the_json_itself, streams_and_reads],
    solution=solution,
    why="The request is awaited, `async with` opens the client and closes it whatever happens in "
    "its block, and the body is complete once `await client.post(...)` returns.",
    check=check,
)
