"""Any application, any option, and a server behind dead proxies."""

import socket
import sys
from contextlib import asynccontextmanager

import httpx
import pytest
from served import get, wait_for
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from server import local
from server.local import LocalServer


def test_any_asgi_application():
    async def app(scope, receive, send):
        assert scope["type"] == "http"  # it knows no lifespan
        await send({"type": "http.response.start", "status": 201, "headers": []})
        await send({"type": "http.response.body", "body": scope["path"].encode()})

    with LocalServer(app) as server, server.ledger.watch() as seen:
        response = get(server.url + "/here")
        assert (response.status_code, response.text) == (201, "/here")
        with pytest.raises(AttributeError, match="only the course's own application"):
            _ = server.gates
    assert (seen.requests, seen.responses) == (1, 1)


def test_application_with_a_lifespan_and_state():
    happened = []

    @asynccontextmanager
    async def lifespan(app):
        happened.append("up")
        yield {"greeting": "hello"}
        happened.append("down")

    async def greet(request):
        return PlainTextResponse(request.state.greeting)

    server = LocalServer(Starlette(routes=[Route("/", greet)], lifespan=lifespan))
    for _ in range(2):
        with server:
            assert get(server.url).text == "hello"
    assert happened == ["up", "down"] * 2


def test_uvicorn_options_are_passed_on():
    options = {"timeout_keep_alive": 0.05, "headers": [("x-mine", "1")]}
    with LocalServer(**options) as server, httpx.Client(verify=False) as client:
        assert client.get(server.url + "/echo").headers["x-mine"] == "1"
        server.ledger.wait_until(lambda ledger: ledger.totals()["closed"] == 1, 10)
        client.get(server.url + "/echo")
    assert server.ledger.totals()["opened"] == 2


def test_idle_server_stops_without_waiting_for_a_tick(monkeypatch):
    monkeypatch.setattr(local, "TICK", 3600)
    monkeypatch.setattr("uvicorn.Server.shutdown", None)  # the one with ticks is not called
    with httpx.Client(verify=False) as client:
        for _ in range(3):
            with LocalServer() as server:
                assert client.get(server.url + "/echo").status_code == 200


def test_uvicorns_ticks_go_on(monkeypatch):
    monkeypatch.setattr(local, "TICK", 0.001)
    with LocalServer(limit_max_requests=2) as server, httpx.Client(verify=False) as client:
        assert client.get(server.url + "/echo").headers["date"].endswith("GMT")
        made = []
        monkeypatch.setattr(
            "uvicorn.server.formatdate", lambda *_, **__: made.append(1) or "a second later"
        )
        wait_for(lambda: len(made) > 1)
        assert client.get(server.url + "/echo").headers["date"] == "a second later"
        wait_for(lambda: not server.running)
    with LocalServer(date_header=False) as server:
        assert "date" not in get(server.url + "/echo").headers


def test_wrong_options_are_told_at_once():
    with pytest.raises(TypeError, match="keepalive"):
        LocalServer(keepalive=1)
    with pytest.raises(TypeError, match="LocalServer sets host, loop itself"):
        LocalServer(loop="auto", host="0.0.0.0")
    for port in (-1, 65536, "8000", 1.5, None):
        with pytest.raises(ValueError, match="port must be a whole number from 0 to 65535"):
            LocalServer(port=port)


def test_taken_port_is_told_in_one_line(monkeypatch):
    monkeypatch.setattr(local, "PORT_PATIENCE", 0)
    with LocalServer() as first:
        second = LocalServer(port=first.port)
        for _ in range(2):
            with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{first.port}: "):
                second.start()
            assert not second.running
    with second:
        assert get(second.url + "/echo").status_code == 200


def test_it_listens_on_loopback_only():
    with LocalServer() as server:
        with socket.socket() as sock, pytest.raises(OSError, match="use"):
            sock.bind(("127.0.0.1", server.port))
        with socket.socket() as sock:
            sock.bind(("127.0.0.2" if sys.platform == "linux" else "", server.port))


def test_small_writes_are_not_held_back():
    """Nagle's algorithm is off; with it each answer of two writes would wait 40 ms for an ACK."""
    found = []

    async def app(scope, receive, send):
        if scope["type"] == "http":
            sock = scope["state"]["connection"]._transport.get_extra_info("socket")
            found.append(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})

    with LocalServer(app) as server:
        get(server.url)
    assert found[0]


def test_nothing_is_printed(capfd):
    async def failing(request):
        raise ValueError

    with LocalServer(Starlette(routes=[Route("/", failing)])) as server:
        assert get(server.url).status_code == 500
    assert capfd.readouterr() == ("", "")


# Dead proxies


@pytest.mark.anyio
async def test_dead_proxies_in_the_environment_do_not_matter(monkeypatch):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name)
    with LocalServer() as server:
        for proxy in ("http://127.0.0.1:9", "socks5://127.0.0.1:9"):
            for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
                monkeypatch.setenv(name, proxy)
                monkeypatch.setenv(name.lower(), proxy)
            with pytest.raises((httpx.ConnectError, ImportError)):  # they are dead
                get(server.url + "/echo")
            async with httpx.AsyncClient(trust_env=False, verify=False) as client:
                assert (await client.get(server.url + "/echo")).status_code == 200
            server.stop()
            server.start()
