"""The first correct request: a client of one's own, an awaited post, the JSON of the answer."""

import httpx

from workbench.checking.record import Exercise, WrongAnswer, expect, still_open

GREETING = {"hello": "server"}


async def first_request(url):
    """Post {"hello": "server"} as JSON to url + "/echo"; return the answer's JSON."""
    raise NotImplementedError


async def solution(url):
    """Post {"hello": "server"} as JSON to url + "/echo"; return the answer's JSON."""
    async with httpx.AsyncClient() as client:
        response = await client.post(url + "/echo", json={"hello": "server"})
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


async def check(attempt, server):
    answer = await attempt(server.url)
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
    expect(
        isinstance(answer, dict),
        "The JSON of the answer, as a dict: `response.json()`.",
        happened=f"Your function returned an object of type `{type(answer).__name__}`.",
    )
    expect(
        answer.get("json") == GREETING,
        f"The body `{GREETING}` as JSON: `json=...` writes it and its Content-Type.",
        happened=f"The server could read this JSON in it: `{answer.get('json')}`.",
    )
    expect(
        not still_open(attempt.seen),
        "A client that is closed in the end: `async with httpx.AsyncClient() as client:`.",
        happened="The answer is right, but your function has ended and its connection is open: "
        "nobody closed the client.",
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
        "`response.json()` is a plain method. After `await client.post(...)` the body is here.",
    ],
    wrong=[
        WrongAnswer(forgets_await, "An `await` is missing"),
        WrongAnswer(returns_the_coroutine, "returned a coroutine (`AsyncClient.post`)"),
        WrongAnswer(enters_the_request, "a request that has not even been sent"),
        WrongAnswer(awaits_the_json, "`await response.json()` is aiohttp's habit"),
        WrongAnswer(leaves_the_client_open, "nobody closed the client"),
        WrongAnswer(returns_the_response, "an object of type `Response`"),
        WrongAnswer(sends_a_form, "`json=...` writes it"),
        WrongAnswer(sends_a_get, "The server got something else"),
    ],
    solution=solution,
    why="The request is awaited, the client is what `async with` opens and closes, and the body is "
    "complete once `await client.post(...)` returns.",
    check=check,
)
