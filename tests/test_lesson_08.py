"""Lesson 08: what is so beyond the values that its cells show."""

import asyncio
import itertools

import httpx
import psutil
import pytest

from server.local import LocalServer

GATES = (f"gate-{number}" for number in itertools.count(1))


def new_client(server, **options):
    return httpx.AsyncClient(base_url=server.url, verify=False, **options)


async def wave(server, client, size):
    """Send so many requests, and let none be answered before all have arrived."""
    gate = next(GATES)
    calls = (client.get("/faults/hold", params={"gate": gate}) for _ in range(size))
    tasks = [asyncio.create_task(call) for call in calls]
    await server.gates.reached(gate, size)
    server.gates.open(gate)
    await asyncio.gather(*tasks)


@pytest.mark.anyio
async def test_a_client_needs_no_block_and_has_no_finalizer(server):
    client = new_client(server)
    states = [client._state.name]
    assert (await client.get("/echo")).status_code == 200
    states.append(client._state.name)
    await client.aclose()
    states.append(client._state.name)
    assert states == ["UNOPENED", "OPENED", "CLOSED"]
    for part in (client, client._transport, client._transport._pool):
        assert not hasattr(part, "__del__")


@pytest.mark.anyio
async def test_no_timer_closes_an_expired_connection_but_the_next_request_does(server):
    limits = httpx.Limits(keepalive_expiry=0.05)
    async with new_client(server, limits=limits) as client:
        with server.ledger.watch() as seen:
            await wave(server, client, 3)
            await asyncio.sleep(0.3)
        assert (seen.connections, seen.closed) == (3, 0)
        with server.ledger.watch() as seen:
            await client.get("/echo")
        assert (seen.connections, seen.closed) == (1, 3)


@pytest.mark.anyio
async def test_what_the_server_has_closed_a_forgotten_client_still_holds():
    with LocalServer(timeout_keep_alive=1) as server:
        async with new_client(server) as client:
            await wave(server, client, 3)
            await asyncio.to_thread(server.ledger.wait_until, lambda ledger: closed(ledger) == 3)
            connections = psutil.Process().net_connections(kind="tcp")
            mine = [at for at in connections if at.raddr and at.raddr.port == server.port]
            assert [at.status for at in mine] == [psutil.CONN_CLOSE_WAIT] * 3


def closed(ledger):
    return ledger.totals()["closed"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("limits", "opened"),
    [
        (httpx.Limits(max_connections=100, max_keepalive_connections=20), [24, 4, 4]),
        (httpx.Limits(max_connections=24, max_keepalive_connections=24), [24, 0, 0]),
        (httpx.Limits(max_connections=24), [24, 0, 0]),
    ],
    ids=["default", "keeps them all", "no limit for those that are kept"],
)
async def test_bursts_open_anew_what_is_not_kept(server, limits, opened):
    counts = []
    async with new_client(server, limits=limits) as client:
        for _ in range(3):
            with server.ledger.watch() as seen:
                await wave(server, client, 24)
            counts.append(seen.connections)
    assert counts == opened


@pytest.mark.parametrize("written", ["max_connections", "max_keepalive_connections"])
def test_a_number_that_is_left_out_is_no_limit(written):
    limits = httpx.Limits(**{written: 40})
    assert {limits.max_connections, limits.max_keepalive_connections} == {40, None}
    assert limits.keepalive_expiry == 5.0
