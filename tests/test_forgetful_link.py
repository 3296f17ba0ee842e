"""A hop that forgets what is idle, as a NAT or a load balancer does."""

import asyncio
import contextlib
import socket
import sys
import time

import anyio
import httpx
import pytest

from server import wire
from server.local import LocalServer

pytestmark = pytest.mark.anyio


@contextlib.asynccontextmanager
async def used_once(server, **options):
    """A link and a client that has an idle connection through it."""
    with wire.ForgetfulLink(server.url, **options) as link:
        async with httpx.AsyncClient(base_url=link.url, timeout=20, verify=False) as client:
            await client.get("/echo")
            yield link, client


async def test_what_comes_late_is_dropped(server):
    async with used_once(server) as (link, client):
        with server.ledger.watch() as seen:
            assert link.forget() == link.forgotten == 1
            assert link.forget() == 0
            with pytest.raises(httpx.ReadTimeout) as caught:
                await client.get("/echo", timeout=0.2)
            assert str(caught.value) == ""
            assert seen.events == []  # neither the request nor an end
            # The time-out has taken the connection out of the pool; the next one is new.
            assert (await client.get("/echo")).status_code == 200
        assert (link.connections, seen.connections, seen.requests) == (2, 1, 1)


async def test_what_comes_late_is_reset(server):
    async with used_once(server, late="reset") as (link, client):
        with server.ledger.watch() as seen:
            link.forget()
            with pytest.raises(httpx.ReadError) as caught:
                await client.get("/echo")
            assert str(caught.value) == ""
            assert seen.events == []
            assert (await client.get("/echo")).status_code == 200


async def test_the_servers_fin_is_not_heard():
    with LocalServer(timeout_keep_alive=0.05) as server:
        async with used_once(server) as (link, client):
            link.forget()
            await asyncio.to_thread(server.ledger.wait_until_closed)
            connection = client._transport._pool.connections[0]
            assert connection.is_idle()
            assert not connection.has_expired()  # the socket is not readable: no FIN
            with pytest.raises(httpx.ReadTimeout):
                await client.get("/echo", timeout=0.2)


@pytest.mark.parametrize("late", ["dropped", "reset"])
def test_each_side_of_a_forgotten_connection(late):
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        target_url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        link = stack.enter_context(wire.ForgetfulLink(target_url, late=late))
        client = stack.enter_context(socket.create_connection(("127.0.0.1", link.port)))
        target = stack.enter_context(listening.accept()[0])
        client.sendall(b"before")
        target.settimeout(20)
        assert target.recv(6) == b"before"
        link.forget()
        for sender, other in ((client, target), (target, client)):
            other.settimeout(0.05)
            sender.sendall(b"after")
            if not (late == "reset" and other is client):  # that one was reset before
                with pytest.raises(TimeoutError):
                    other.recv(1)  # it hears nothing, neither bytes nor an end
            if late == "reset":
                sender.settimeout(20)
                with pytest.raises(ConnectionResetError):
                    sender.recv(1)


async def test_it_forgets_what_is_idle():
    with LocalServer(timeout_keep_alive=60) as server:
        async with used_once(server, idle=0.2) as (link, client):
            with anyio.fail_after(10):
                while not link.forgotten:
                    await asyncio.sleep(0.01)
            with pytest.raises(httpx.ReadTimeout):
                await client.get("/echo", timeout=0.2)
        assert server.ledger.totals()["request"] == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of them")
def test_tcp_keep_alive_keeps_it_in_mind(server):
    def connected(link):
        return socket.create_connection(("127.0.0.1", link.port))

    with wire.ForgetfulLink(server.url, idle=2.0) as link, connected(link) as probing:
        probing.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        probing.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
        probing.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
        with connected(link):
            started = time.monotonic()
            while not link.forgotten and time.monotonic() < started + 10:
                time.sleep(0.05)
        assert time.monotonic() - started >= 1.9
        time.sleep(1.0)
        assert link.forgotten == 1  # the other one


def test_a_link_that_forgets_says_what_it_takes(server):
    for idle in (0, -1, 31, float("nan"), "1"):
        with pytest.raises(ValueError, match="idle must be above 0 and up to 30 s"):
            wire.ForgetfulLink(server.url, idle=idle)
    with pytest.raises(ValueError, match="late must be 'dropped' or 'reset', not 'fin'"):
        wire.ForgetfulLink(server.url, late="fin")
    link = wire.ForgetfulLink(server.url, idle=2)
    assert repr(link) == f"<ForgetfulLink to {server.url} that forgets after 2 s>"
    with pytest.raises(RuntimeError, match="is not running"):
        link.forget()
