"""A link that delays: each direction, each end of a connection, many at once."""

import asyncio
import contextlib
import gc
import socket
import struct
import sys
import threading
import time

import anyio
import httpx
import pytest
from test_wire import post

from server import link as link_module
from server import wire
from server.ledger import clock
from server.local import LocalServer

pytestmark = pytest.mark.anyio

DELAY = 0.2
LINGER_ZERO = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


@contextlib.contextmanager
def linked_pair(delay):
    """A plain TCP connection through a link: yields the client's and the target's socket."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        listening.settimeout(20)
        link = stack.enter_context(
            wire.Link(f"http://127.0.0.1:{listening.getsockname()[1]}", delay)
        )
        client = stack.enter_context(socket.create_connection(("127.0.0.1", link.port), timeout=20))
        target = stack.enter_context(listening.accept()[0])
        target.settimeout(20)
        yield client, target


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
    sock.close()


def read_all(sock):
    received = bytearray()
    while data := sock.recv(1 << 20):
        received += data
    return bytes(received)


async def test_link_delays_each_direction(server):
    with wire.Link(server.url, DELAY) as link, server.ledger.watch() as seen:
        async with httpx.AsyncClient(base_url=link.url, timeout=20, verify=False) as client:
            await client.get("/echo")
            sent = clock()
            assert (await client.get("/echo")).status_code == 200
            received = clock()
    request = [event for event in seen.events if event.kind == "request"][-1]
    response = [event for event in seen.events if event.kind == "response"][-1]
    assert DELAY <= request.time - sent < 10
    assert DELAY <= received - response.time < 10
    assert seen.connections == link.connections == 1


def test_link_opens_the_connection_to_its_target_after_the_delay(server):
    with server.ledger.watch() as seen, wire.Link(server.url, DELAY) as link:
        started = clock()
        with socket.create_connection(("127.0.0.1", link.port)):
            server.ledger.wait_until(lambda _: seen.connections == 1, 10)
    assert seen.events[0].time - started >= DELAY


def test_link_passes_bytes_in_order_and_a_fin_on():
    pieces = [bytes([n % 256]) * (n * 37 % 5000) for n in range(500)]
    with linked_pair(0.05) as (client, target):
        for piece in pieces:
            client.sendall(piece)
        client.shutdown(socket.SHUT_WR)
        assert read_all(target) == b"".join(pieces)
        # The other direction is open still.
        target.sendall(b"answer")
        target.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"answer"


@pytest.mark.parametrize("by_client", [True, False])
def test_link_delays_a_fin(by_client):
    with linked_pair(DELAY) as pair:
        closing, other = pair if by_client else pair[::-1]
        sent = time.perf_counter()
        closing.close()
        assert other.recv(1) == b""
        assert time.perf_counter() - sent >= DELAY


@pytest.mark.parametrize("by_client", [True, False])
def test_link_delays_a_reset(by_client):
    with linked_pair(DELAY) as pair:
        closing, other = pair if by_client else pair[::-1]
        sent = time.perf_counter()
        reset(closing)
        with pytest.raises(ConnectionResetError):
            other.recv(1)
        assert time.perf_counter() - sent >= DELAY


def test_link_tells_a_reset_from_a_fin_to_the_server(server):
    with server.ledger.watch() as seen, wire.Link(server.url, 0.05) as link:
        for end in (socket.socket.close, reset):
            sock = socket.create_connection(("127.0.0.1", link.port))
            sock.sendall(b"GET /faults/silence HTTP/1.1\r\nHost: localhost\r\n\r\n")
            server.ledger.wait_until(lambda _: seen.requests == seen.closed + 1, 10)
            closed = seen.closed + 1
            end(sock)
            server.ledger.wait_until(lambda _, closed=closed: seen.closed == closed, 10)
    ends = [(event.by, event.reset) for event in seen.events if event.kind == "closed"]
    assert ends == [("client", False), ("client", True)]


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/faults/reset", httpx.ReadError),
        ("/faults/reset-in-body", httpx.ReadError),
        ("/faults/close", httpx.RemoteProtocolError),
        ("/faults/truncated", httpx.RemoteProtocolError),
    ],
)
async def test_faults_pass_through_a_link(server, path, error):
    with wire.Link(server.url, 0.01) as link, pytest.raises(error):
        await post(link.url + path, b"body")


async def test_request_and_fin_cross_on_a_link(server):
    """The keep-alive race without luck: the request leaves before the FIN is here."""
    with LocalServer(timeout_keep_alive=1.2) as server, wire.Link(server.url, 0.8) as link:
        async with httpx.AsyncClient(base_url=link.url, timeout=20, verify=False) as client:
            with server.ledger.watch() as seen:
                await client.get("/echo")
                # It takes 0.8 s until the server has this one, 1.6 s after it sent the answer. In
                # between it closes, and that is news here 1.2 s from now.
                with pytest.raises(httpx.RemoteProtocolError, match="Server disconnected without"):
                    await client.get("/echo")
    assert (seen.connections, seen.requests, seen.responses) == (1, 1, 1)
    assert [event.by for event in seen.events if event.kind == "closed"] == ["server"]


def test_link_is_a_pipe_with_room_for_much_under_way():
    """A pause per piece instead of a pipe would take 20 s here."""
    size = 5_000_000
    with linked_pair(1.0) as (client, target):
        started = time.perf_counter()
        sending = threading.Thread(target=client.sendall, args=(bytes(size),))
        sending.start()
        received = 0
        while received < size:
            received += len(target.recv(1 << 20))
        sending.join()
        assert 1.0 <= time.perf_counter() - started < 15


def test_link_holds_no_more_than_its_bytes():
    with linked_pair(0.01) as (client, target):
        client.settimeout(0.5)
        sent = 0
        with contextlib.suppress(TimeoutError):  # the target does not read, so nor does the link
            while sent < 4 * link_module.LINK_BYTES:
                sent += client.send(bytes(1 << 20))
        assert link_module.LINK_BYTES <= sent < 4 * link_module.LINK_BYTES
        received = 0
        while received < sent:
            received += len(target.recv(1 << 20))
        assert received == sent


async def test_link_to_nobody_resets():
    with (
        wire.refused() as nobody,
        wire.Link(nobody.url, 0.05) as link,
        pytest.raises((httpx.ReadError, httpx.WriteError)),
    ):
        await post(link.url, b"")


async def test_many_connections_on_one_link(server):
    with wire.Link(server.url, 0.05) as link, server.ledger.watch() as seen:
        async with httpx.AsyncClient(base_url=link.url, timeout=20, verify=False) as client:
            responses = await asyncio.gather(
                *[client.post("/echo", content=b"x" * n * 1000) for n in range(40)]
            )
        assert [r.json()["body_length"] for r in responses] == [n * 1000 for n in range(40)]
        await asyncio.to_thread(server.ledger.wait_until, lambda _: seen.closed == 40, 10)
        with anyio.fail_after(10):  # the server's FINs take their time, too
            while link._line.ends:
                await asyncio.sleep(0.01)
    assert seen.connections == link.connections == 40


async def test_link_starts_and_stops_as_often_as_one_likes(server):
    link = wire.Link(server.url, 0)
    with pytest.raises(RuntimeError, match="not running"):
        _ = link.url
    link.stop()
    for _ in range(2):
        link.start()
        link.start()
        assert link.running
        assert link.url == f"http://127.0.0.1:{link.port}"
        assert (await post(link.url + "/echo", b"")).status_code == 200
        url = link.url
        link.stop()
        link.stop()
        assert not link.running
        with pytest.raises(httpx.ConnectError):
            await post(url, b"")
    assert link.connections == 2
    assert repr(link) == f"<Link of 0 s to {server.url}>"


async def test_stopping_a_link_cuts_what_is_under_way(server):
    with wire.Link(server.url, 0.05) as link:
        request = asyncio.create_task(post(link.url + "/faults/hold?gate=cut", b""))
        await server.gates.reached("cut")
        await asyncio.to_thread(link.stop)
        with pytest.raises(httpx.TransportError):
            await request


def test_dropped_link_stops(server):
    link = wire.Link(server.url, 0)
    link.start()
    port = link.port
    del link
    gc.collect()
    deadline = time.monotonic() + 10
    while "server-link" in {thread.name for thread in threading.enumerate()}:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


@pytest.mark.parametrize("delay", [-0.1, 30.1, float("nan"), float("inf"), "1", None])
def test_link_refuses_a_delay_out_of_range(delay):
    with pytest.raises(ValueError, match="delay must be from 0 to 30 seconds"):
        wire.Link("http://127.0.0.1:1", delay)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1",
        "https://127.0.0.1:8000",
        "http://example.org:80",
        "http://10.0.0.1:80",
        "http://127.0.0.1:0",
        "http://127.0.0.1:99999",
        "127.0.0.1:8000",
        "",
    ],
)
def test_link_refuses_a_target_elsewhere(url):
    with pytest.raises(ValueError):  # noqa: PT011
        wire.Link(url, 0.1)
