"""Lesson 07: what a client per call does, what it costs, and what raise_for_status is for."""

import asyncio
import inspect
import json
import ssl
import traceback
from unittest import mock

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from server.ledger import clock
from server.local import LocalServer
from workbench.loop import ticking

N = 5


@pytest.fixture(scope="module")
def server():
    with LocalServer() as running:
        yield running


@pytest.fixture(scope="module")
def context():
    return httpx.create_ssl_context()


@pytest.fixture
def loads(monkeypatch):
    """The names on the stack, each time that certificates are loaded from a file."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    stacks = []
    original = ssl.SSLContext.load_verify_locations

    def noting(self, *args, **kwargs):
        stacks.append([frame.name for frame in traceback.extract_stack()])
        return original(self, *args, **kwargs)

    with mock.patch.object(ssl.SSLContext, "load_verify_locations", noting):
        yield stacks


async def fetch(client, server):
    response = await client.get(server.url + "/echo")
    return response.raise_for_status().status_code


async def client_per_call(server, **options):
    async with httpx.AsyncClient(**options) as client:
        return await fetch(client, server)


# The price


@pytest.mark.anyio
async def test_a_client_per_call_opens_a_connection_and_loads_certificates_for_each(server, loads):
    with server.ledger.watch() as seen:
        for _ in range(N):
            assert await client_per_call(server) == 200
    assert (seen.connections, seen.requests, seen.closed) == (N, N, N)
    assert len(loads) == N
    assert all({"create_ssl_context", "__init__"} <= set(stack) for stack in loads)


@pytest.mark.anyio
async def test_a_shared_context_saves_the_loading_and_not_the_connections(server, loads, context):
    with server.ledger.watch() as seen:
        for _ in range(N):
            assert await client_per_call(server, verify=context) == 200
    assert (seen.connections, seen.requests, seen.closed) == (N, N, N)
    assert loads == []


@pytest.mark.anyio
async def test_a_shared_client_needs_one_of_each(server, loads):
    with server.ledger.watch() as seen:
        async with httpx.AsyncClient() as client:
            for _ in range(N):
                assert await fetch(client, server) == 200
    assert (seen.connections, seen.requests, seen.closed) == (1, N, 1)
    assert len(loads) == 1


@pytest.mark.anyio
async def test_clients_for_calls_at_once_are_all_made_before_the_loop_goes_on(server):
    made = []

    async def call():
        async with httpx.AsyncClient() as client:
            made.append(clock())
            return await fetch(client, server)

    async with ticking() as ticks:
        assert await asyncio.gather(*(call() for _ in range(N))) == [200] * N
    assert len(made) == N
    assert ticks.between(made[0], made[-1]) == 0
    assert ticks.longest_stall >= made[-1] - made[0]


@pytest.mark.anyio
async def test_the_context_that_is_given_is_the_one_that_is_used(context):
    async with httpx.AsyncClient(verify=context) as client:
        assert client._transport._pool._ssl_context is context
    assert context.verify_mode is ssl.CERT_REQUIRED
    async with httpx.AsyncClient(verify=False) as client:
        assert client._transport._pool._ssl_context.verify_mode is ssl.CERT_NONE


# An error page is no answer


@pytest.fixture(scope="module")
def prices():
    answers = {
        "/fine": JSONResponse({"price": 1250}),
        "/overloaded": JSONResponse({"error": "overloaded"}, 503),
        "/bad-gateway": HTMLResponse("<h1>502 Bad Gateway</h1>", 502),
        "/moved": RedirectResponse("/fine"),
        "/login-page": HTMLResponse("<h1>Please log in</h1>"),
        "/no-content": Response(status_code=204),
    }
    routes = [Route(path, answer) for path, answer in answers.items()]
    with LocalServer(Starlette(routes=routes)) as running:
        yield running


async def get(url, context):
    async with httpx.AsyncClient(verify=context) as client:
        return await client.get(url)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("path", "data"), [("/overloaded", {"error": "overloaded"}), ("/fine", {"price": 1250})]
)
async def test_json_of_an_error_is_read_like_any_other(prices, context, path, data):
    response = await get(prices.url + path, context)
    assert response.json() == data


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/bad-gateway", "/moved", "/login-page", "/no-content"])
async def test_what_is_no_json_gives_one_message_for_all_causes(prices, context, path):
    response = await get(prices.url + path, context)
    with pytest.raises(json.JSONDecodeError) as caught:
        response.json()
    assert str(caught.value) == "Expecting value: line 1 column 1 (char 0)"


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/overloaded", "/bad-gateway", "/moved"])
async def test_raise_for_status_names_the_cause(prices, context, path):
    response = await get(prices.url + path, context)
    with pytest.raises(httpx.HTTPStatusError, match=str(response.status_code)) as caught:
        response.raise_for_status()
    assert caught.value.response is response
    assert isinstance(caught.value, httpx.HTTPError)
    assert not isinstance(caught.value, httpx.TransportError)


@pytest.mark.anyio
@pytest.mark.parametrize("code", [200, 201, 204, 299])
async def test_a_success_comes_back_from_raise_for_status(server, context, code):
    response = await get(f"{server.url}/status?code={code}", context)
    assert response.raise_for_status() is response


@pytest.mark.anyio
@pytest.mark.parametrize("code", [300, 304, 307, 400, 404, 429, 500, 503, 599])
async def test_raise_for_status_raises_for_all_the_rest(server, context, code):
    response = await get(f"{server.url}/status?code={code}", context)
    with pytest.raises(httpx.HTTPStatusError):
        response.raise_for_status()


# When it is right


def test_these_settings_belong_to_a_client_as_a_whole():
    of_a_client = set(inspect.signature(httpx.AsyncClient).parameters)
    of_a_request = set(inspect.signature(httpx.AsyncClient.request).parameters)
    assert {"proxy", "verify", "cert"} <= of_a_client - of_a_request


@pytest.mark.anyio
async def test_a_shared_client_shares_its_cookies(context):
    async def login(request):
        response = JSONResponse({})
        response.set_cookie("session", request.query_params["user"])
        return response

    async def who_am_i(request):
        return JSONResponse({"user": request.cookies.get("session")})

    routes = [Route("/login", login), Route("/me", who_am_i)]
    with LocalServer(Starlette(routes=routes)) as accounts:
        async with httpx.AsyncClient(verify=context, base_url=accounts.url) as client:
            await client.get("/login?user=anna")
            assert (await client.get("/me")).json() == {"user": "anna"}
        async with httpx.AsyncClient(verify=context, base_url=accounts.url) as client:
            assert (await client.get("/me")).json() == {"user": None}


@pytest.mark.anyio
async def test_httpx_get_makes_a_client_per_call_and_blocks_the_loop(server, context):
    with server.ledger.watch() as seen:
        for _ in range(3):
            httpx.get(server.url + "/echo", verify=context)
    assert (seen.connections, seen.requests, seen.closed) == (3, 3, 3)
    async with ticking() as ticks:
        start = clock()
        httpx.get(server.url + "/delay?seconds=0.1", verify=context)
        end = clock()
    assert ticks.between(start, end) == 0
    async with ticking() as ticks:
        async with httpx.AsyncClient(verify=context) as client:
            start = clock()
            await client.get(server.url + "/delay?seconds=0.3")
            end = clock()
    assert ticks.between(start, end) > 0
