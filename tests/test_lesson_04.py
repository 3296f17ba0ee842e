"""Lesson 04, beyond what its cells assert: the schedule on which a request and a FIN cross."""

import asyncio
import ssl

import httpx
import pytest

from server.local import LocalServer
from server.wire import Link
from workbench import get_as_server_closes

ANSWER = "/faults/flaky?probability=0"
ONE_WAY = 0.3
TLS = ssl.create_default_context()


async def outcome(server, url, **options):
    async with httpx.AsyncClient(verify=TLS, **options) as client:
        try:
            return (await get_as_server_closes(client, server, url + ANSWER)).status_code
        except httpx.TransportError as error:
            return type(error)


@pytest.mark.anyio
async def test_a_request_and_the_fin_cross_only_on_a_line_and_only_for_who_keeps_the_connection():
    nothing_kept = httpx.Limits(max_keepalive_connections=0)
    with LocalServer(timeout_keep_alive=1) as server, Link(server.url, ONE_WAY) as link:
        with server.ledger.watch() as seen:
            outcomes = await asyncio.gather(
                outcome(server, link.url),
                outcome(server, server.url),
                outcome(server, link.url, limits=nothing_kept),
            )
        assert outcomes == [httpx.RemoteProtocolError, 200, 200]
        assert seen.requests == seen.responses


@pytest.mark.anyio
async def test_who_hears_of_the_close_too_late_begins_again():
    with LocalServer(timeout_keep_alive=1) as server:
        async with httpx.AsyncClient(verify=TLS) as client:
            with server.ledger.watch() as seen, pytest.raises(TimeoutError):
                async with asyncio.timeout(2.5):
                    await get_as_server_closes(client, server, server.url + ANSWER, within=0)
    assert seen.connections == seen.requests == seen.responses > 1


@pytest.mark.anyio
async def test_the_clients_clock_starts_only_when_the_body_is_read():
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=1)
    with LocalServer(timeout_keep_alive=60) as server, server.ledger.watch() as seen:
        async with httpx.AsyncClient(verify=TLS, limits=limits) as client:
            async with client.stream("GET", server.url + "/bytes?size=2") as response:
                server.ledger.settle()
                await asyncio.sleep(1.5)  # longer than the expiry
                await response.aread()
            await client.get(server.url + "/echo")
    assert (seen.connections, seen.responses) == (1, 2)
