"""Starting and stopping: twice, again, at bad moments, with applications that do not."""

import asyncio
import gc
import socket
import threading
from contextlib import asynccontextmanager

import httpx
import pytest
from served import free_port, get, refuses, server_threads, wait_for
from starlette.applications import Starlette

from server import background, local
from server.local import LocalServer

# Start and stop


def test_start_and_stop_as_often_as_one_likes():
    server = LocalServer()
    server.stop()
    assert not server.running
    for _ in range(2):
        server.start()
        url, thread = server.url, server_threads()
        server.start()
        assert server.url == url
        assert server_threads() == thread
        assert server.running
        assert get(url + "/echo").status_code == 200
        port = server.port
        server.stop()
        server.stop()
        assert not server.running
        assert server_threads() == []
        assert refuses(port)
    assert server.ledger.totals()["request"] == 2


def test_without_a_running_server_there_is_no_address():
    server = LocalServer()
    for name in ("url", "port"):
        with pytest.raises(RuntimeError, match="call start"):
            getattr(server, name)
    assert repr(server) == "<LocalServer not running>"
    with server:
        assert repr(server) == f"<LocalServer {server.url}>"


def test_block_that_fails_stops_the_server():
    server = LocalServer()
    with pytest.raises(KeyError), server:
        raise KeyError
    assert not server.running
    assert server_threads() == []


def test_concurrent_starts_and_stops_leave_one_server_or_none():
    server = LocalServer()
    for _ in range(3):
        threads = [threading.Thread(target=server.start) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(server_threads()) == 1
        threads = [threading.Thread(target=server.stop) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert server_threads() == []


def test_running_the_cell_again_leaves_no_server_behind():
    ports = []
    for _ in range(4):
        server = LocalServer()
        server.start()
        ports.append(server.port)
        assert get(server.url + "/echo").status_code == 200
    wait_for(lambda: len(server_threads()) == 1)
    assert all(refuses(port) for port in ports[:-1])
    assert get(server.url + "/echo").status_code == 200
    del server
    gc.collect()
    wait_for(lambda: not server_threads())
    assert refuses(ports[-1])


def test_running_the_cell_again_with_a_fixed_port():
    port = free_port()
    for _ in range(3):
        server = LocalServer(port=port)
        server.start()
        assert get(f"http://127.0.0.1:{port}/echo").status_code == 200
    server.stop()
    wait_for(lambda: not server_threads())


def test_dropped_server_with_requests_in_flight_stops():
    server = LocalServer()
    server.start()
    sock = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    with sock:
        sock.sendall(b"GET /faults/silence HTTP/1.1\r\nHost: localhost\r\n\r\n")
        server.ledger.wait_until(lambda ledger: ledger.totals()["request"] == 1)
        del server
        while sock.recv(65536):
            pass
    wait_for(lambda: not server_threads())


@pytest.mark.anyio
async def test_stop_with_requests_in_flight():
    paths = ["/faults/silence", "/faults/headers-only", "/faults/hold", "/delay?seconds=30"]
    paths += ["/drip?pieces=31&gap=1"]
    with LocalServer() as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=30, verify=False) as client:
            requests = [asyncio.create_task(client.get(path)) for path in paths]
            unread = await client.send(
                client.build_request("GET", "/bytes?size=33554432"), stream=True
            )
            await asyncio.to_thread(
                server.ledger.wait_until, lambda ledger: ledger.totals()["request"] == 6
            )
            await asyncio.to_thread(server.stop)  # raises TimeoutError after 10 s
            outcomes = await asyncio.gather(*requests, return_exceptions=True)
            await unread.aclose()
    said = {
        path: getattr(o, "status_code", type(o)) for path, o in zip(paths, outcomes, strict=True)
    }
    assert said == {
        "/faults/silence": 500,
        "/faults/headers-only": httpx.RemoteProtocolError,
        "/faults/hold": 500,
        "/delay?seconds=30": 500,
        "/drip?pieces=31&gap=1": httpx.RemoteProtocolError,
    }
    assert server.ledger.totals()["opened"] == server.ledger.totals()["closed"] == 6
    assert server.gates.waiting("default") == 0


def test_server_comes_back_with_an_old_client():
    with httpx.Client(verify=False) as client:
        server = LocalServer(port=free_port())
        for _ in range(2):
            with server:
                assert client.get(server.url + "/echo").status_code == 200


# Applications that do not start or do not stop


def test_application_that_fails_to_start_says_why():
    @asynccontextmanager
    async def lifespan(app):
        raise ValueError("no database")
        yield

    server = LocalServer(Starlette(lifespan=lifespan))
    for _ in range(2):
        with pytest.raises(RuntimeError, match="did not start: ValueError: no database"):
            server.start()
        assert not server.running
    wait_for(lambda: not server_threads())


def test_application_that_cannot_be_imported_says_so():
    with pytest.raises(RuntimeError, match="did not start: log_level='error' shows"):
        LocalServer("no_such_module:app").start()


def test_application_that_hangs_at_its_start(monkeypatch):
    monkeypatch.setattr(background, "START_TIMEOUT", 0.3)

    @asynccontextmanager
    async def lifespan(app):
        await asyncio.sleep(3600)
        yield

    server = LocalServer(Starlette(lifespan=lifespan))
    with pytest.raises(RuntimeError, match=r"did not start within 0\.3 s"):
        server.start()
    assert not server.running
    wait_for(lambda: not server_threads())
    server.stop()


def test_application_that_hangs_at_its_end(monkeypatch):
    monkeypatch.setattr(local, "SHUTDOWN_TIMEOUT", 0.5)

    @asynccontextmanager
    async def lifespan(app):
        yield
        await asyncio.sleep(3600)

    with LocalServer(Starlette(lifespan=lifespan)) as server:
        port = server.port
    assert server_threads() == []
    assert refuses(port)


def test_application_that_blocks_its_loop(monkeypatch):
    monkeypatch.setattr(background, "STOP_TIMEOUT", 0.3)
    entered, released = threading.Event(), threading.Event()

    async def app(scope, receive, send):
        if scope["type"] == "http":
            entered.set()
            released.wait(30)

    server = LocalServer(app)
    server.start()
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert entered.wait(10)
        with pytest.raises(TimeoutError, match=r"server-local did not stop within 0\.3 s"):
            server.stop()
        assert not server.running
    released.set()
    monkeypatch.setattr(background, "STOP_TIMEOUT", 10)
    server.stop()
    assert server_threads() == []
