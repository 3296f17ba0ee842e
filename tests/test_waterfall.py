"""The waterfall against a real server: what the client did, what the ledger saw, in order."""

import asyncio
import copy

import httpx
import pytest
from recorded_client import PATIENT, SOON, client_of, outcomes, recorded
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.routing import Route

from server.local import LocalServer
from server.wire import SilentListener, refused
from workbench.waterfall.recording import record

pytestmark = pytest.mark.anyio


@pytest.fixture
def server():
    with LocalServer() as running:
        yield running


def phases(exchange):
    return [phase.name for phase in exchange.phases if phase.name != "held"]


async def test_phases_are_in_order_and_agree_with_the_ledger(server):
    async with recorded(server) as (client, waterfall):
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

    async with recorded(server) as (client, waterfall):
        for _ in range(2):
            await client.get("/echo", extensions={"trace": trace})
        await client.post("/echo", content=b"more may be under way")
    received = [event for event in waterfall.events if event.kind == "request"]
    *empty, with_body = waterfall.requests
    for exchange, event in zip(empty, received[:2], strict=True):
        assert exchange.phase("send").end == exchange.phase("wait").start == event.time
    assert with_body.phase("send").end != received[2].time


async def test_new_and_reused_connections(server):
    async with recorded(server) as (client, waterfall):
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
    async with recorded(server, most=1, pool=SOON) as (client, waterfall):
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
    async with recorded(server, most=1) as (client, waterfall):
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
        async with recorded(server, auth=auth, follow_redirects=True) as (client, waterfall):
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
        async with recorded(server, follow_redirects=True) as (client, waterfall):
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
    async with recorded(server, most=1, pool=SOON) as (client, waterfall):
        async with client.stream("GET", "/bytes", auth=("user", "secret")) as response:
            await outcomes(client.get("/echo", auth=("user", "secret")))
            await response.aread()
    assert [exchange.outcome for exchange in waterfall.requests] == [
        "answered",
        "failed with PoolTimeout",
    ]


async def test_a_body_that_cannot_be_sent(server):
    async with recorded(server) as (client, waterfall):
        [raised] = await outcomes(client.post("/echo", content=iter([b"piece"])))
    assert isinstance(raised, RuntimeError)
    [exchange] = waterfall.requests
    assert (exchange.outcome, exchange.connection) == ("failed with RuntimeError", None)
