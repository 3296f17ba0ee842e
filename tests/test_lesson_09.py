"""Lesson 09: what a client's lifetime does to a FastAPI service, and how to stream through one."""

import asyncio
import gc
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse
from starlette.background import BackgroundTask

from server.local import LocalServer
from services import gateway
from workbench.serving import serve
from workbench.trials import run_trials

pytestmark = pytest.mark.anyio
Client = gateway.Client


@pytest.fixture(scope="module")
def upstream():
    with LocalServer(timeout_keep_alive=60) as running:
        yield running


async def five_at_once(service, upstream, gate, rounds=2):
    """Send five requests that stand at a gate together, then five at a time; return statuses."""

    async def get():
        response = await service.caller.get(f"/answers/faults/hold?gate={gate}")
        return response.status_code

    async def open_gate():
        await upstream.gates.reached(gate, 5)
        upstream.gates.open(gate)

    opening = asyncio.create_task(open_gate())
    tally = await run_trials(get, 5 * rounds, at_once=5)
    await opening
    return tally.results


async def one_by_one(service, n=8):
    return [(await service.caller.get("/answers/echo")).status_code for _ in range(n)]


def with_global(client):
    """A service whose client was made before it started, and is not closed at its stop."""
    app = FastAPI()
    app.include_router(gateway.routes)
    # As a route that names the global, but without FastAPI's cache keeping the client alive.
    app.state.client = client
    app.dependency_overrides[gateway.get_client] = client_of_app
    return app


async def client_of_app(request: Request):
    return request.app.state.client


# Lifetimes


async def test_the_lifespan_shares_connections_and_closes_them_at_the_stop(upstream):
    app = gateway.create_app(upstream.url)
    for start in ("first", "second"):
        with upstream.ledger.watch() as seen:
            async with serve(app) as service:
                assert await five_at_once(service, upstream, f"lifespan-{start}") == [200] * 10
                upstream.ledger.settle()
                assert (seen.connections, seen.closed) == (5, 0)
        assert seen.closed == 5
        assert {event.by for event in seen.events if event.kind == "closed"} == {"client"}


# The sockets of a loop that is gone can only be closed by the garbage collector, which warns.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
async def test_a_global_client_costs_the_second_start_a_request_per_connection(upstream):
    app = with_global(httpx.AsyncClient(base_url=upstream.url, verify=False))
    with upstream.ledger.watch() as seen:
        async with serve(app) as service:
            assert await five_at_once(service, upstream, "global") == [200] * 10
    assert (seen.connections, seen.closed) == (5, 0)
    async with serve(app) as service:
        assert await one_by_one(service) == [500] * 5 + [200] * 3
    assert {repr(error) for error in service.errors} == {"RuntimeError('Event loop is closed')"}
    service.errors.clear()
    del app
    gc.collect()


# Streams


async def too_early(path: str, request: Request, client: Client):
    async with client.stream("GET", "/" + path, params=request.url.query) as response:
        return StreamingResponse(response.aiter_bytes())


async def function_scope(
    response: Annotated[httpx.Response, Depends(gateway.opened, scope="function")],
):
    return StreamingResponse(response.aiter_bytes(), response.status_code)


async def generator(path: str, request: Request, client: Client):
    async def body():
        async with client.stream("GET", "/" + path, params=request.url.query) as response:
            async for piece in response.aiter_bytes():
                yield piece

    return StreamingResponse(body())


async def background(path: str, request: Request, client: Client):
    asked = client.build_request("GET", "/" + path, params=request.url.query)
    response = await client.send(asked, stream=True)
    ending = BackgroundTask(response.aclose)
    return StreamingResponse(response.aiter_bytes(), response.status_code, background=ending)


def streaming(upstream):
    app = gateway.create_app(upstream.url)
    for form in (too_early, function_scope, generator, background):
        app.get(f"/{form.__name__}/{{path:path}}")(form)
    return app


async def download(service, path):
    size, problem = 0, None
    async with service.caller.stream("GET", path) as response:
        try:
            async for piece in response.aiter_bytes():
                size += len(piece)
        except httpx.RemoteProtocolError as error:
            problem = str(error)
    return response.status_code, size, problem


BROKEN = "peer closed connection without sending complete message body (incomplete chunked read)"


@pytest.mark.parametrize("size", [0, 2, 300_000])
@pytest.mark.parametrize("form", ["too_early", "function_scope"])
async def test_a_stream_closed_before_its_body_gives_200_and_nothing(upstream, form, size):
    async with serve(streaming(upstream)) as service:
        assert await download(service, f"/{form}/bytes?size={size}") == (200, 0, BROKEN)
    assert [type(error) for error in service.errors] == [httpx.StreamClosed]


@pytest.mark.parametrize(
    ("form", "missing"), [("generator", 200), ("background", 404), ("files", 404)]
)
async def test_a_stream_that_stays_open_arrives_whole(upstream, form, missing):
    async with serve(streaming(upstream)) as service:
        assert await download(service, f"/{form}/bytes?size=300000") == (200, 300_000, None)
        assert (await download(service, f"/{form}/status?code=404"))[0] == missing
        assert (await download(service, f"/{form}/faults/truncated"))[2] == BROKEN


@pytest.mark.parametrize("form", ["generator", "background", "files"])
@pytest.mark.parametrize("path", ["drip?pieces=1000&gap=0.03", "bytes?size=32000000"])
async def test_a_caller_that_leaves_ends_the_upstreams_connection(upstream, form, path):
    async with serve(streaming(upstream)) as service:
        before = upstream.ledger.totals()["closed"]
        async with service.caller.stream("GET", f"/{form}/{path}") as response:
            await anext(response.aiter_bytes())
        await asyncio.to_thread(
            upstream.ledger.wait_until, lambda ledger: ledger.totals()["closed"] > before
        )


# Whose failure it is


def request_errors(base=httpx.RequestError):
    for kind in base.__subclasses__():
        yield from request_errors(kind)
        yield kind


SURE = {  # of all others that httpx raises, the upstream gave no proper answer: 502
    httpx.PoolTimeout: 503,
    httpx.ConnectTimeout: 504,
    httpx.ReadTimeout: 504,
    httpx.WriteTimeout: 504,
    httpx.TimeoutException: 504,
}


@pytest.mark.parametrize("kind", sorted(set(request_errors()), key=lambda kind: kind.__name__))
async def test_each_failure_of_a_request_has_its_status(kind):
    def fail(request):
        raise kind("", request=request)

    if kind in (httpx.LocalProtocolError, httpx.UnsupportedProtocol):
        with pytest.raises(kind):  # our own mistake: a server makes a 500 of it, and logs it
            await get("/answers/echo", answered_by=fail)
        return
    response = await get("/answers/echo", answered_by=fail)
    expected = (SURE.get(kind, 502), {"error": kind.__name__})
    assert (response.status_code, response.json()) == expected


@pytest.mark.parametrize(("status", "ours"), [(302, 502), (404, 404), (500, 502), (503, 502)])
async def test_a_missing_thing_is_missing_and_any_other_bad_status_is_a_502(status, ours):
    response = await get("/answers/echo", answered_by=lambda request: httpx.Response(status))
    assert response.status_code == ours


@pytest.mark.parametrize("body", [b"", b"<h1>Welcome</h1>", b"\xff\xff\xff"])
async def test_no_json_is_a_502(body):
    response = await get("/answers/echo", lambda request: httpx.Response(200, content=body))
    assert response.status_code == 502


async def test_a_path_that_makes_no_url_is_the_callers_failure():
    app = gateway.create_app("http://upstream/" + 100 * "a")
    async with app.router.lifespan_context(app) as state:
        app.dependency_overrides[gateway.get_client] = lambda: state["client"]
        response = await call(app, "/answers/" + 65_500 * "a")
    assert (response.status_code, response.json()) == (400, {"error": "InvalidURL"})


@pytest.mark.parametrize(
    "path", ["/items/a%3Fb", "/a%23b?q=%3F", "/a%2Fb?flag&c=x%20y&d=e+f", "//h/x", "/%C3%A9", "/"]
)
async def test_the_upstream_gets_path_and_query_as_the_caller_wrote_them(path):
    def echo(request):
        return httpx.Response(200, json=request.url.raw_path.decode())

    for route in ("/answers", "/files"):
        response = await get(route + path, answered_by=echo)
        assert response.json() == path


async def test_a_route_whose_slash_is_encoded_leads_to_no_path_of_the_upstream():
    response = await get("/answers%2Fecho", lambda request: httpx.Response(200, json=1))
    assert response.status_code == 404


async def test_a_full_pool_is_a_503_and_the_upstream_is_not_asked(upstream):
    app = gateway.create_app(upstream.url, httpx.Timeout(5, pool=0.05), connections=1)
    with upstream.ledger.watch() as seen:
        async with serve(app) as service:
            async with service.caller.stream("GET", "/files/drip?pieces=1000&gap=0.03"):
                response = await service.caller.get("/answers/echo")
    assert (response.status_code, response.json()) == (503, {"error": "PoolTimeout"})
    assert [event.path for event in seen.events if event.kind == "request"] == ["/drip"]


async def test_without_its_handler_the_gateway_answers_500_and_cuts_the_caller_off(upstream):
    for handler in (True, False):
        app = gateway.create_app(upstream.url)
        if not handler:
            del app.exception_handlers[httpx.HTTPError]
        async with serve(app, headers={}) as service:
            response = await service.caller.get("/answers/faults/reset")
            assert response.status_code == (502 if handler else 500)
            if handler:
                service.ledger.settle()
                assert service.ledger.totals()["closed"] == 0
            else:
                service.ledger.wait_until(lambda ledger: ledger.totals()["closed"] == 1)
                assert service.ledger.events[-1].by == "server"


# Callers who must not meet


def accounts():
    app = FastAPI()

    @app.get("/login")
    async def login(user: str, response: Response):
        response.set_cookie("session", user)

    @app.get("/me")
    async def me(request: Request):
        return {"session": request.cookies.get("session")}

    @app.get("/moved")
    async def moved(user: str):
        response = RedirectResponse("/me")
        response.set_cookie("session", user)
        return response

    return app


@pytest.mark.parametrize("route", ["answers", "files"])
async def test_no_cookie_of_one_caller_is_sent_for_another(route):
    async with serve(accounts()) as behind, serve(gateway.create_app(behind.url)) as service:
        for path in ("login?user=anna", "moved?user=anna"):
            await service.caller.get(f"/{route}/{path}")
            assert not service.caller.cookies
            assert (await service.caller.get(f"/{route}/me")).json() == {"session": None}


# Tests without a network


async def get(path, answered_by):
    app = gateway.create_app("http://upstream")

    async def fake_client():
        transport = httpx.MockTransport(answered_by)
        async with httpx.AsyncClient(transport=transport, base_url="http://upstream") as client:
            yield client

    app.dependency_overrides[gateway.get_client] = fake_client
    return await call(app, path)


async def call(app, path):
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as caller:
        return await caller.get(path)


async def test_asgi_transport_does_not_pass_the_lifespans_state_on(upstream):
    app = gateway.create_app(upstream.url)
    with pytest.raises(AttributeError, match="no attribute 'client'"):
        await call(app, "/answers/echo")
    async with app.router.lifespan_context(app) as state:
        with pytest.raises(AttributeError, match="no attribute 'client'"):
            await call(app, "/answers/echo")
        app.dependency_overrides[gateway.get_client] = lambda: state["client"]
        assert (await call(app, "/answers/echo")).status_code == 200
