"""Which connection a recorded request had, and whose requests are recorded."""

import asyncio
import contextlib
import gc
import threading
import weakref

import httpx
import pytest
from recorded_client import PATIENT, SOON, client_of, outcomes, recorded

from server.local import LocalServer
from server.wire import Link
from workbench.waterfall.recording import record

pytestmark = pytest.mark.anyio

TURNS_TO_SEND = 3  # of the loop, from create_task to httpcore's taking of a kept connection


@pytest.fixture
def server():
    with LocalServer() as running:
        yield running


# Which connection


async def test_failed_on_the_only_connection_there_was(server):
    async with client_of(server) as client:
        with record(client) as waterfall:
            await client.get("/echo")
            await outcomes(client.get("/faults/close?nth=2"))
            await client.get("/echo")
    assert str(waterfall) == (
        "3 requests on 2 connections: GET /echo 200 (new connection 1), GET /faults/close failed "
        "with RemoteProtocolError while waiting for the response (reused connection 1), "
        "GET /echo 200 (new connection 2)."
    )


async def two_idle_connections(client, server):
    both = asyncio.gather(client.get("/faults/hold"), client.get("/faults/hold"))
    await server.gates.reached("default", 2)
    server.gates.open("default")
    await both


async def test_failed_on_one_of_two_is_known_from_the_ledger(server):
    async with recorded(server) as (client, waterfall):
        await two_idle_connections(client, server)
        await outcomes(client.get("/faults/reset?nth=2"))
    *_, failed = waterfall.requests
    received = [event for event in waterfall.events if event.path == "/faults/reset"]
    assert failed.connection.ledger_number == received[0].connection


async def test_failed_on_one_of_two_is_known_without_a_ledger(server):
    async with client_of(server) as client:
        with record(client) as waterfall:
            await two_idle_connections(client, server)
            await outcomes(client.get("/faults/reset?nth=2"))
            await client.get("/echo")
    *_, failed, after = waterfall.requests
    assert failed.reused
    assert failed.connection in waterfall.connections
    assert {failed.connection.number, after.connection.number} == {1, 2}


async def test_two_alike_that_fail_at_once_are_told_apart(server):
    async with recorded(server) as (client, waterfall):
        await two_idle_connections(client, server)
        soon = httpx.Timeout(PATIENT, read=0.5)
        await outcomes(*(client.get("/faults/silence", timeout=soon) for _ in range(2)))
    failed = waterfall.requests[2:]
    assert {exchange.failure for exchange in failed} == {"ReadTimeout"}
    assert [exchange.reused for exchange in failed] == [True, True]
    assert {exchange.connection.number for exchange in failed} == {1, 2}
    assert waterfall.seen.connections == 2


async def test_failed_on_a_connection_from_before_the_block(server):
    async with client_of(server) as client:
        await two_idle_connections(client, server)
        with record(client, server.ledger) as waterfall:
            await outcomes(client.get("/faults/close?nth=2"))
    [failed] = waterfall.requests
    [received] = [event for event in waterfall.events if event.kind == "request"]
    assert failed.reused
    assert failed.connection.ledger_number == received.connection


async def test_cancelled_before_it_could_send_on_a_kept_connection(server):
    """The pool has assigned the connection, and the request has had no turn to use it."""
    async with client_of(server) as client:
        await client.get("/echo")
        with record(client, server.ledger) as waterfall:
            task = asyncio.create_task(client.get("/echo"))
            await asyncio.sleep(0)
            task.cancel()
            await outcomes(task)
    assert waterfall.requests[0].outcome == "cancelled"
    assert waterfall.seen.requests == 0


async def test_through_a_proxy(server):
    """A server that is asked for a whole URL answers for its path: proxy enough for a request."""
    mounts = {"http://behind.test": httpx.AsyncHTTPTransport(proxy=server.url)}
    async with recorded(server, mounts=mounts) as (client, waterfall):
        await client.get("/echo")
        for _ in range(2):
            await client.get("http://behind.test/echo")
        await outcomes(client.get("http://behind.test/faults/reset?nth=3"))
    assert [exchange.connection.number for exchange in waterfall.requests] == [1, 2, 2, 2]
    assert [exchange.reused for exchange in waterfall.requests] == [False, False, True, True]


async def test_behind_a_link_the_ledger_stands_on_its_own(server):
    with Link(server.url, delay=0.01) as link:
        async with httpx.AsyncClient(base_url=link.url) as client:
            with record(client, server.ledger) as waterfall:
                await client.get("/echo")
                await outcomes(client.get("/faults/close?nth=2"))
                seen = waterfall.seen
                await asyncio.to_thread(
                    server.ledger.wait_until, lambda _: seen.closed, timeout=PATIENT
                )
    assert [exchange.connection.number for exchange in waterfall.requests] == [1, 1]
    assert waterfall.connections[0].ledger_number is None
    assert str(waterfall).endswith("; 1 connection closed by the server.")
    assert waterfall.plot().png()


# Clients, loops, threads


@pytest.mark.parametrize("recorded", [False, True])
async def test_recording_takes_no_turn_of_the_loop(server, recorded):
    """A kept connection is in use after as many turns as without it."""
    async with client_of(server) as client:
        await client.get("/echo")
        [connection] = client._transport._pool.connections
        with record(client, server.ledger) if recorded else contextlib.nullcontext():
            task = asyncio.create_task(client.get("/echo"))
            turns = 0
            while connection.is_idle():
                await asyncio.sleep(0)
                turns += 1
            await task
    assert turns == TURNS_TO_SEND


async def test_what_was_on_the_client_stays_and_works(server):
    told = []

    async def hook(message):
        told.append(type(message).__name__)

    async def trace(name, info):
        told.append(name)

    hooks = {"request": [hook], "response": [hook]}
    auth = httpx.BasicAuth("user", "secret")
    async with client_of(server, event_hooks=hooks, auth=auth) as client:
        with record(client, server.ledger):
            response = await client.get("/echo", extensions={"trace": trace})
        assert client.event_hooks == hooks
        assert client.auth is auth
    assert told[0] == "Request"
    assert "connection.connect_tcp.started" in told
    assert "http11.response_closed.complete" in told
    assert response.json()["headers"]["authorization"] == "Basic dXNlcjpzZWNyZXQ="


async def test_credentials_in_the_url_are_sent(server):
    url = server.url.replace("://", "://user:secret@") + "/echo"
    async with httpx.AsyncClient() as client:
        with record(client):
            response = await client.get(url)
    assert response.json()["headers"]["authorization"] == "Basic dXNlcjpzZWNyZXQ="


async def test_detached_when_the_block_raises(server):
    async with client_of(server) as client:
        with pytest.raises(httpx.ReadError), record(client, server.ledger) as waterfall:
            await client.get("/faults/reset")
        assert "_send_single_request" not in vars(client)
    assert len(waterfall.requests) == 1
    assert waterfall.ended is not None


async def test_a_trace_of_its_own_stays_on_the_request(server):
    async def trace(name, info):
        pass

    async with client_of(server) as client:
        request = client.build_request("GET", "/echo", extensions={"trace": trace})
        with record(client):
            await client.send(request)
    assert request.extensions["trace"] is trace


async def test_records_that_end_in_the_order_in_which_they_began(server):
    async with client_of(server) as client:
        first, second = record(client), record(client)
        one, two = first.__enter__(), second.__enter__()
        await client.get("/echo")
        first.__exit__(None, None, None)
        await client.get("/echo")
        second.__exit__(None, None, None)
        await client.get("/echo")
    assert (len(one.requests), len(two.requests)) == (1, 2)


async def test_two_records_of_one_client(server):
    async with client_of(server, most=1, pool=SOON) as client:
        with record(client, server.ledger) as outer:
            await client.get("/echo")
            with record(client, server.ledger) as inner:
                async with client.stream("GET", "/bytes?size=100000") as response:
                    await outcomes(client.get("/echo"))
                    await response.aread()
        assert "_send_single_request" not in vars(client)
    assert [exchange.outcome for exchange in inner.requests] == [
        "answered",
        "failed with PoolTimeout",
    ]
    assert [exchange.describe() for exchange in outer.requests[1:]] == [
        exchange.describe() for exchange in inner.requests
    ]


async def test_clients_made_and_closed_inside_the_block(server):
    with record(ledger=server.ledger) as waterfall:
        for _ in range(2):
            async with waterfall.attach(client_of(server)) as client:
                waterfall.attach(client)
                await client.get("/echo")
    assert str(waterfall) == (
        "2 requests on 2 connections: GET /echo 200 (new connection 1), "
        "GET /echo 200 (new connection 2). The server saw 2 connections opened, 2 requests, "
        "2 whole responses; connection 1 closed by the client, connection 2 closed by the client."
    )


async def test_the_client_is_let_go(server):
    client = client_of(server)
    with record(client, server.ledger) as waterfall:
        await client.get("/echo")
    await client.aclose()
    gone = weakref.ref(client)
    del client
    gc.collect()
    assert gone() is None
    assert len(waterfall.requests) == 1


async def test_client_that_closes_while_requests_are_under_way(server):
    with record(ledger=server.ledger) as waterfall:
        async with waterfall.attach(client_of(server)) as client:
            tasks = [asyncio.create_task(client.get("/faults/hold")) for _ in range(3)]
            await server.gates.reached("default", 3)
        await asyncio.wait(tasks)
        seen = waterfall.seen
        await asyncio.to_thread(
            server.ledger.wait_until, lambda _: seen.closed == 3, timeout=PATIENT
        )
    assert {type(task.exception()) for task in tasks} == {httpx.ReadError}
    assert str(waterfall) == (
        "3 requests on 3 connections: 3 × GET /faults/hold failed with ReadError while waiting for "
        "the response (a new connection). The server saw 3 connections opened, 3 requests, "
        "0 whole responses; 3 connections closed by the client."
    )


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_two_loops(server):
    client = client_of(server)
    with record(client, server.ledger) as waterfall:
        asyncio.run(client.get("/echo"))
        with pytest.raises(RuntimeError, match="Event loop is closed"):
            asyncio.run(client.get("/echo"))
        asyncio.run(client.get("/echo"))
    _, failed, _ = waterfall.requests
    assert (failed.failure, failed.status) == ("RuntimeError", 0)
    assert [exchange.connection.number for exchange in waterfall.requests] == [1, 1, 2]
    del client
    gc.collect()


def test_clients_in_threads(server):
    async def main(waterfall):
        async with waterfall.attach(client_of(server)) as client:
            await asyncio.gather(*(client.get("/echo") for _ in range(5)))

    with record(ledger=server.ledger) as waterfall:
        threads = [threading.Thread(target=lambda: asyncio.run(main(waterfall))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(waterfall.requests) == 20
    assert len(waterfall.connections) == waterfall.seen.connections
    assert all(exchange.outcome == "answered" for exchange in waterfall.requests)
    numbers = {connection.ledger_number for connection in waterfall.connections}
    assert numbers == {event.connection for event in waterfall.events}


async def test_transport_that_traces_nothing():
    transport = httpx.MockTransport(lambda request: httpx.Response(204))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        with record(client) as waterfall:
            await client.get("/x")
    assert str(waterfall) == "1 request: GET /x 204."


def test_wrong_arguments():
    with (
        httpx.Client() as client,
        pytest.raises(TypeError, match=r"an httpx\.AsyncClient, not a Client"),
        record(client),
    ):
        pass
    with record() as waterfall:
        assert repr(waterfall) == "Recording, 0 requests so far."
        assert waterfall.displays() == [({"text/plain": "Recording, 0 requests so far."}, {})]
        with pytest.raises(RuntimeError, match="once its block has ended"):
            waterfall.plot()
    with pytest.raises(RuntimeError, match="records no more"):
        waterfall.attach(httpx.AsyncClient())
