"""One client for a whole service: opened when it starts, closed when it stops."""

import ssl
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Annotated
from unittest import mock

import httpx
from fastapi import Depends, FastAPI, Request

from workbench.checking.record import Exercise, WrongAnswer, expect, still_open
from workbench.serving import serve

REQUESTS = 5


def create_app(upstream):
    """Return a FastAPI app: its GET /echo answers with the JSON of the upstream's /echo."""

    async def get_client():
        async with httpx.AsyncClient(base_url=upstream) as client:
            yield client

    app = FastAPI()

    @app.get("/echo")
    async def echo(client: Annotated[httpx.AsyncClient, Depends(get_client)]):
        response = await client.get("/echo")
        return response.json()

    return app


def solution(upstream):
    """Return a FastAPI app: its GET /echo answers with the JSON of the upstream's /echo."""

    @asynccontextmanager
    async def lifespan(app):
        async with httpx.AsyncClient(base_url=upstream) as client:
            yield {"client": client}

    async def get_client(request: Request):
        return request.state.client

    app = FastAPI(lifespan=lifespan)

    @app.get("/echo")
    async def echo(client: Annotated[httpx.AsyncClient, Depends(get_client)]):
        response = await client.get("/echo")
        return response.json()

    return app


def shares_the_context_only(upstream):
    context = ssl.create_default_context()

    async def get_client():
        async with httpx.AsyncClient(base_url=upstream, verify=context) as client:
            yield client

    app = FastAPI()

    @app.get("/echo")
    async def echo(client: Annotated[httpx.AsyncClient, Depends(get_client)]):
        response = await client.get("/echo")
        return response.json()

    return app


def caches_the_dependency(upstream):
    @lru_cache
    def get_client():
        return httpx.AsyncClient(base_url=upstream)

    app = FastAPI()

    @app.get("/echo")
    async def echo(client: Annotated[httpx.AsyncClient, Depends(get_client)]):
        response = await client.get("/echo")
        return response.json()

    return app


def closes_a_global(upstream):
    client = httpx.AsyncClient(base_url=upstream)

    @asynccontextmanager
    async def lifespan(app):
        yield
        await client.aclose()

    app = FastAPI(lifespan=lifespan)

    @app.get("/echo")
    async def echo():
        response = await client.get("/echo")
        return response.json()

    return app


def never_closes(upstream):
    @asynccontextmanager
    async def lifespan(app):
        app.state.client = httpx.AsyncClient(base_url=upstream)
        yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/echo")
    async def echo(request: Request):
        response = await request.app.state.client.get("/echo")
        return response.json()

    return app


def enters_it_in_each_request(upstream):
    client = httpx.AsyncClient(base_url=upstream)

    async def get_client():
        async with client:
            yield client

    app = FastAPI()

    @app.get("/echo")
    async def echo(client: Annotated[httpx.AsyncClient, Depends(get_client)]):
        response = await client.get("/echo")
        return response.json()

    return app


def yields_after_the_block(upstream):
    @asynccontextmanager
    async def lifespan(app):
        async with httpx.AsyncClient(base_url=upstream) as client:
            app.state.client = client
        yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/echo")
    async def echo(request: Request):
        response = await request.app.state.client.get("/echo")
        return response.json()

    return app


async def check(attempt, server):
    made = []

    class NotedClient(httpx.AsyncClient):
        def __init__(self, *args, **kwargs):
            made.append(self)
            super().__init__(*args, **kwargs)

    with mock.patch.object(httpx, "AsyncClient", NotedClient):
        try:
            await _check(attempt, server)
        finally:
            # FastAPI keeps every route's function in a cache, and with it what that refers to. So a
            # client that was not closed would keep its sockets until the process ends.
            for client in made:
                vars(client).clear()


async def _check(attempt, server):
    app = attempt(server.url)
    expect(isinstance(app, FastAPI), "A FastAPI app.", happened=f"It returned `{app!r}`.")
    first = await _start(app, server)
    _require_answers(first, "the first start")
    expect(
        first.connections == 1,
        f"{REQUESTS} requests, one after the other, share one connection.",
        happened=f"The upstream saw {first.connections}: each request made a client of its own.",
        seen=first.seen,
    )
    second = await _start(app, server)
    _require_answers(second, "the second start")
    expect(
        not still_open(first.seen),
        "The client is closed when the service stops.",
        happened="Its connection to the upstream was still open after the stop: the client was "
        "opened in the lifespan, and nothing closed it.",
        seen=first.seen,
    )


class _Started:
    """What came of one start of the app: statuses, errors, what the upstream saw."""

    def __init__(self, seen, statuses, errors):
        self.seen = seen
        self.connections = seen.connections
        self.bad = [status for status in statuses if status != 200]
        self.errors = errors


async def _start(app, server):
    with server.ledger.watch() as seen:
        async with serve(app) as service:
            statuses = [(await service.caller.get("/echo")).status_code for _ in range(REQUESTS)]
    return _Started(seen, statuses, service.errors)


def _require_answers(started, when):
    if not started.bad:
        return
    problem = str(started.errors[0]) if started.errors else f"status {started.bad[0]}"
    named = f"`{started.errors[0]!r}`" if started.errors else problem
    for error in started.errors:  # its traceback holds a client and its sockets
        error.__traceback__ = error.__context__ = None
    expect(
        False,
        f"Each request is answered with 200, also in {when}.",
        happened=f"In {when} {len(started.bad)} of {REQUESTS} were not: {named}. "
        + _meaning(problem, when),
        seen=started.seen,
    )


def _meaning(problem, when):
    if "instance" in problem:
        return "A client can be entered once. Here each request enters it."
    if "Event loop is closed" in problem:
        return (
            "The client was made once and lives on in the second start, with a connection of "
            "the first one's event loop."
        )
    if "has been closed" in problem and when == "the second start":
        return "A closed client stays closed. Each start needs a new one."
    if "has been closed" in problem:
        return (
            "The client was closed before the service took its first request: the `yield` "
            "stands outside its block."
        )
    return "See the lines of your routes and dependencies."


EXERCISE = Exercise(
    id="09-1",
    title="A client for the whole service",
    task="`create_app` makes a client for each request. Rewrite it: all requests share one client, "
    "it is closed when the service stops, and the service can be started again.",
    starter=create_app,
    hints=[
        "Which function does FastAPI run once at the start and once at the stop?",
        "`FastAPI(lifespan=lifespan)` takes an `@asynccontextmanager` function of the app. Its "
        "`yield` stands inside `async with httpx.AsyncClient(...)`.",
        'It yields `{"client": client}`, and `get_client(request: Request)` returns '
        "`request.state.client`.",
    ],
    wrong=[
        WrongAnswer(shares_the_context_only, "each request made a client of its own"),
        WrongAnswer(caches_the_dependency, "lives on in the second start"),
        WrongAnswer(closes_a_global, "A closed client stays closed"),
        WrongAnswer(never_closes, "nothing closed it"),
        WrongAnswer(enters_it_in_each_request, "A client can be entered once"),
        WrongAnswer(yields_after_the_block, "stands outside its block"),
    ],
    solution=solution,
    why="The lifespan makes the client in the event loop that uses it, at each start anew, and "
    "closes it at the stop.",
    check=check,
)
