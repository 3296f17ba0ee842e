"""The server in a Python of its own: interrupts, few descriptors, its end, nest_asyncio."""

import os
import subprocess
import sys
import textwrap

import pytest

STRICT = ["-X", "dev", "-W", "error::ResourceWarning"]
posix = pytest.mark.skipif(os.name != "posix", reason="sends SIGINT to a process")


def run_python(code, *arguments, first=""):
    """Run `first` and then a script in a Python of its own, and return its errors."""
    done = subprocess.run(
        [sys.executable, *STRICT, "-c", first + textwrap.dedent(code), *arguments],
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


INTERRUPTED = """
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
"""


@posix
def test_an_interrupt_while_it_starts():
    run_python(
        """
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
        """,
        first=INTERRUPTED,
    )


@posix
def test_an_interrupt_while_it_serves_and_while_it_stops():
    run_python(
        """
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
        """,
        first=INTERRUPTED,
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
                except TimeoutError:
                    return told(function)  # on a busy machine its loop had no turn in time
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
