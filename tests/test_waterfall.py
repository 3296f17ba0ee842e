"""The waterfall against a real server: what the client did, what the ledger saw, in order."""

import asyncio
import base64
import contextlib
import copy
import gc
import io
import ssl
import threading
import warnings
import weakref
from itertools import combinations, pairwise

import httpx
import pytest
from matplotlib.image import imread
from matplotlib.transforms import Bbox
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.routing import Route

from server.ledger import clock
from server.local import LocalServer
from server.wire import Link, SilentListener, refused
from workbench.waterfall import picture as waterfall_picture
from workbench.waterfall.recording import record

pytestmark = pytest.mark.anyio

PATIENT = 10.0  # a limit that no test reaches
TLS = ssl.create_default_context()  # one for all: it takes longer than most tests
SOON = 0.1  # one that a test waits for
TURNS_TO_SEND = 3  # of the loop, from create_task to httpcore's taking of a kept connection


@pytest.fixture
def server():
    with LocalServer() as running:
        yield running


def client_of(server, most=10, pool=PATIENT, read=PATIENT, **options):
    return httpx.AsyncClient(
        base_url=server.url,
        limits=httpx.Limits(max_connections=most),
        timeout=httpx.Timeout(PATIENT, pool=pool, read=read),
        verify=TLS,
        **options,
    )


async def outcomes(*calls):
    return await asyncio.gather(*calls, return_exceptions=True)


def phases(exchange):
    return [phase.name for phase in exchange.phases if phase.name != "held"]


# What is recorded


async def test_phases_are_in_order_and_agree_with_the_ledger(server):
    async with client_of(server) as client:
        with record(client, server.ledger) as waterfall:
            await client.post("/echo?a=1", json={"b": 2})
    [exchange] = waterfall.requests
    assert phases(exchange) == ["pool", "connect", "send", "wait", "receive"]
    times = [time for phase in exchange.phases for time in (phase.start, phase.end)]
    assert [waterfall.started, *times, exchange.ended, waterfall.ended] == sorted(
        [waterfall.started, *times, exchange.ended, waterfall.ended]
    )
    assert (exchange.method, exchange.path, exchange.empty) == ("POST", "/echo", False)
    assert (exchange.status, exchange.whole, exchange.failure) == (200, True, "")
    opened, request, response = waterfall.events
    at = {phase.name: phase for phase in exchange.phases}
    assert at["connect"].start <= opened.time
    assert at["send"].start <= request.time <= at["wait"].end
    assert request.time <= response.time
    assert exchange.connection.ledger_number == opened.connection


async def test_sending_ends_where_the_server_has_the_request(server):
    """However late its task has its next turn: here the loop is held up while it sends."""

    async def trace(name, info):
        if name == "http11.send_request_headers.complete":
            sent = len(waterfall.requests)
            server.ledger.wait_until(lambda _: waterfall.seen.responses == sent, timeout=PATIENT)

    async with client_of(server) as client:
        with record(client, server.ledger) as waterfall:
            for _ in range(2):
                await client.get("/echo", extensions={"trace": trace})
            await client.post("/echo", content=b"more may be under way")
    received = [event for event in waterfall.events if event.kind == "request"]
    *empty, with_body = waterfall.requests
    for exchange, event in zip(empty, received[:2], strict=True):
        assert exchange.phase("send").end == exchange.phase("wait").start == event.time
    assert with_body.phase("send").end != received[2].time


async def test_new_and_reused_connections(server):
    async with client_of(server) as client:
        with record(client, server.ledger) as waterfall:
            for _ in range(3):
                await client.get("/echo")
            await client.get("/faults/connection-close")
            await client.get("/echo")
    assert [exchange.reused for exchange in waterfall.requests] == [False, True, True, True, False]
    assert [exchange.connection.number for exchange in waterfall.requests] == [1, 1, 1, 1, 2]
    numbers = [event.connection for event in waterfall.events if event.kind == "request"]
    assert [exchange.connection.ledger_number for exchange in waterfall.requests] == numbers


async def test_numbers_start_at_one_and_the_ledgers_own_is_kept(server):
    async with client_of(server) as client:
        await client.get("/faults/connection-close")
        with record(client, server.ledger) as waterfall:
            await client.get("/echo")
    [connection] = waterfall.connections
    assert (connection.number, connection.ledger_number) == (1, 2)


async def test_connection_from_before_the_block(server):
    async with client_of(server) as client:
        await client.get("/echo")
        with record(client, server.ledger) as waterfall:
            await client.get("/echo")
    [exchange] = waterfall.requests
    assert exchange.reused
    assert exchange.connection.opening is None
    assert exchange.connection.ledger_number == 1


@pytest.mark.parametrize(
    ("path", "failure", "status", "last_phase"),
    [
        ("/faults/reset", "ReadError", 0, "wait"),
        ("/faults/close", "RemoteProtocolError", 0, "wait"),
        ("/faults/silence", "ReadTimeout", 0, "wait"),
        ("/faults/reset-in-body", "ReadError", 200, "receive"),
        ("/faults/truncated", "RemoteProtocolError", 200, "receive"),
        ("/faults/truncated-chunked", "RemoteProtocolError", 200, "receive"),
        ("/faults/malformed-chunk", "RemoteProtocolError", 200, "receive"),
        ("/faults/headers-only", "ReadTimeout", 200, "receive"),
    ],
)
async def test_failures(server, path, failure, status, last_phase):
    read = 0.5 if failure == "ReadTimeout" else PATIENT
    async with client_of(server, read=read) as client:
        with record(client, server.ledger) as waterfall, pytest.raises(httpx.HTTPError) as raised:
            await client.get(path)
    [exchange] = waterfall.requests
    assert type(raised.value).__name__ == failure
    assert (exchange.failure, exchange.status) == (failure, status)
    assert exchange.phases[-1].name == last_phase
    assert exchange.outcome == f"failed with {failure}"
    assert exchange.ended is not None


async def test_refused_connection_and_its_retries():
    transport = httpx.AsyncHTTPTransport(retries=1)
    with refused() as port:
        async with httpx.AsyncClient(base_url=port.url, transport=transport) as client:
            with record(client) as waterfall:
                await outcomes(client.get("/"))
    [exchange] = waterfall.requests
    assert (exchange.failure, phases(exchange)) == ("ConnectError", ["pool", "connect"])
    assert str(waterfall) == "1 request: GET / failed with ConnectError while connecting."


async def test_write_timeout():
    with SilentListener() as peer:
        timeout = httpx.Timeout(PATIENT, write=SOON)
        async with httpx.AsyncClient(base_url=peer.url, timeout=timeout) as client:
            with record(client) as waterfall:
                await outcomes(client.post("/", content=bytes(20_000_000)))
    [exchange] = waterfall.requests
    assert (exchange.failure, exchange.phases[-1].name) == ("WriteTimeout", "send")


async def test_failure_before_any_connection():
    async with httpx.AsyncClient() as client:
        with record(client) as waterfall:
            await outcomes(client.get("gopher://127.0.0.1/"))
    [exchange] = waterfall.requests
    assert (exchange.failure, phases(exchange)) == ("UnsupportedProtocol", ["pool"])


async def test_wait_for_the_pool_and_pool_timeout(server):
    async with client_of(server, most=1, pool=SOON) as client:
        with record(client, server.ledger) as waterfall:
            first = asyncio.create_task(client.get("/faults/hold"))
            await server.gates.reached("default")
            [timed_out] = await outcomes(client.get("/echo"))
            second = asyncio.create_task(client.get("/echo", timeout=PATIENT))
            await asyncio.sleep(0)
            server.gates.open("default")
            await asyncio.gather(first, second)
    assert isinstance(timed_out, httpx.PoolTimeout)
    first, timed_out, second = waterfall.requests
    assert (timed_out.failure, phases(timed_out)) == ("PoolTimeout", ["pool"])
    assert timed_out.phases[0].end == timed_out.ended >= timed_out.started + SOON
    assert timed_out.connection is None
    assert second.phases[0].end >= first.ended
    assert second.reused
    assert second.connection is first.connection


async def test_cancelled_requests(server):
    async with client_of(server, most=1) as client:
        with record(client, server.ledger) as waterfall:
            tasks = [asyncio.create_task(client.get("/faults/hold"))]
            await server.gates.reached("default")
            tasks.append(asyncio.create_task(client.get("/echo")))
            await asyncio.sleep(0)
            for task in reversed(tasks):
                task.cancel()
                await asyncio.wait([task])
    waiting, queued = waterfall.requests
    assert [waiting.outcome, queued.outcome] == ["cancelled", "cancelled"]
    assert waiting.describe() == "GET /faults/hold cancelled before it had a response"
    assert queued.describe() == "GET /echo cancelled before it had a connection"
    assert waiting.ended is not None
    assert queued.ended is not None


async def test_open_at_the_end_of_the_block(server):
    async with client_of(server, most=3) as client:
        with record(client, server.ledger) as waterfall:
            leaked = await client.send(client.build_request("GET", "/bytes"), stream=True)
            async with client.stream("GET", "/bytes?size=100000"):
                pass
            async with client.stream("GET", "/drip?pieces=20&gap=0.01") as dripping:
                async for _ in dripping.aiter_bytes():
                    break
            running = [asyncio.create_task(client.get("/faults/hold")) for _ in range(2)]
            running.append(asyncio.create_task(client.get("/echo")))
            await server.gates.reached("default", 2)
        server.gates.open("default")
        await leaked.aclose()
        await asyncio.gather(*running)
    assert [exchange.outcome for exchange in waterfall.requests] == [
        "left open",
        "closed early",
        "closed early",
        "unfinished",
        "unfinished",
        "without a connection",
    ]
    assert str(waterfall).startswith(
        "6 requests on 5 connections: GET /bytes 200 left open (a new connection), "
        "GET /bytes 200 closed before the end of its body (a new connection), "
        "GET /drip 200 closed before the end of its body (a new connection), "
        "2 × GET /faults/hold unfinished at the end of the block (a new connection), "
        "GET /echo without a connection at the end of the block. "
        "The server saw 5 connections opened, 5 requests, "
    )
    assert waterfall.plot().png()


async def test_nothing_is_recorded_after_the_block(server):
    async with client_of(server) as client:
        with record(client, server.ledger) as waterfall:
            task = asyncio.create_task(client.get("/faults/hold"))
            await server.gates.reached("default")
        before = str(waterfall), copy.deepcopy([vars(one) for one in waterfall.requests])
        server.gates.open("default")
        await task
        await client.get("/echo")
    after = [vars(one) for one in waterfall.requests]
    assert str(waterfall) == before[0]
    for one, other in zip(after, before[1], strict=True):
        assert one | {"connection": None} == other | {"connection": None}


async def test_redirects_and_other_answers_of_the_same_flow():
    async def moved(request):
        return RedirectResponse("/here")

    async def here(request):
        known = "authorization" in request.headers
        headers = {"www-authenticate": 'Digest realm="r", nonce="n", qop="auth"'}
        return PlainTextResponse("", 200 if known else 401, headers)

    routes = [Route("/moved", moved), Route("/here", here)]
    with LocalServer(Starlette(routes=routes)) as server:
        auth = httpx.DigestAuth("user", "secret")
        async with client_of(server, auth=auth, follow_redirects=True) as client:
            with record(client, server.ledger) as waterfall:
                await client.get("/moved")
    assert [(exchange.path, exchange.status) for exchange in waterfall.requests] == [
        ("/moved", 307),
        ("/here", 401),
        ("/moved", 307),  # httpx begins again with the first, now with its credentials
        ("/here", 200),
    ]
    assert all(exchange.outcome == "answered" for exchange in waterfall.requests)


async def test_redirect_that_ends_without_a_connection():
    async def moved(request):
        return RedirectResponse("gopher://127.0.0.1/")

    with LocalServer(Starlette(routes=[Route("/moved", moved)])) as server:
        async with client_of(server, follow_redirects=True) as client:
            with record(client, server.ledger) as waterfall:
                await outcomes(client.get("/moved"))
    assert [exchange.outcome for exchange in waterfall.requests] == [
        "answered",
        "failed with UnsupportedProtocol",
    ]


async def test_the_same_request_sent_again(server):
    async with client_of(server) as client:
        request = client.build_request("GET", "/faults/close?nth=1")
        with record(client, server.ledger) as waterfall:
            await outcomes(client.send(request))
            await outcomes(client.send(request))
    assert [exchange.failure for exchange in waterfall.requests] == ["RemoteProtocolError"] * 2
    assert [exchange.connection.number for exchange in waterfall.requests] == [1, 2]


async def test_requests_with_auth_of_their_own(server):
    async with client_of(server, most=1, pool=SOON) as client:
        with record(client, server.ledger) as waterfall:
            async with client.stream("GET", "/bytes", auth=("user", "secret")) as response:
                await outcomes(client.get("/echo", auth=("user", "secret")))
                await response.aread()
    assert [exchange.outcome for exchange in waterfall.requests] == [
        "answered",
        "failed with PoolTimeout",
    ]


async def test_a_body_that_cannot_be_sent(server):
    async with client_of(server) as client:
        with record(client, server.ledger) as waterfall:
            [raised] = await outcomes(client.post("/echo", content=iter([b"piece"])))
    assert isinstance(raised, RuntimeError)
    [exchange] = waterfall.requests
    assert (exchange.outcome, exchange.connection) == ("failed with RuntimeError", None)


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
    async with client_of(server) as client:
        with record(client, server.ledger) as waterfall:
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
    async with client_of(server) as client:
        with record(client, server.ledger) as waterfall:
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
    async with client_of(server, mounts=mounts) as client:
        with record(client, server.ledger) as waterfall:
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


# The words


async def scripted(server):
    async with client_of(server) as client:
        with record(client, server.ledger) as waterfall:
            await client.get("/echo")
            await client.get("/delay?seconds=0.01")
            await client.get("/delay?seconds=0.02")
            await client.get("/status?code=503")
            await outcomes(client.get("/faults/close"))
            await outcomes(client.get("/faults/reset-in-body"))
            soon = httpx.Timeout(PATIENT, read=0.5)
            await outcomes(client.get("/faults/silence", timeout=soon))
            await outcomes(client.get("gopher://127.0.0.1/"))
            seen = waterfall.seen
            await asyncio.to_thread(
                server.ledger.wait_until, lambda _: seen.closed == 3, timeout=PATIENT
            )
    return waterfall


async def test_text_of_requests_one_by_one(server):
    text = (
        "8 requests on 3 connections: GET /echo 200 (new connection 1), "
        "2 × GET /delay 200 (reused connection 1), GET /status 503 (reused connection 1), "
        "GET /faults/close failed with RemoteProtocolError while waiting for the response (reused "
        "connection 1), GET /faults/reset-in-body 200 failed with ReadError while receiving the "
        "response body (new connection 2), GET /faults/silence failed with ReadTimeout while "
        "waiting for the response (new connection 3), GET / failed with UnsupportedProtocol while "
        "waiting for a connection. The server saw 3 connections opened, 7 requests, 4 whole "
        "responses; connection 1 closed by the server, connection 2 reset by the server, "
        "connection 3 closed by the client."
    )
    assert str(await scripted(server)) == text
    # The same on a server that has seen other connections before.
    assert str(await scripted(server)) == text


async def test_text_of_many_at_once(server):
    async with client_of(server, most=2, pool=SOON) as client:
        with record(client, server.ledger) as waterfall:
            both = [asyncio.create_task(client.get("/faults/hold")) for _ in range(2)]
            await server.gates.reached("default", 2)
            await outcomes(*(client.get("/echo") for _ in range(8)))
            server.gates.open("default")
            await asyncio.gather(*both)
    assert str(waterfall) == (
        "10 requests on 2 connections: 2 × GET /faults/hold 200 (a new connection), "
        "8 × GET /echo failed with PoolTimeout while waiting for a connection. "
        "The server saw 2 connections opened, 2 requests, 2 whole responses."
    )
    title = "10 requests on 2 connections: 2 answered, 8 failed with PoolTimeout"
    assert waterfall.plot().figure.get_suptitle() == title


async def test_text_of_a_long_row_is_put_together(server):
    async with client_of(server) as client:
        with record(client, server.ledger) as waterfall:
            for _ in range(10):
                await client.get("/echo")
                await client.get("/faults/connection-close")
    assert str(waterfall) == (
        "20 requests on 10 connections: 10 × GET /echo 200 (a new connection), "
        "10 × GET /faults/connection-close 200 (a reused connection). The server saw "
        "10 connections opened, 20 requests, 20 whole responses; "
        "10 connections closed by the server."
    )


# The picture


async def many(server, n, ledger=True):
    async with client_of(server, most=100) as client:
        with record(client, server.ledger if ledger else None) as waterfall:
            await outcomes(
                *(client.get("/echo") for _ in range(n - 1)),
                client.get("/faults/close"),
            )
    return waterfall


@pytest.mark.parametrize(("n", "ledger"), [(1, True), (2, False), (50, True)])
async def test_picture(server, n, ledger):
    waterfall = await many(server, n, ledger)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data, metadata = waterfall.displays()[0]
        titled = waterfall.plot("The $x$ finding")
    image = imread(io.BytesIO(base64.b64decode(data["image/png"])), format="png")
    height, width, _ = image.shape
    assert width == 960
    assert height < 1200
    assert image.std() > 0
    assert data["text/plain"] == metadata["image/png"]["alt"] == repr(waterfall)
    assert repr(titled) == f"The $x$ finding. {waterfall}"
    assert titled.figure.get_suptitle() == "The $x$ finding"


async def test_rows_are_capped_and_every_kind_is_drawn(server):
    waterfall = await many(server, 50)
    figure = waterfall.plot().figure
    requests, connections = figure.axes
    rows = [label.get_text() for label in requests.get_yticklabels()]
    assert len(rows) == waterfall_picture.MOST_REQUESTS
    assert rows[-1] == "GET /faults/close"
    assert requests.get_title("left") == "the client's requests, 24 of 50 drawn"
    assert len(connections.get_yticklabels()) == waterfall_picture.MOST_CONNECTIONS
    assert connections.get_title("left") == "the server's connections, 12 of 50 drawn"


async def test_picture_of_nothing(server):
    with record(ledger=server.ledger) as waterfall:
        pass
    assert str(waterfall) == (
        "No request. The server saw 0 connections opened, 0 requests, 0 whole responses."
    )
    assert waterfall.plot().png()


async def test_no_mark_of_the_ledger_covers_one_of_another_kind(server):
    async with client_of(server) as client:
        with record(client, server.ledger) as waterfall:
            await client.get("/echo")
            await client.get("/delay?seconds=1")
    figure = waterfall.plot().figure
    figure.draw_without_rendering()
    marks = [line for line in figure.axes[1].lines if line.get_linestyle() == "None"]
    assert len(marks) == 3
    boxes = [
        [offset_box(line, point) for point in line.get_transform().transform(line.get_xydata())]
        for line in marks
    ]
    for one, other in combinations(boxes, 2):
        assert not any(a.overlaps(b) for a in one for b in other)


def offset_box(line, point):
    """Return the box of a mark in pixels; its size is in points."""
    half = line.get_markersize() * line.figure.dpi / 72 / 2
    return Bbox([point - half, point + half])


async def test_bars_lie_where_the_times_say(server):
    async with client_of(server) as client:
        with record(client, server.ledger) as waterfall:
            await client.get("/delay?seconds=0.05")
    [exchange] = waterfall.requests
    requests, _ = waterfall.plot().figure.axes
    bars = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in requests.patches]
    assert bars == [
        pytest.approx(
            ((phase.start - waterfall.started) * 1e3, (phase.end - waterfall.started) * 1e3)
        )
        for phase in exchange.phases
    ]
    assert all(left <= right for left, right in bars)
    assert all(right <= left + 1e-9 for (_, right), (left, _) in pairwise(bars))
    assert waterfall.started < clock()
