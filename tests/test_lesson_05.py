"""The facts of lesson 05: three ways in which a client's pool runs dry, and their cures.

Each failure has its rate here, and each cure is the same trial with one line changed.
"""

import asyncio
import gc
import itertools
import ssl
from pathlib import Path

import httpx
import nbformat
import pytest

from server.local import LocalServer
from workbench.explorer import Explorer, Slider
from workbench.pool import watch_pool
from workbench.trials import run_trials
from workbench.waterfall.recording import record

NOTEBOOK = Path(__file__).resolve().parent.parent / "notebooks" / "05-the-pool-runs-dry.ipynb"
TLS = ssl.create_default_context()
DRY = "PoolTimeout('')"
N = 10

pytestmark = pytest.mark.anyio
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server():
    with LocalServer() as running:
        yield running


def client_with(connections, pool, **options):
    limits = httpx.Limits(max_connections=connections)
    timeout = httpx.Timeout(30, pool=pool)
    return httpx.AsyncClient(verify=TLS, limits=limits, timeout=timeout, **options)


# Responses left open


async def leave_open(client, url):
    await client.send(client.build_request("GET", url), stream=True)


async def drop_and_collect(client, url):
    response = await client.send(client.build_request("GET", url), stream=True)
    del response
    gc.collect()


async def close(client, url):
    async with client.stream("GET", url):
        pass


@pytest.mark.parametrize("call", [leave_open, drop_and_collect])
@pytest.mark.parametrize("connections", [2, 4])
@pytest.mark.parametrize("limit", [0.02, 0.2])
async def test_a_pool_is_dry_after_as_many_open_responses(server, call, connections, limit):
    async with client_with(connections, limit) as client:
        with server.ledger.watch() as seen, watch_pool(client) as pool:
            url = server.url + "/status?code=404"
            tally = await run_trials(lambda: call(client, url), connections + 3)
    assert tally.labels == ["OK"] * connections + [DRY] * 3
    assert seen.requests == seen.responses == connections
    assert (pool.last.with_request, pool.last.without_request) == (connections, 0)


async def test_in_the_block_of_a_stream_no_response_is_left_open(server):
    async with client_with(2, pool=0.02) as client:
        with watch_pool(client) as pool:
            url = server.url + "/status?code=404"
            tally = await run_trials(lambda: close(client, url), N)
    assert tally.failed == 0
    assert pool.last.active == 0


async def test_a_break_in_the_block_is_safe_and_closes_the_connection(server):
    async def first_piece():
        async with client.stream("GET", server.url + "/bytes?size=1000000") as response:
            async for _ in response.aiter_bytes():
                break

    with server.ledger.watch() as seen:
        async with client_with(1, pool=0.02) as client:
            tally = await run_trials(first_piece, N)
    assert tally.failed == 0
    assert seen.connections == seen.requests == N


async def test_the_collector_frees_a_response_whose_body_was_begun(server):
    """The exception to the rule: CPython closes the abandoned iterator, and that the response."""
    async with client_with(1, pool=0.02) as client:
        response = await client.send(
            client.build_request("GET", server.url + "/bytes?size=1000000"), stream=True
        )
        async for _ in response.aiter_bytes():
            break
        assert repr(client._transport._pool).endswith("Connections: 1 active, 0 idle]>")
        del response
        gc.collect()
        async with asyncio.timeout(5):
            while client._transport._pool.connections:
                await asyncio.sleep(0)


# Cancelled calls


async def one_turn_after_the_start(server, get, url):
    calls = [asyncio.create_task(get(url)) for _ in range(3)]
    await asyncio.sleep(0)
    return calls


async def while_the_server_works(server, get, url):
    calls = [asyncio.create_task(get(url)) for _ in range(3)]
    await server.gates.reached(url.partition("=")[2])
    return calls


async def as_another_call_breaks(server, get, url):
    with pytest.raises(BaseExceptionGroup):
        async with asyncio.TaskGroup() as group:
            for each in (server.url + "/faults/reset", url, url):
                group.create_task(get(each))
    return []


async def as_it_has_connected(server, get, url):
    async def cancel_then(name, info):
        if name == "connection.connect_tcp.complete":
            call.cancel()

    call = asyncio.create_task(get(url, extensions={"trace": cancel_then}))
    await asyncio.wait([call])
    return []


def as_it_is(client, running):
    return client.get


def behind_a_semaphore(client, running):
    places = asyncio.Semaphore(1)

    async def get(url, **options):
        async with places:
            return await client.get(url, **options)

    return get


def shielded(client, running):
    async def get(url, **options):
        running.append(asyncio.create_task(client.get(url, **options)))
        return await asyncio.shield(running[-1])

    return get


@pytest.mark.parametrize(
    ("moment", "as_is", "semaphore", "shield"),
    [
        (while_the_server_works, 0, 0, 0),
        (one_turn_after_the_start, N, 0, 0),
        (as_another_call_breaks, N, 0, 0),
        (as_it_has_connected, N, N, 0),
    ],
)
async def test_calls_that_are_cancelled_at_a_bad_moment_cost_a_connection(
    server, moment, as_is, semaphore, shield
):
    async def call_after(protect):
        gate, running = f"moment-{next(numbers)}", []
        async with client_with(1, pool=5) as client:
            get = protect(client, running)
            calls = await moment(server, get, f"{server.url}/faults/hold?gate={gate}")
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
            server.gates.open(gate)
            await asyncio.gather(*running, return_exceptions=True)
            return await client.get(server.url + "/echo", timeout=httpx.Timeout(30, pool=0.1))

    rates = {as_it_is: as_is, behind_a_semaphore: semaphore, shielded: shield}
    for protect, failures in rates.items():
        tally = await run_trials(lambda protect=protect: call_after(protect), N, at_once=N)
        assert tally.counts == ({DRY: N} if failures else {"200 OK": N}), protect.__name__


async def test_a_batch_cancelled_in_its_first_turn_costs_every_connection(server):
    with server.ledger.watch() as seen:
        async with client_with(2, pool=0.05) as client:
            calls = [asyncio.create_task(client.get(server.url + "/echo")) for _ in range(4)]
            await asyncio.sleep(0)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
            tally = await run_trials(lambda: client.get(server.url + "/echo"), 3)
            said = repr(client._transport._pool)
    assert tally.counts == {DRY: 3}
    assert said.endswith("[Requests: 0 active, 0 queued | Connections: 2 active, 0 idle]>")
    assert seen.connections == 0


# Bursts, with the function from the lesson, which its explorer calls


@pytest.fixture(scope="module")
def lesson(server):
    """The lesson's own names: `burst`, and the `explorer` that it shows."""
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    names = {
        "Explorer": Explorer,
        "Slider": Slider,
        "httpx": httpx,
        "context": TLS,
        "server": server,
        "record": record,
        "run_trials": run_trials,
        "watch_pool": watch_pool,
    }
    for name in ("def client_with(", "async def burst("):
        [source] = [cell.source for cell in cells if cell.source.startswith(name)]
        exec(source, names)
    [source] = [cell.source for cell in cells if cell.source.startswith("Explorer(")]
    names["explorer"] = eval(source, names)
    yield names
    names["explorer"].close()


@pytest.mark.parametrize(
    ("connections", "pool", "headers", "counts"),
    [
        (2, 0.2, {}, {"200 OK": 2, DRY: 8}),
        (2, 0.6, {}, {"200 OK": 10}),
        (2, 0.6, {"Connection": "close"}, {"200 OK": 4, DRY: 6}),
        (10, 0.2, {}, {"200 OK": 10}),
        (2, 10, {}, {"200 OK": 10}),
    ],
    ids=["too short", "restarted", "not reused", "larger pool", "longer limit"],
)
async def test_what_the_pool_time_limit_bounds(lesson, connections, pool, headers, counts):
    tally, watched, waterfall = await lesson["burst"](10, connections, 0.4, pool, headers=headers)
    assert tally.counts == counts
    assert watched.most_queued == 10 - connections
    assert waterfall.seen.requests == counts["200 OK"]
    longest = max(request.phases[0].end - request.phases[0].start for request in waterfall.requests)
    if connections == 2 and tally.failed == 0:
        assert longest > 1.5  # four rounds of 0.4 s, with a limit of 0.6 s or 10 s


async def test_the_explorer_shows_tally_pool_and_waterfall(lesson):
    explorer = lesson["explorer"]
    assert explorer.values == {
        "concurrency": 10,
        "connections": 2,
        "server_time": 0.4,
        "pool_timeout": 0.6,
    }
    explorer.set(concurrency=4, connections=1, server_time=0.5, pool_timeout=0.1)
    tally, pool, waterfall = await explorer.run()
    assert tally.counts == {"200 OK": 1, DRY: 3}
    assert pool.most_queued == 3
    shown = [output["data"] for output in explorer._output.outputs]
    assert [data["text/plain"] for data in shown] == [repr(tally), repr(pool), repr(waterfall)]
    assert ["image/png" in data for data in shown] == [False, True, True]


async def test_a_semaphore_keeps_the_burst_out_of_the_pools_queue(server):
    places = asyncio.Semaphore(2)

    async def get():
        async with places:
            return await client.get(server.url + "/delay?seconds=0.4")

    async with client_with(2, pool=0.2) as client:
        with watch_pool(client) as pool:
            tally = await run_trials(get, 10, at_once=10)
    assert tally.failed == 0
    assert pool.most_queued == 0


async def test_the_article_s_snippet_does_not_touch_the_pool(server):
    async def snippet():
        call = client.post(server.url + "/echo")
        try:
            async with call:
                pass
        finally:
            call.close()

    async with client_with(5, pool=5) as client:
        with watch_pool(client) as pool:
            tally = await run_trials(snippet, 50, at_once=50)
    assert tally.ok == 0
    assert pool.changes == 0
