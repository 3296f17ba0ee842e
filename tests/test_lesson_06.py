"""Lesson 06: how often a client fails across event loops, what cures it, and what does not."""

import asyncio

import httpx
import pytest

from server.local import LocalServer
from workbench.trials import run_trials
from workbench.waterfall.recording import record

LOOP_IS_CLOSED = "RuntimeError: Event loop is closed"
EVERY_OTHER = "OK FAIL OK FAIL OK FAIL"


@pytest.fixture(scope="module")
def server():
    with LocalServer(timeout_keep_alive=60) as running:
        yield running


# A socket whose loop is closed can only be closed by the garbage collector, which warns of it.
leaves_sockets = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


async def fetch(client, url):
    response = await client.get(url)
    return response.status_code


async def fetch_again(client, url):
    try:
        return await fetch(client, url)
    except RuntimeError:
        return await fetch(client, url)


async def six_runs(server, job=fetch, pause=0.0, **options):
    """Return the tally of six `asyncio.run` with one client, and what the server saw."""
    client = httpx.AsyncClient(verify=False, **options)

    async def run():
        try:
            return await asyncio.to_thread(asyncio.run, job(client, server.url + "/echo"))
        finally:
            await asyncio.sleep(pause)

    with server.ledger.watch() as seen:
        tally = await run_trials(run, 6)
    for error in tally.exceptions:  # their tracebacks keep the sockets
        error.__traceback__ = error.__context__ = None
    return tally, seen


@leaves_sockets
@pytest.mark.anyio
@pytest.mark.parametrize(
    "options",
    [{}, {"limits": httpx.Limits(keepalive_expiry=3)}, {"timeout": 60}],
    ids=["as it is", "keepalive_expiry", "timeout"],
)
async def test_every_other_run_fails_and_the_server_answers_all(server, options):
    tally, seen = await six_runs(server, **options)
    assert tally.row() == EVERY_OTHER
    assert tally.counts == {"OK": 3, LOOP_IS_CLOSED: 3}
    assert (seen.connections, seen.requests, seen.responses) == (3, 6, 6)


@leaves_sockets
@pytest.mark.anyio
async def test_the_second_loop_uses_the_connection_of_the_first(server):
    client = httpx.AsyncClient(verify=False)
    with record(client, server.ledger) as waterfall:
        await asyncio.to_thread(asyncio.run, fetch(client, server.url + "/echo"))
        with pytest.raises(RuntimeError, match="Event loop is closed"):
            await asyncio.to_thread(asyncio.run, fetch(client, server.url + "/echo"))
    first, second = waterfall.requests
    assert second.reused
    assert second.connection is first.connection
    assert (first.failure, second.failure) == ("", "RuntimeError")


@leaves_sockets
@pytest.mark.anyio
async def test_a_retry_is_green_and_sends_eleven_requests_for_six(server):
    tally, seen = await six_runs(server, job=fetch_again)
    assert tally.failed == 0
    assert (seen.connections, seen.requests) == (6, 11)


@leaves_sockets
@pytest.mark.anyio
async def test_after_the_keep_alive_time_it_fails_before_it_sends(server):
    tally, seen = await six_runs(
        server, pause=0.1, limits=httpx.Limits(max_connections=100, keepalive_expiry=0.03)
    )
    assert tally.row() == EVERY_OTHER
    assert tally.counts == {"OK": 3, LOOP_IS_CLOSED: 3}
    assert (seen.connections, seen.requests) == (3, 3)


@leaves_sockets
@pytest.mark.anyio
async def test_it_fails_as_well_once_the_server_has_closed_the_connection():
    with LocalServer(timeout_keep_alive=0.05) as hasty:
        tally, seen = await six_runs(hasty, pause=0.3)
    assert tally.row() == EVERY_OTHER
    assert (seen.connections, seen.requests) == (3, 3)
    assert {event.by for event in seen.events if event.kind == "closed"} == {"server"}


@leaves_sockets
@pytest.mark.anyio
async def test_each_failure_after_the_keep_alive_time_costs_a_place_in_the_pool(server):
    tally, seen = await six_runs(
        server,
        pause=0.1,
        limits=httpx.Limits(max_connections=2, keepalive_expiry=0.03),
        timeout=httpx.Timeout(5, pool=0.1),
    )
    assert tally.labels == ["OK", LOOP_IS_CLOSED] * 2 + ["PoolTimeout('')"] * 2
    assert seen.requests == 2


# The cures


@pytest.mark.anyio
@pytest.mark.parametrize(
    "options",
    [{"limits": httpx.Limits(max_keepalive_connections=0)}, {"headers": {"Connection": "close"}}],
    ids=["max_keepalive_connections=0", "Connection: close"],
)
async def test_nothing_fails_where_nothing_is_kept(server, options):
    tally, seen = await six_runs(server, **options)
    assert tally.failed == 0
    assert (seen.connections, seen.requests) == (6, 6)


@pytest.mark.anyio
async def test_nothing_fails_with_a_client_for_each_loop(server):
    async def run_with_own_client():
        async with httpx.AsyncClient(verify=False) as client:
            await fetch(client, server.url + "/echo")
            return await fetch(client, server.url + "/echo")

    with server.ledger.watch() as seen:
        tally = await run_trials(lambda: asyncio.to_thread(asyncio.run, run_with_own_client()), 6)
    assert tally.failed == 0
    assert (seen.connections, seen.requests, seen.closed) == (6, 12, 6)


def test_a_runner_keeps_one_loop_and_one_connection(server):
    with server.ledger.watch() as seen, asyncio.Runner() as runner:
        client = httpx.AsyncClient(verify=False)
        for _ in range(6):
            assert runner.run(fetch(client, server.url + "/echo")) == 200
        runner.run(client.aclose())
    assert (seen.connections, seen.requests, seen.closed) == (1, 6, 1)


@leaves_sockets
@pytest.mark.anyio
async def test_a_client_cannot_be_closed_once_its_loop_is_gone(server):
    client = httpx.AsyncClient(verify=False)
    with server.ledger.watch() as seen:
        await asyncio.to_thread(asyncio.run, fetch(client, server.url + "/echo"))
        with pytest.raises(RuntimeError, match="Event loop is closed"):
            await client.aclose()
    assert client.is_closed
    assert seen.closed == 0
