"""Lesson 04: how often a stale connection fails, what cures it, and what does not."""

import asyncio
import inspect
import ssl
from functools import partial
from pathlib import Path

import aiohttp
import httpx
import nbformat
import pytest
import uvicorn

from server.ledger import clock
from server.local import LocalServer
from server.wire import Link
from workbench.trials import run_trials, side_by_side
from workbench.waterfall.recording import record
from workbench.waterfall.sequence import sequence_plot

NOTEBOOK = Path(__file__).resolve().parent.parent / "notebooks" / "04-stale-connections.ipynb"
DISCONNECTED = "RemoteProtocolError: Server disconnected without sending a response."
ANSWER = "/faults/flaky?probability=0"  # says on which connection it came
TLS = ssl.create_default_context()
ONE_WAY = 0.3


@pytest.fixture(scope="module")
def server():
    with LocalServer(timeout_keep_alive=1) as running:
        yield running


@pytest.fixture(scope="module")
def link(server):
    with Link(server.url, ONE_WAY) as running:
        yield running


@pytest.mark.anyio
@pytest.mark.parametrize("retries", [0, 3])
@pytest.mark.parametrize(
    ("end", "label"), [("close", DISCONNECTED), ("reset", "ReadError('')")], ids=["FIN", "RST"]
)
async def test_every_other_request_fails_with_retries_or_without(server, end, label, retries):
    transport = httpx.AsyncHTTPTransport(retries=retries)
    async with httpx.AsyncClient(transport=transport) as client:
        url = f"{server.url}/faults/{end}?nth=2"
        tally = await run_trials(lambda: client.get(url), 8)
    assert tally.row() == "OK FAIL OK FAIL OK FAIL OK FAIL"
    assert tally.counts == {"200 OK": 4, label: 4}


# The race, on a schedule: the second request leaves when the server has just closed


async def closed_by_server(server, response):
    """Wait until the server has closed the connection; return how long ago that was."""
    number = response.json()["connection"]
    async with asyncio.timeout(10):
        while True:
            for event in reversed(server.ledger.events):
                if event.kind == "closed" and event.connection == number:
                    server.ledger.settle()
                    return clock() - event.time
            await asyncio.sleep(0.02)


async def after_a_pause(server, url, options, wait=0.0):
    while True:
        async with httpx.AsyncClient(**options()) as client:
            first = await client.get(url + ANSWER)
            if await closed_by_server(server, first) < ONE_WAY / 2:  # else this machine was busy
                await asyncio.sleep(wait)
                return await client.get(url + ANSWER)


def expiring(seconds):
    return {"verify": TLS, "limits": httpx.Limits(keepalive_expiry=seconds)}


UNCURED = {
    "as it is": lambda: {"verify": TLS},
    "equal clocks": lambda: expiring(1),
    "expiry 0.9 s": lambda: expiring(0.9),
    "timeout=60": lambda: {"verify": TLS, "timeout": 60},
    "retries=3": lambda: {"transport": httpx.AsyncHTTPTransport(verify=TLS, retries=3)},
}
CURED = {
    "expiry below by a round trip": lambda: expiring(0.3),
    "nothing kept alive": lambda: {
        "verify": TLS,
        "limits": httpx.Limits(max_keepalive_connections=0),
    },
}


@pytest.mark.anyio
async def test_every_request_that_crosses_the_fin_fails_and_none_after_the_cure(server, link):
    trials = {
        name: partial(after_a_pause, server, link.url, options)
        for name, options in (UNCURED | CURED).items()
    }
    tallies = await side_by_side(trials, 3)
    assert {name: tallies[name].counts for name in UNCURED} == {
        name: {DISCONNECTED: 3} for name in UNCURED
    }
    assert {name: tallies[name].counts for name in CURED} == {name: {"200 OK": 3} for name in CURED}


@pytest.mark.anyio
async def test_a_request_that_crosses_the_fin_is_never_received(server, link):
    with server.ledger.watch() as seen:
        tally = await run_trials(
            partial(after_a_pause, server, link.url, UNCURED["equal clocks"]), 2, at_once=2
        )
    assert tally.failed == 2
    assert seen.requests == seen.responses == seen.connections


@pytest.mark.anyio
async def test_a_fin_that_has_arrived_is_noticed(server, link):
    """httpcore looks at the socket before it uses an idle connection again."""
    trials = {
        "no line": partial(after_a_pause, server, server.url, UNCURED["as it is"]),
        "late enough": partial(
            after_a_pause, server, link.url, UNCURED["as it is"], wait=2 * ONE_WAY
        ),
    }
    tallies = await side_by_side(trials, 3)
    assert {name: tally.counts for name, tally in tallies.items()} == {
        name: {"200 OK": 3} for name in trials
    }


@pytest.mark.anyio
async def test_a_server_that_waits_for_longer_than_the_client_is_the_cure_from_the_other_side():
    async def pause():
        async with httpx.AsyncClient(**expiring(0.1)) as client:
            await client.get(link.url + "/echo")
            await asyncio.sleep(0.3)
            return await client.get(link.url + "/echo")

    with LocalServer(timeout_keep_alive=60) as patient, Link(patient.url, 0.05) as link:
        with patient.ledger.watch() as seen:
            tally = await run_trials(pause, 5, at_once=5)
        assert tally.failed == 0
        ends = {event.by for event in seen.events if event.kind == "closed"}
        assert "server" not in ends


def test_both_clocks_run_for_five_seconds_by_default():
    server_gives_up = inspect.signature(uvicorn.Config).parameters["timeout_keep_alive"].default
    limits = inspect.signature(httpx.AsyncClient).parameters["limits"].default
    assert server_gives_up == limits.keepalive_expiry == 5


def test_a_limit_that_is_not_named_is_lifted():
    assert httpx.Limits(keepalive_expiry=3).max_connections is None
    assert httpx.Limits(keepalive_expiry=3).max_keepalive_connections is None


# Sending again


@pytest.mark.anyio
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_sending_again_cures_and_doubles(server, method):
    url = server.url + "/faults/close?nth=2"

    async def send_again():
        try:
            return await client.request(method, url)
        except httpx.TransportError:
            return await client.request(method, url)

    with server.ledger.watch() as seen:
        async with httpx.AsyncClient() as client:
            tally = await run_trials(send_again, 6)
    assert tally.failed == 0
    assert seen.requests == 11


@pytest.mark.anyio
async def test_a_list_of_network_errors_misses_the_fin_and_catches_the_rst(server):
    async def send_again(url):
        try:
            return await client.get(url)
        except httpx.NetworkError:
            return await client.get(url)

    rows = {}
    for end in ("close", "reset"):
        async with httpx.AsyncClient() as client:
            tally = await run_trials(partial(send_again, f"{server.url}/faults/{end}?nth=2"), 4)
        rows[end] = tally.row()
    assert rows == {"close": "OK FAIL OK FAIL", "reset": "OK OK OK OK"}


@pytest.mark.anyio
async def test_aiohttp_sends_a_get_again_and_a_post_not(server):
    async def send(method):
        async with session.request(method, server.url + "/faults/close?nth=2") as response:
            return await response.read()

    rows = {}
    for method in ("GET", "POST"):
        async with aiohttp.ClientSession() as session:
            rows[method] = (await run_trials(partial(send, method), 4)).row()
    assert rows == {"GET": "OK OK OK OK", "POST": "OK FAIL OK FAIL"}


# The explorer


@pytest.fixture(scope="module")
def keep_alive_race():
    """The function behind the lesson's sliders, from the notebook itself."""
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    [source] = [cell.source for cell in cells if "def keep_alive_race(" in cell.source]
    names = {
        "asyncio": asyncio,
        "httpx": httpx,
        "Link": Link,
        "LocalServer": LocalServer,
        "TLS": TLS,
        "record": record,
        "run_trials": run_trials,
        "sequence_plot": sequence_plot,
    }
    exec(source, names)
    return names["keep_alive_race"]


@pytest.mark.anyio
async def test_the_explorer_shows_the_failure(keep_alive_race):
    tally, travelled, waterfall = await keep_alive_race(
        pause=0.3, server_timeout=0.6, one_way=0.3, client_expiry=5
    )
    assert tally.counts == {"200 OK": 2, DISCONNECTED: 2}
    assert travelled.text.startswith("2 of 4 requests failed.")
    assert "it meets a closed connection" in travelled.text
    assert "failed with RemoteProtocolError" in repr(waterfall)


@pytest.mark.anyio
async def test_the_explorer_shows_the_cure(keep_alive_race):
    tally, travelled, _ = await keep_alive_race(
        pause=0.3, server_timeout=0.6, one_way=0.3, client_expiry=0.1
    )
    assert tally.failed == 0
    assert travelled.text.startswith("0 of 4 requests failed.")
    assert "closed connection" not in travelled.text


@pytest.mark.anyio
async def test_the_explorer_reuses_a_connection_where_it_is_safe(keep_alive_race):
    tally, _, waterfall = await keep_alive_race(
        pause=0.0, server_timeout=5, one_way=0.0, client_expiry=5
    )
    assert tally.failed == 0
    assert (waterfall.seen.connections, waterfall.seen.requests) == (1, 4)
