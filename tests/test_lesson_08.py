"""Lesson 08: what an owner closes, what is left without one, and what `Limits` let through."""

import asyncio
import gc
import importlib
import itertools
import warnings
from contextlib import AsyncExitStack

import httpx
import psutil
import pytest

from server.local import LocalServer
from workbench.checking.record import still_open
from workbench.trials import run_trials

GATES = (f"gate-{number}" for number in itertools.count(1))


@pytest.fixture(scope="module")
def server():
    with LocalServer(timeout_keep_alive=60) as running:
        yield running


@pytest.fixture
def modules(server, monkeypatch):
    """The lesson's two modules, anew: they share one client, which is the test's to close."""
    monkeypatch.setenv("WEATHER_URL", server.url)
    weather = importlib.import_module("services.weather")
    report = importlib.import_module("services.report")
    return importlib.reload(weather), importlib.reload(report)


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def new_client(server, **options):
    return httpx.AsyncClient(base_url=server.url, verify=False, **options)


def open_sockets(server):
    connections = psutil.Process().net_connections(kind="tcp")
    return sum(
        at.status == psutil.CONN_ESTABLISHED and at.raddr.port == server.port
        for at in connections
        if at.raddr
    )


def collect():
    """Run the garbage collector; return the warnings of transports that nobody has closed."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        gc.collect()
    messages = [str(warning.message) for warning in caught]
    return [text for text in messages if text.startswith("unclosed transport")]


async def wave(server, client, size):
    """Send so many requests, and let none be answered before all have arrived."""
    gate = next(GATES)
    calls = (client.get("/faults/hold", params={"gate": gate}) for _ in range(size))
    tasks = [asyncio.create_task(call) for call in calls]
    await server.gates.reached(gate, size)
    server.gates.open(gate)
    await asyncio.gather(*tasks)


async def steady_load(server, client, per_tick, ticks_each, ticks=25):
    """At each tick let some requests come, and answer those that came `ticks_each` ago."""
    gates, tasks = [], []
    for tick in range(ticks + ticks_each):
        if tick >= ticks_each:
            server.gates.open(gates[tick - ticks_each])
            await asyncio.gather(*tasks[tick - ticks_each])
        if tick < ticks:
            gates.append(next(GATES))
            calls = [
                client.get("/faults/hold", params={"gate": gates[-1]}) for _ in range(per_tick)
            ]
            tasks.append([asyncio.create_task(call) for call in calls])
            await server.gates.reached(gates[-1], per_tick)


# The client of a module


@pytest.mark.anyio
async def test_a_reload_leaves_the_old_client_open(server, modules, no_collector):
    weather, report = modules
    with server.ledger.watch() as seen:
        await weather.forecast("Bonn")
        for _ in range(5):
            importlib.reload(weather)
            await weather.forecast("Bonn")
        await weather.client.aclose()
    assert (seen.connections, seen.closed, open_sockets(server)) == (6, 1, 5)
    await asyncio.sleep(0)
    assert len(collect()) == 4
    assert open_sockets(server) == 1
    await report.client.aclose()
    assert open_sockets(server) == 0


@pytest.mark.anyio
async def test_a_stub_reaches_only_those_who_ask_the_module(server, modules, monkeypatch):
    weather, report = modules
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json={"json": "sunny"}))
    async with httpx.AsyncClient(base_url="http://stub", transport=transport) as stub:
        monkeypatch.setattr(weather, "client", stub)
        with server.ledger.watch() as seen:
            assert await weather.forecast("Bonn") == "sunny"
            assert await report.headline("Bonn") == {"headline for": "Bonn"}
        assert seen.requests == 1
    await report.client.aclose()


# Closing


@pytest.mark.anyio
async def test_aclose_closes_every_connection_and_nobody_complains(server):
    client = new_client(server)
    await wave(server, client, 10)
    with server.ledger.watch() as seen:
        await client.aclose()
    assert [event.by for event in seen.events] == ["client"] * 10
    assert open_sockets(server) == 0
    del client
    await asyncio.sleep(0)
    assert collect() == []


@pytest.mark.anyio
async def test_without_aclose_they_are_open_while_the_client_is_referred_to(server, no_collector):
    client = new_client(server)
    await wave(server, client, 10)
    await asyncio.sleep(0)
    assert collect() == []
    assert open_sockets(server) == 10
    del client
    assert len(collect()) == 10
    assert open_sockets(server) == 0


@pytest.mark.anyio
async def test_a_client_needs_no_block_but_enters_and_closes_once(server):
    client = new_client(server)
    assert (await client.get("/echo")).status_code == 200
    with pytest.raises(RuntimeError, match="Cannot open a client instance more than once"):
        await client.__aenter__()
    await client.aclose()
    with pytest.raises(RuntimeError, match="Cannot reopen a client instance"):
        await client.__aenter__()
    with pytest.raises(RuntimeError, match="as the client has been closed"):
        await client.get("/echo")


# An owner


class Owner:
    def __init__(self, server, health="/status?code=200"):
        self.client = new_client(server)
        self.health = health

    async def start(self):
        (await self.client.get(self.health)).raise_for_status()

    async def __aexit__(self, *exc_info):
        await self.client.__aexit__(*exc_info)


class Careless(Owner):
    async def __aenter__(self):
        await self.client.__aenter__()
        await self.start()
        return self


class Careful(Owner):
    async def __aenter__(self):
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.client)
            await self.start()
            self.exits = stack.pop_all()
        return self

    async def __aexit__(self, *exc_info):
        await self.exits.__aexit__(*exc_info)


@pytest.mark.anyio
@pytest.mark.parametrize(("kind", "left"), [(Careless, 5), (Careful, 0)])
async def test_a_start_that_fails_leaves_the_client_open_without_a_stack(server, kind, left):
    owners = []

    async def start():
        owners.append(kind(server, health="/status?code=503"))
        async with owners[-1]:
            pass

    with server.ledger.watch() as seen:
        tally = await run_trials(start, 5)
    assert (tally.failed, seen.connections, len(still_open(seen))) == (5, 5, left)
    for owner in owners:
        await owner.client.aclose()


@pytest.mark.anyio
@pytest.mark.parametrize("kind", [Careless, Careful])
async def test_a_start_that_goes_well_is_closed_at_the_end(server, kind):
    with server.ledger.watch() as seen:
        async with kind(server) as owner:
            await owner.client.get("/echo")
    assert (seen.connections, seen.requests, seen.closed) == (1, 2, 1)


@pytest.mark.anyio
@pytest.mark.parametrize(("client_first", "failed"), [(False, 5), (True, 0)])
async def test_the_client_is_entered_before_the_tasks(server, client_first, failed):
    async def five_tasks():
        first, second = Careful(server), asyncio.TaskGroup()
        client, group = first.client, second
        if not client_first:
            first, second = second, first
        async with first, second:
            for _ in range(5):
                group.create_task(client.get("/echo"))

    tally = await run_trials(five_tasks, 5)
    assert tally.failed == failed
    for error in tally.exceptions:
        assert {repr(each) for each in error.exceptions} == {
            "RuntimeError('Cannot send a request, as the client has been closed.')"
        }


# Limits


@pytest.mark.anyio
@pytest.mark.parametrize(("per_tick", "ticks_each"), [(1, 4), (1, 10), (2, 5), (3, 4)])
async def test_as_many_connections_as_little_s_law_says(server, per_tick, ticks_each):
    with server.ledger.watch() as seen:
        async with new_client(server) as client:
            await steady_load(server, client, per_tick, ticks_each)
    assert seen.requests == per_tick * 25
    assert seen.connections == per_tick * ticks_each


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("limits", "opened"),
    [
        (httpx.Limits(max_connections=100, max_keepalive_connections=20), [40, 20, 20]),
        (httpx.Limits(max_connections=40, max_keepalive_connections=40), [40, 0, 0]),
        (httpx.Limits(max_connections=40), [40, 0, 0]),
    ],
    ids=["default", "keeps them all", "no limit for idle ones"],
)
async def test_bursts_open_anew_what_is_not_kept(server, limits, opened):
    counts = []
    async with new_client(server, limits=limits) as client:
        for _ in range(3):
            with server.ledger.watch() as seen:
                await wave(server, client, 40)
            counts.append(seen.connections)
    assert counts == opened


def test_one_limit_written_lifts_the_others():
    only_one = httpx.Limits(max_keepalive_connections=40)
    assert only_one.max_connections is None
