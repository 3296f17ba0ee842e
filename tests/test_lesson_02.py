"""Lesson 02: what its sentences say besides what its cells assert."""

import asyncio

import httpx
import pytest

from server.local import LocalServer


@pytest.mark.anyio
async def test_a_client_may_be_entered_in_one_task_and_left_in_another():
    with LocalServer() as server, server.ledger.watch() as seen:
        client = httpx.AsyncClient()
        await asyncio.create_task(client.__aenter__())
        assert (await client.get(server.url + "/echo")).status_code == 200
        await asyncio.create_task(client.__aexit__(None, None, None))
        assert client.is_closed
        server.ledger.wait_until(lambda ledger: seen.closed == 1)
