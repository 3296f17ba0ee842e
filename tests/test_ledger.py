"""The ledger against what others count, and who closed."""

import asyncio
import contextlib
import socket
import struct
import sys
import threading
import time

import httpx
import pytest

from server import local
from server.ledger import clock
from server.local import LocalServer
from server.wire import Link

pytestmark = pytest.mark.anyio

LINGER_ZERO = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


def connect(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def request(path="/echo"):
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def closings(seen):
    return [(event.by, event.reset) for event in seen.events if event.kind == "closed"]


# Counts


async def test_counts_agree_with_the_clients_addresses_and_a_proxys(server):
    addresses = []

    async def get(client, path):
        response = await client.get(path)
        stream = response.extensions["network_stream"]
        addresses.append(tuple(stream.get_extra_info("client_addr")))

    with Link(server.url, 0) as link, server.ledger.watch() as seen:
        for limit in (1, 3):
            limits = httpx.Limits(max_connections=limit)
            async with httpx.AsyncClient(base_url=link.url, limits=limits, verify=False) as client:
                await asyncio.gather(*[get(client, f"/delay?seconds=0.0{n}") for n in range(6)])
        await asyncio.to_thread(server.ledger.wait_until, lambda _: seen.closed == 4, 10)
    assert seen.connections == len(set(addresses)) == link.connections == 4
    assert seen.requests == seen.responses == len(addresses) == 12


async def test_connections_are_told_apart_as_the_client_does(server, client):
    with server.ledger.watch() as seen:
        responses = await asyncio.gather(*[client.get("/delay?seconds=0.1") for _ in range(3)])
        responses.append(await client.get("/echo"))
    peers = {event.connection: event.peer for event in seen.events if event.kind == "opened"}
    addresses = [
        tuple(r.extensions["network_stream"].get_extra_info("client_addr")) for r in responses
    ]
    assert set(peers.values()) == set(addresses)
    [last] = [event for event in seen.events if event.path == "/echo" and event.kind == "request"]
    assert peers[last.connection] == addresses[-1]
    assert last.nth == 2


async def test_events_come_in_order_and_on_the_common_clock(server, client):
    before = clock()
    with server.ledger.watch() as seen:
        await client.post("/echo?a=1", content=b"x" * 200_000)
        await client.get("/status?code=404")
        await client.get("/faults/connection-close")
    assert clock is time.perf_counter
    assert [event.describe() for event in seen.events] == [
        "opened",
        "request 1: POST /echo?a=1",
        "response 1: 200",
        "request 2: GET /status?code=404",
        "response 2: 404",
        "request 3: GET /faults/connection-close",
        "response 3: 200",
        "closed by the server",
    ]
    times = [event.time for event in seen.events]
    assert times == sorted(times)
    assert before <= times[0] <= times[-1] <= clock()
    numbers = [event.seq for event in seen.events]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


async def test_watch_has_all_that_the_client_did_before_and_nothing_more(server):
    for _ in range(50):
        with server.ledger.watch() as seen, connect(server) as sock:
            sock.sendall(request("/faults/silence"))
        assert [event.kind for event in seen.events] == ["opened", "request", "closed"]


async def test_watches_nest_and_stand_still_afterwards(server, client):
    with server.ledger.watch() as outer:
        await client.get("/echo")
        with server.ledger.watch() as inner:
            await client.get("/echo")
            assert (inner.requests, outer.requests) == (1, 2)
        await client.get("/echo")
        assert (inner.requests, outer.requests) == (1, 3)
    await client.get("/echo")
    assert (inner.connections, inner.requests, inner.responses, inner.closed) == (0, 1, 1, 0)
    assert (outer.connections, outer.requests, outer.responses, outer.closed) == (1, 3, 3, 0)
    assert len(inner.events) == 2
    assert len(outer.events) == 7


def test_watches_in_several_threads(server):
    def watched(results):
        with server.ledger.watch() as seen, httpx.Client(verify=False) as client:
            for _ in range(10):
                client.get(server.url + "/echo")
        results.append(seen)

    results = []
    threads = [threading.Thread(target=watched, args=(results,)) for _ in range(4)]
    with server.ledger.watch() as all_of_it:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(results) == 4
    assert all(seen.requests >= 10 for seen in results)
    assert (all_of_it.connections, all_of_it.requests, all_of_it.responses) == (4, 40, 40)
    assert closings(all_of_it) == [("client", False)] * 4


def test_watch_keeps_what_it_saw_when_the_block_fails(server):
    def failing():
        with server.ledger.watch() as seen:
            seens.append(seen)
            httpx.get(server.url + "/echo", verify=False)
            raise KeyError

    seens = []
    with pytest.raises(KeyError):
        failing()
    assert seens[0].requests == 1


def test_blocked_server_does_not_pass_for_an_idle_one(monkeypatch):
    monkeypatch.setattr(local, "SETTLE_TIMEOUT", 0.2)
    entered, released = threading.Event(), threading.Event()

    async def app(scope, receive, send):
        if scope["type"] == "http":
            entered.set()
            released.wait(30)

    with LocalServer(app) as server, connect(server) as sock:
        sock.sendall(request())
        assert entered.wait(10)
        with pytest.raises(TimeoutError, match="the server's event loop is blocked"):
            server.ledger.settle()
        released.set()


async def test_requests_that_uvicorn_answers_itself_are_counted():
    with LocalServer(limit_concurrency=1) as server, server.ledger.watch() as seen:
        async with httpx.AsyncClient(base_url=server.url, verify=False) as client:
            assert (await client.get("/echo")).status_code == 503
    assert [e.status for e in seen.events if e.kind == "response"] == [503]
    assert seen.requests == 1


async def test_failing_application_is_seen_to_answer_500():
    async def app(scope, receive, send):
        raise ValueError

    with LocalServer(app) as server, server.ledger.watch() as seen:
        async with httpx.AsyncClient(base_url=server.url, verify=False) as client:
            assert (await client.get("/a%20b?c=%20")).status_code == 500
    assert [event.describe() for event in seen.events] == [
        "opened",
        "request 1: GET /a b?c=%20",
        "response 1: 500",
        "closed by the server",
    ]


# A response is one once it is sent to its end


async def test_response_that_the_client_does_not_read_to_its_end_is_none(server, client):
    size = 32 * 1024 * 1024
    with server.ledger.watch() as seen:
        async with client.stream("GET", f"/bytes?size={size}") as response:
            await anext(response.aiter_raw())
        assert seen.responses == 0
        await asyncio.to_thread(server.ledger.wait_until, lambda _: seen.closed == 1, 10)
    assert seen.responses == 0
    assert closings(seen) == [("client", True)]


@pytest.mark.parametrize("close", [False, True])
async def test_large_response_is_one_once_it_is_read(server, client, close):
    headers = {"connection": "close"} if close else {}
    with server.ledger.watch() as seen:
        response = await client.get("/bytes?size=20000000", headers=headers)
    assert len(response.content) == 20_000_000
    kinds = [event.kind for event in seen.events]
    assert kinds == ["opened", "request", "response"] + ["closed"] * close


# By whom


def test_closed_by_the_client(server):
    with server.ledger.watch() as seen:
        connect(server).close()
        with connect(server) as sock:
            sock.sendall(request())
            assert sock.recv(65536)
            time.sleep(0.05)
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                sock.recv(65536)  # unread bytes would turn the FIN into an RST
    assert closings(seen) == [("client", False)] * 2


def test_reset_by_the_client(server):
    with server.ledger.watch() as seen:
        for first in (b"", request(), request("/faults/silence"), b"POST / HTTP/1.1\r\n"):
            sock = connect(server)
            sock.sendall(first)
            server.ledger.settle()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
            sock.close()
    assert closings(seen) == [("client", True)] * 4


def test_closed_by_the_servers_keep_alive():
    with (
        LocalServer(timeout_keep_alive=0.05) as server,
        server.ledger.watch() as seen,
        connect(server) as sock,
    ):
        sock.sendall(request())
        while sock.recv(65536):
            pass
    assert seen.responses == 1
    assert closings(seen) == [("server", False)]


def test_closed_by_the_server_means_that_its_fin_is_out(server):
    for _ in range(100):
        with server.ledger.watch() as seen, connect(server) as sock:
            sock.sendall(request("/faults/close"))
            server.ledger.wait_until(lambda _, seen=seen: seen.closed == 1, 10)
            sock.setblocking(False)
            assert sock.recv(1) == b""


def test_closed_by_the_servers_stop(server):
    with LocalServer() as stopped, connect(stopped) as sock:
        sock.sendall(request())
        with stopped.ledger.watch() as seen:
            assert sock.recv(65536)
            stopped.stop()
    assert closings(seen) == [("server", False)]


def test_client_that_leaves_with_its_upload_half_done(server):
    with server.ledger.watch() as seen, connect(server) as sock:
        sock.sendall(b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf")
    assert (seen.requests, seen.responses) == (1, 0)
    assert closings(seen) == [("client", False)]


async def test_reset_that_comes_too_late_is_not_claimed():
    """A server's reset() on a connection that the client has left neither fails nor counts."""
    done = threading.Event()

    async def app(scope, receive, send):
        if scope["type"] == "http":
            connection = scope["state"]["connection"]
            await connection.lost_within(10)
            await connection.reset()
            await connection.close()
            done.set()

    with LocalServer(app) as server, server.ledger.watch() as seen:
        with connect(server) as sock:
            sock.sendall(request())
        assert done.wait(10)
    assert closings(seen) == [("client", False)]
