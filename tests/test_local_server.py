"""Starting and stopping: twice, again, at bad moments, with bad applications, nest_asyncio."""

import asyncio
import gc
import os
import socket
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import asynccontextmanager

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from server import background, local
from server.local import LocalServer

STRICT = ["-X", "dev", "-W", "error::ResourceWarning"]
posix = pytest.mark.skipif(os.name != "posix", reason="sends SIGINT to a process")


def get(url, **options):
    with httpx.Client(verify=False, timeout=20, **options) as client:
        return client.get(url)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


def refuses(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=10).close()
    except OSError:
        return True
    return False


def wait_for(condition, timeout=10):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)


def server_threads():
    return [thread for thread in threading.enumerate() if thread.name == "server-local"]


def run_python(code, *arguments):
    """Run a script in a Python of its own and return what it printed on standard error."""
    done = subprocess.run(
        [sys.executable, *STRICT, "-c", textwrap.dedent(code), *arguments],
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


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


# Any application, any option


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


# In a Python of its own


@posix
def test_interrupts_at_bad_moments():
    run_python(
        """
        import asyncio, os, signal, socket, threading, time
        from contextlib import asynccontextmanager
        from starlette.applications import Starlette
        from server.local import LocalServer

        def interrupted(function):
            timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
            timer.start()
            try:
                function()
            except KeyboardInterrupt:
                return True
            finally:
                timer.join()

        def threads():
            return [t for t in threading.enumerate() if t.name == "server-local"]

        def ended():
            deadline = time.monotonic() + 10
            while threads() and time.monotonic() < deadline:
                time.sleep(0.01)
            return not threads()

        hanging = True

        @asynccontextmanager
        async def lifespan(app):
            await asyncio.sleep(3600 if hanging else 0)
            yield

        server = LocalServer(Starlette(lifespan=lifespan))
        assert interrupted(server.start)
        assert not server.running
        assert ended()
        hanging = False
        server.start()  # the next try is not confused
        server.stop()

        server = LocalServer(timeout_graceful_shutdown=3)
        server.start()
        port = server.port
        assert interrupted(lambda: time.sleep(10))  # a cell that runs while the server serves
        assert server.running
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(b"GET /faults/silence HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
            server.ledger.wait_until(lambda ledger: ledger.totals()["request"] == 1)
            assert interrupted(server.stop)  # it waits for the request
            assert not server.running
            server.start()
            assert server.running and len(threads()) == 1
        server.stop()
        assert ended()
        """
    )


@posix
def test_too_few_descriptors_are_told_and_not_printed():
    said = run_python(
        """
        import asyncio.constants, contextlib, errno, resource, socket
        from server import background, local
        from server.local import LocalServer

        asyncio.constants.ACCEPT_RETRY_DELAY = 0.1
        background.DESCRIPTORS_PATIENCE = 0.2
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        server = LocalServer()
        server.start()
        with contextlib.ExitStack() as stack:
            def told(function):
                try:
                    function()
                except OSError as error:
                    assert error.errno == errno.EMFILE
                    assert "no file descriptor left" in str(error) and "have 64" in str(error)
                    return True

            with contextlib.suppress(OSError):
                while True:
                    sock = stack.enter_context(socket.socket())
                    sock.connect(("127.0.0.1", server.port))
            local.SETTLE_TIMEOUT = 0.5
            assert told(server.ledger.settle)
            assert told(LocalServer().start)
        local.SETTLE_TIMEOUT = 10
        server.ledger.settle()  # all let in by now, and gone again
        totals = server.ledger.totals()
        assert totals["opened"] == totals["closed"] > 10
        server.stop()
        """
    )
    assert "socket.accept" not in said  # asyncio says so, thousands of times


@pytest.mark.parametrize("stop", ["server.stop()", "pass"])
def test_interpreter_ends_cleanly(stop):
    said = run_python(
        f"""
        import httpx
        from server.local import LocalServer
        from server.wire import Link

        server = LocalServer()
        server.start()
        link = Link(server.url, 0.01)
        link.start()
        client = httpx.Client(trust_env=False)
        assert client.get(link.url + "/echo").status_code == 200
        client.close()
        {stop}
        """
    )
    for word in ("ResourceWarning", "Traceback", "never awaited", "Exception ignored"):
        assert word not in said


NEST = """
import asyncio, sys, threading
import httpx, nest_asyncio
from server.local import LocalServer
from server.wire import Link

server = LocalServer()
if sys.argv[1] == "before":
    nest_asyncio.apply()
    server.start()
else:
    server.start()
    with server.ledger.watch() as seen:
        assert httpx.get(server.url + "/echo", trust_env=False).status_code == 200
    assert seen.responses == 1
    nest_asyncio.apply()

async def get(path, **options):
    async with httpx.AsyncClient(trust_env=False, verify=False, **options) as client:
        return (await client.get(server.url + path)).status_code

async def fails(path, timeout=20):
    try:
        await get(path, timeout=timeout)
    except httpx.TransportError as exc:
        return type(exc).__name__

async def held():
    waiting = asyncio.create_task(get("/faults/hold?gate=g", timeout=20))
    await server.gates.reached("g")
    server.gates.open("g")
    status = await waiting
    server.gates.close("g")
    return status

async def nested():
    assert asyncio.run(get("/echo")) == 200
    assert asyncio.get_event_loop().run_until_complete(get("/drip?gap=0.01")) == 200
    assert httpx.get(server.url + "/echo", trust_env=False).status_code == 200
    assert asyncio.run(held()) == 200
    assert await asyncio.gather(*[get("/delay?seconds=0.05") for _ in range(5)]) == [200] * 5

for _ in range(2):
    with server.ledger.watch() as seen:
        assert asyncio.run(get("/echo")) == 200
        asyncio.run(nested())
        assert asyncio.run(fails("/faults/reset")) == "ReadError"
        assert asyncio.run(fails("/faults/close")) == "RemoteProtocolError"
        assert asyncio.run(fails("/faults/silence", timeout=0.3)) == "ReadTimeout"
    assert (seen.connections, seen.requests, seen.responses) == (13, 13, 10), seen
    server.stop()
    assert not server.running
    server.start()

with Link(server.url, 0.05) as link:
    assert httpx.get(link.url + "/echo", trust_env=False).status_code == 200
server = None
for thread in threading.enumerate():
    if thread.name == "server-local":
        thread.join(10)
assert [t.name for t in threading.enumerate() if t.name.startswith("server-")] == []
asyncio.get_event_loop().close()
"""


@pytest.mark.parametrize("applied", ["before", "after"])
def test_with_nest_asyncio(applied):
    said = run_python(NEST, applied)
    assert "Traceback" not in said
