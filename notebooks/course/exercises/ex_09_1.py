"""One client for a whole service: opened when it starts, closed when it stops."""

import asyncio
import ssl
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Annotated

import httpx
from fastapi import Depends, FastAPI, Request

from course.exercises.service_starts import check, serve_upstream
from workbench.checking.record import Exercise, WrongAnswer


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


# The parts of the answers below


def _app(echo, lifespan=None):
    app = FastAPI(lifespan=lifespan)
    app.get("/echo")(echo)
    return app


def _app_depending_on(get_client, lifespan=None):
    async def echo(client: Annotated[httpx.AsyncClient, Depends(get_client)]):
        return (await client.get("/echo")).json()

    return _app(echo, lifespan)


def _app_with(lifespan):
    async def echo(request: Request):
        return (await request.state.client.get("/echo")).json()

    return _app(echo, lifespan)


def _closing(client):
    @asynccontextmanager
    async def lifespan(app):
        yield {"client": client}
        await client.aclose()

    return lifespan


# Wrong


def shares_the_context_only(upstream):
    context = ssl.create_default_context()

    async def get_client():
        async with httpx.AsyncClient(base_url=upstream, verify=context) as client:
            yield client

    return _app_depending_on(get_client)


def caches_the_dependency(upstream):
    @lru_cache
    def get_client():
        return httpx.AsyncClient(base_url=upstream)

    return _app_depending_on(get_client)


def closes_a_global(upstream):
    return _app_with(_closing(httpx.AsyncClient(base_url=upstream)))


def never_closes(upstream):
    @asynccontextmanager
    async def lifespan(app):
        yield {"client": httpx.AsyncClient(base_url=upstream)}

    return _app_with(lifespan)


def enters_it_in_each_request(upstream):
    client = httpx.AsyncClient(base_url=upstream)

    async def get_client():
        async with client:
            yield client

    return _app_depending_on(get_client)


def yields_after_the_block(upstream):
    @asynccontextmanager
    async def lifespan(app):
        async with httpx.AsyncClient(base_url=upstream) as client:
            state = {"client": client}
        yield state

    return _app_with(lifespan)


def closes_in_a_task(upstream):
    @asynccontextmanager
    async def lifespan(app):
        client = httpx.AsyncClient(base_url=upstream)
        yield {"client": client}
        asyncio.create_task(client.aclose())  # noqa: RUF006

    return _app_with(lifespan)


@asynccontextmanager
async def _synchronous(app):
    with httpx.Client(base_url=app.state.upstream) as client:
        yield {"client": client}


def asks_synchronously(upstream):
    async def echo(request: Request):
        return request.state.client.get("/echo").json()

    app = _app(echo, _synchronous)
    app.state.upstream = upstream
    return app


def keeps_no_connection(upstream):
    @asynccontextmanager
    async def lifespan(app):
        limits = httpx.Limits(max_keepalive_connections=0)
        async with httpx.AsyncClient(base_url=upstream, limits=limits) as client:
            yield {"client": client}

    return _app_with(lifespan)


def asks_once_and_remembers(upstream):
    @asynccontextmanager
    async def lifespan(app):
        async with httpx.AsyncClient(base_url=upstream) as client:
            yield {"answer": (await client.get("/echo")).json()}

    async def echo(request: Request):
        return request.state.answer

    return _app(echo, lifespan)


def asks_nobody(upstream):
    async def echo():
        return {"method": "GET"}

    return _app(echo)


def makes_its_answer_up(upstream):
    @asynccontextmanager
    async def lifespan(app):
        async with httpx.AsyncClient(base_url=upstream) as client:
            yield {"client": client}

    async def echo(request: Request):
        await request.state.client.get("/echo")
        return {"method": "GET", "headers": {}, "body_length": 0, "json": None}

    return _app(echo, lifespan)


def answers_with_the_first(upstream):
    @asynccontextmanager
    async def lifespan(app):
        async with httpx.AsyncClient(base_url=upstream) as client:
            yield {"client": client, "answers": []}

    async def echo(request: Request):
        request.state.answers.append((await request.state.client.get("/echo")).json())
        return request.state.answers[0]

    return _app(echo, lifespan)


def hides_what_failed(upstream):
    async def echo(request: Request):
        try:
            return (await request.state.client.get("/echo")).json()
        except RuntimeError:
            return None

    return _app(echo, _closing(httpx.AsyncClient(base_url=upstream)))


def answers_where_nobody_did(upstream):
    @asynccontextmanager
    async def lifespan(app):
        async with httpx.AsyncClient(base_url=upstream) as client:
            yield {"client": client}

    async def echo(request: Request):
        try:
            return (await request.state.client.get("/echo")).json()
        except httpx.HTTPError:
            return None

    return _app(echo, lifespan)


# Right, too


def client_in_the_apps_state(upstream):
    @asynccontextmanager
    async def lifespan(app):
        app.state.client = httpx.AsyncClient(base_url=upstream)
        try:
            yield
        finally:
            await app.state.client.aclose()

    def get_client(request: Request):
        return request.app.state.client

    return _app_depending_on(get_client, lifespan)


def a_fresh_global_at_each_start(upstream):
    clients = {}

    @asynccontextmanager
    async def lifespan(app):
        async with httpx.AsyncClient(base_url=upstream) as clients["client"]:
            yield

    return _app_depending_on(lambda: clients["client"], lifespan)


def synchronous_in_threads(upstream):
    def echo(request: Request):  # FastAPI calls a route made by plain `def` in a thread
        return request.state.client.get("/echo").json()

    app = _app(echo, _synchronous)
    app.state.upstream = upstream
    return app


def made_when_first_asked_for(upstream):
    @asynccontextmanager
    async def lifespan(app):
        app.state.client = None
        yield
        if app.state.client:
            await app.state.client.aclose()

    async def get_client(request: Request):
        if request.app.state.client is None:
            request.app.state.client = httpx.AsyncClient(base_url=upstream)
        return request.app.state.client

    return _app_depending_on(get_client, lifespan)


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
        WrongAnswer(closes_in_a_task, "nothing awaited it before the lifespan ended"),
        WrongAnswer(asks_synchronously, "Your code stopped it"),
        WrongAnswer(keeps_no_connection, "its client keeps no connection"),
        WrongAnswer(asks_once_and_remembers, "an answer was given more than once"),
        WrongAnswer(asks_nobody, "No request was made to the upstream"),
        WrongAnswer(makes_its_answer_up, "your service has made it up"),
        WrongAnswer(answers_with_the_first, "was handed out again"),
        WrongAnswer(answers_where_nobody_did, "Nobody listened at the upstream's"),
        WrongAnswer(hides_what_failed, "In the second start an answer was `null`"),
    ],
    right=[
        client_in_the_apps_state,
        a_fresh_global_at_each_start,
        synchronous_in_threads,
        made_when_first_asked_for,
    ],
    solution=solution,
    why="The lifespan makes the client in the event loop that uses it, at each start anew, and "
    "closes it at the stop.",
    check=check,
    serve=serve_upstream,
)
