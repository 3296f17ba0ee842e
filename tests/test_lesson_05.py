"""What lesson 05 says in passing: more than its cells show of how a pool runs dry."""

import asyncio
import gc
import itertools
import ssl
from unittest.mock import patch

import httpcore
import httpx
import pytest

from workbench.pool import watch_pool
from workbench.trials import run_trials

TLS = ssl.create_default_context()
DRY = "PoolTimeout('')"
N = 10

pytestmark = pytest.mark.anyio
numbers = itertools.count(1)


def client_with(connections, pool, **options):
    limits = httpx.Limits(max_connections=connections)
    timeout = httpx.Timeout(30, pool=pool)
    return httpx.AsyncClient(verify=TLS, limits=limits, timeout=timeout, **options)


# Requests that come at once


@pytest.mark.parametrize(("connections", "n"), [(5, 5), (5, 40), (20, 40), (20, 80)])
async def test_each_queued_request_is_compared_with_each_connection(server, connections, n):
    original, compared = httpcore.AsyncHTTPConnection.can_handle_request, []

    def counting(connection, origin):
        compared.append(connection)
        return original(connection, origin)

    async with client_with(connections, pool=30) as client:
        with patch.object(httpcore.AsyncHTTPConnection, "can_handle_request", counting):
            calls = [asyncio.create_task(client.get(server.url + "/echo")) for _ in range(n)]
            await asyncio.sleep(0)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    queued = n - connections
    while_there_is_room = connections * (connections - 1) // 2 + connections
    assert len(compared) == while_there_is_room + connections * queued * (queued + 1) // 2


async def test_a_semaphore_keeps_the_queue_out_of_the_pool(server):
    places = asyncio.Semaphore(2)

    async def get():
        async with places:
            return await client.get(server.url + "/echo")

    async with client_with(2, pool=0.05) as client:
        with watch_pool(client) as pool:
            tally = await run_trials(get, 50, at_once=50)
    assert tally.failed == 0
    assert pool.most_queued == 0


# Responses left open


async def leave_open(client, url):
    await client.send(client.build_request("GET", url), stream=True)


async def drop_and_collect(client, url):
    response = await client.send(client.build_request("GET", url), stream=True)
    del response
    gc.collect()


async def try_again(client, url):
    for last in (False, False, True):
        try:
            return await leave_open(client, url)
        except httpx.PoolTimeout:
            if last:
                raise


@pytest.mark.parametrize("call", [leave_open, drop_and_collect, try_again])
@pytest.mark.parametrize("connections", [2, 4])
async def test_a_pool_is_dry_after_as_many_open_responses(server, call, connections):
    async with client_with(connections, pool=0.02) as client:
        with server.ledger.watch() as seen, watch_pool(client) as pool:
            url = server.url + "/status?code=404"
            tally = await run_trials(lambda: call(client, url), connections + 2)
    assert tally.labels == ["OK"] * connections + [DRY] * 2
    assert seen.requests == seen.responses == connections
    assert (pool.last.with_request, pool.last.without_request) == (connections, 0)


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


async def test_an_exception_in_the_block_closes_the_response(server):
    async def fail():
        async with client.stream("GET", server.url + "/bytes?size=1000000"):
            raise LookupError

    async with client_with(1, pool=0.02) as client:
        tally = await run_trials(fail, N)
        assert (await client.get(server.url + "/echo")).status_code == 200
    assert tally.counts == {"LookupError()": N}


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


@pytest.mark.parametrize(("at_once", "failed"), [(4, 0), (5, 5)])
async def test_requests_in_streams_of_the_same_client_wait_for_each_other(server, at_once, failed):
    """Five streams on five connections, each of which then asks for another one."""
    all_open = asyncio.Barrier(at_once)

    async def nested():
        async with client.stream("GET", server.url + "/bytes?size=10"):
            await all_open.wait()
            try:
                return await client.get(server.url + "/echo")
            finally:
                await all_open.wait()  # nobody gives a connection back before the last time-out

    async with client_with(5, pool=0.2) as client:
        tally = await run_trials(nested, at_once, at_once=at_once)
    assert tally.failed == failed


# Cancelled requests


async def test_the_call_that_is_next_in_the_queue_is_cancelled_three_turns_later(server):
    """The notebook on cancelled requests shows none and two."""

    async def call_after():
        gate = f"gate-{next(numbers)}"
        async with client_with(1, pool=5) as client:
            url = f"{server.url}/faults/hold?gate={gate}"
            first, queued = [asyncio.create_task(client.get(url)) for _ in range(2)]
            await server.gates.reached(gate)
            first.cancel()
            for _ in range(3):
                await asyncio.sleep(0)
            queued.cancel()
            await asyncio.gather(first, queued, return_exceptions=True)
            return await client.get(server.url + "/echo", timeout=httpx.Timeout(30, pool=0.1))

    tally = await run_trials(call_after, N, at_once=N)
    assert tally.counts == {DRY: N}
