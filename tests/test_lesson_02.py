"""Lesson 02: which keyword a call is for, when a wrong one fails, and the table that tells."""

import aiohttp
import httpx
import pytest

from server.local import LocalServer
from workbench.protocols import protocol_table
from workbench.trials import run_trials

ORDER = {"order": 1}


@pytest.fixture(scope="module")
def server():
    with LocalServer() as running:
        yield running


async def enter_the_call(client, url):
    async with client.post(url, json=ORDER) as response:
        return response


async def enter_the_response(client, url):
    async with await client.post(url, json=ORDER) as response:
        return response


async def await_the_stream(client, url):
    return await client.stream("POST", url, json=ORDER)


async def await_the_json(client, url):
    response = await client.post(url, json=ORDER)
    return await response.json()


async def await_the_call(client, url):
    response = await client.post(url, json=ORDER)
    return response.json()


async def enter_the_stream(client, url):
    async with client.stream("POST", url, json=ORDER) as response:
        await response.aread()
        return response.json()


async def tally_and_requests(server, line, n=20):
    with server.ledger.watch() as seen:
        async with httpx.AsyncClient() as client:
            tally = await run_trials(lambda: line(client, server.url + "/echo"), n)
    return tally, seen.requests


@pytest.mark.filterwarnings("ignore:coroutine 'AsyncClient.post' was never awaited:RuntimeWarning")
@pytest.mark.parametrize(
    ("line", "type_name", "requests"),
    [
        (enter_the_call, "coroutine", 0),
        (enter_the_response, "Response", 20),
        (await_the_stream, "_AsyncGeneratorContextManager", 0),
        (await_the_json, "dict", 20),
    ],
)
@pytest.mark.anyio
async def test_a_wrong_keyword_fails_every_time_before_or_after_the_request(
    server, line, type_name, requests
):
    tally, arrived = await tally_and_requests(server, line)
    assert tally.rate() == 1
    assert arrived == requests
    (label,) = tally.counts
    assert label.startswith("TypeError: ")
    assert type_name in label


@pytest.mark.parametrize("line", [await_the_call, enter_the_stream])
@pytest.mark.anyio
async def test_the_right_keyword_never_fails(server, line):
    tally, arrived = await tally_and_requests(server, line)
    assert tally.failed == 0
    assert arrived == 20
    assert all(outcome.result["json"] == ORDER for outcome in tally.outcomes)


@pytest.mark.anyio
async def test_entering_a_client_sends_nothing_and_leaving_it_closes_its_connection(server):
    client = httpx.AsyncClient()
    with server.ledger.watch() as entering:
        assert await client.__aenter__() is client
    with server.ledger.watch() as requesting:
        await client.get(server.url + "/echo")
    with server.ledger.watch() as leaving:
        await client.__aexit__(None, None, None)
        server.ledger.wait_until(lambda ledger: leaving.closed == 1)
    assert entering.events == []
    assert [event.kind for event in requesting.events] == ["opened", "request", "response"]
    assert [(event.kind, event.by) for event in leaving.events] == [("closed", "client")]


@pytest.mark.anyio
async def test_entering_a_stream_sends_the_request_and_leaving_it_gives_the_connection_back(server):
    async with httpx.AsyncClient() as client:
        with server.ledger.watch() as seen:
            async with client.stream("GET", server.url + "/bytes?size=1000000") as streamed:
                assert (seen.requests, streamed.is_closed) == (1, False)
                await streamed.aread()
            assert streamed.is_closed
            assert (await client.get(server.url + "/echo")).is_closed
    assert (seen.connections, seen.requests, seen.closed) == (1, 2, 0)


@pytest.mark.anyio
async def test_the_table_of_the_installed_clients(server):
    url = server.url + "/echo"
    async with httpx.AsyncClient() as client, aiohttp.ClientSession() as session:
        table = await protocol_table(
            [
                "client.post(url)",
                "await client.post(url)",
                'client.stream("GET", url)',
                "client",
                "session.post(url)",
            ],
            client=client,
            session=session,
            url=url,
        )
    assert {row.expression: (row.gives, row.can) for row in table.rows.values()} == {
        "client.post(url)": ("coroutine", {"await"}),
        "await client.post(url)": ("Response", set()),
        'client.stream("GET", url)': ("_AsyncGeneratorContextManager", {"async with"}),
        "client": ("AsyncClient", {"async with"}),
        "session.post(url)": ("_BaseRequestContextManager", {"await", "async with"}),
    }
