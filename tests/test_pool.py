"""What `watch_pool` notes of a client's pool, against a real server, and how it is drawn."""

import asyncio
import base64
import io
import itertools

import httpx
import pytest
from matplotlib.image import imread
from recorded_client import TLS, client_of

from workbench.pool import PoolState, watch_pool
from workbench.trials import run_trials
from workbench.waterfall.recording import record

pytestmark = pytest.mark.anyio
numbers = itertools.count(1)


def counts(state):
    return state.with_request, state.without_request, state.idle, state.queued


async def test_a_request_takes_a_connection_and_leaves_it_idle(server):
    async with client_of(server, most=2) as client:
        with watch_pool(client) as pool:
            await client.get("/echo")
    assert [counts(state) for state in pool.states] == [
        (0, 0, 0, 0),
        (1, 0, 0, 0),
        (0, 0, 1, 0),
        (0, 0, 1, 0),
    ]
    assert pool.changes == 2
    times = [state.time for state in pool.states]
    assert times == sorted(times)


async def test_requests_beyond_the_limit_are_queued(server):
    gate = f"queue-{next(numbers)}"
    async with client_of(server, most=2) as client:
        with watch_pool(client) as pool:
            calls = [asyncio.create_task(client.get(f"/faults/hold?gate={gate}")) for _ in range(5)]
            await server.gates.reached(gate, count=2)
            assert counts(pool.last) == (2, 0, 0, 3)
            server.gates.open(gate)
            await asyncio.gather(*calls)
    assert (pool.most_active, pool.most_queued) == (2, 3)
    assert counts(pool.last) == (0, 0, 2, 0)


@pytest.mark.parametrize("busy", [1, 2, 3])
async def test_of_kept_connections_it_says_what_a_waterfall_of_the_same_run_says(server, busy):
    async with client_of(server, most=3) as client:

        async def held_at_once(count):
            gate = f"kept-{next(numbers)}"
            calls = [client.get(f"/faults/hold?gate={gate}") for _ in range(count)]
            calls = [asyncio.create_task(call) for call in calls]
            await server.gates.reached(gate, count=count)
            yield
            server.gates.open(gate)
            await asyncio.gather(*calls)

        async for _ in held_at_once(3):
            pass
        with record(client) as waterfall, watch_pool(client) as pool:
            async for _ in held_at_once(busy):
                sent = [exchange for exchange in waterfall.requests if exchange.reused]
                assert len(sent) == busy
                assert counts(pool.last) == (busy, 0, 3 - busy, 0)


async def test_a_reused_connection_is_offered_to_the_whole_queue(server):
    async with client_of(server, most=1) as client:
        with watch_pool(client) as pool:
            await run_trials(lambda: client.get("/echo"), 4, at_once=4)
    queue = [state.queued for state in pool.states]
    assert queue == [0, 0, 1, 2, 3, *(0, 1, 2), *(0, 1), *(0, 0), 0]


async def test_a_request_that_gives_up_leaves_the_queue(server):
    async with client_of(server, most=1, pool=0.05) as client:
        async with client.stream("GET", "/echo"):
            with watch_pool(client) as pool:
                with pytest.raises(httpx.PoolTimeout):
                    await client.get("/echo")
    assert [state.queued for state in pool.states] == [0, 1, 0, 0]
    assert counts(pool.last) == (1, 0, 0, 0)


async def test_a_response_that_is_left_open_keeps_its_connection(server):
    async with client_of(server, most=2) as client:
        with watch_pool(client) as pool:
            response = await client.send(client.build_request("GET", "/echo"), stream=True)
        assert counts(pool.last) == (1, 0, 0, 0)
        with watch_pool(client) as pool:
            await response.aclose()
        assert pool.last.active == 0


async def test_a_connection_of_nobody_is_told_apart(server):
    async with client_of(server, most=2) as client:
        with watch_pool(client) as pool:
            calls = [asyncio.create_task(client.get("/echo")) for _ in range(4)]
            await asyncio.sleep(0)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
    assert counts(pool.last) == (0, 2, 0, 0)
    assert pool.last.active == 2
    assert pool.last.describe() == "2 active (2 without a request), 0 idle, 0 queued"


async def test_the_counts_are_those_of_the_pools_own_repr(server):
    async with client_of(server, most=2) as client:
        with watch_pool(client) as pool:
            calls = [asyncio.create_task(client.get("/echo")) for _ in range(3)]
            await asyncio.sleep(0)
            said = repr(client._transport._pool)
            seen = pool.last
            await asyncio.gather(*calls)
    assert f"{seen.queued} queued" in said
    assert f"Connections: {seen.active} active, {seen.idle} idle" in said


async def test_the_pool_is_as_before_after_the_block(server):
    async with client_of(server, most=2) as client:
        inside = client._transport._pool
        before = set(vars(inside))
        with pytest.raises(KeyError), watch_pool(client) as outer:
            with watch_pool(client) as inner:
                await client.get("/echo")
            await client.get("/echo")
            raise KeyError
        assert set(vars(inside)) == before
        await client.get("/echo")
    assert (inner.changes, outer.changes) == (2, 4)
    assert outer.last == outer.states[-1]


async def test_a_pool_that_is_closed_in_the_block_is_empty(server):
    client = client_of(server, most=2)
    with watch_pool(client) as pool:
        await client.get("/echo")
        await client.aclose()
    assert counts(pool.last) == (0, 0, 0, 0)


async def test_what_it_says_in_words(server):
    async with client_of(server, most=2) as client:
        with watch_pool(client) as pool:
            await run_trials(lambda: client.get("/echo"), 3, at_once=3)
        said = (
            "A pool for 2 connections, at the end: 0 active, 2 idle, 0 queued. "
            "At most 2 active and 1 queued at a time."
        )
        assert repr(pool) == pool.plot().text == said
        assert pool.plot("Two for three").text == f"Two for three. {said}"
    async with client_of(server, most=None) as client:
        with watch_pool(client) as pool:
            pass
        assert pool.limit is None
        assert repr(pool).startswith("A pool for any number of connections, at the end: 0 active")


async def test_it_is_shown_as_a_picture(server):
    async with client_of(server, most=1) as client:
        with watch_pool(client) as pool:
            await client.get("/echo")
    data, metadata = pool.displays()[0]
    image = imread(io.BytesIO(base64.b64decode(data["image/png"])))
    assert image.shape[1] > image.shape[0] > 100
    assert data["text/plain"] == metadata["image/png"]["alt"] == repr(pool)


async def test_the_picture_stacks_the_kinds_and_marks_the_limit(server):
    async with client_of(server, most=2) as client:
        with watch_pool(client) as pool:
            await client.get("/echo")
    start = pool.states[0].time
    pool.states = [
        PoolState(start, 0, 0, 0, 0),
        PoolState(start + 0.1, 1, 1, 0, 4),
        PoolState(start + 0.2, 0, 1, 1, 0),
    ]
    upper, lower = pool.plot("Stacked").figure.axes
    _, legend = upper.get_legend_handles_labels()
    assert legend == ["active, with a request", "active, without a request", "idle", "the limit"]
    areas = [area.get_datalim(upper.transData) for area in upper.collections]
    assert [area.ymax for area in areas] == [1, 2, 2]
    assert lower.lines[0].get_ydata().max() == 4
    assert upper.get_xlim()[1] == pytest.approx(200)


async def test_of_several_pools_it_watches_the_one_that_is_used(server, monkeypatch):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", server.url)
    async with httpx.AsyncClient(verify=TLS) as client:
        with watch_pool(client) as proxied, watch_pool(client, "https://127.0.0.1") as direct:
            await client.get("http://127.0.0.1:1/echo")
    assert proxied.changes == 2
    assert direct.changes == 0
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    async with client_of(server, most=2) as client:
        with watch_pool(client) as pool:
            await client.get("/echo")
    assert pool.changes == 2


@pytest.mark.parametrize("wrong", [None, "client", httpx.AsyncClient])
async def test_what_it_refuses(wrong):
    with pytest.raises(TypeError, match="can watch an httpx"), watch_pool(wrong):
        pass


async def test_it_refuses_a_client_that_has_no_pool(server):
    transport = httpx.ASGITransport(app=server.app)
    async with httpx.AsyncClient(transport=transport, verify=TLS) as client:
        with pytest.raises(TypeError, match="own pool"), watch_pool(client):
            pass
    with httpx.Client(verify=TLS) as client, pytest.raises(TypeError, match="not a Client"):
        with watch_pool(client):
            pass
