"""A connection that is held, a step that is reached: what happens when."""

import asyncio
import ssl

import httpx
import pytest

from workbench.moments import Moment, held_connection

TLS = ssl.create_default_context()
ONE_CONNECTION = httpx.Limits(max_connections=1)

pytestmark = pytest.mark.anyio


async def test_a_held_connection_is_missing_until_the_block_ends(server):
    async with httpx.AsyncClient(verify=TLS, limits=ONE_CONNECTION) as client:
        with server.ledger.watch() as seen:
            async with held_connection(client, server):
                with pytest.raises(httpx.PoolTimeout):
                    await client.get(server.url, timeout=httpx.Timeout(30, pool=0.1))
            assert (await client.get(server.url)).status_code == 200
    assert (seen.connections, seen.requests, seen.responses) == (1, 2, 2)


async def test_a_held_connection_is_given_back_when_the_block_raises(server):
    async with httpx.AsyncClient(verify=TLS, limits=ONE_CONNECTION) as client:
        with pytest.raises(LookupError):
            async with held_connection(client, server):
                raise LookupError
        assert (await client.get(server.url)).status_code == 200


async def test_a_connection_that_cannot_be_held_says_why(server):
    async with httpx.AsyncClient(verify=TLS, limits=ONE_CONNECTION) as client:
        async with held_connection(client, server):
            client.timeout = httpx.Timeout(30, pool=0.1)
            with pytest.raises(httpx.PoolTimeout):
                async with held_connection(client, server):
                    pytest.fail("it had a connection all the same")


async def test_who_waits_for_a_moment_runs_in_the_turn_after_it():
    moment, order = Moment("step"), []

    async def waiting():
        await moment.reached.wait()
        order.append("waiting")

    task = asyncio.create_task(waiting())
    await asyncio.sleep(0)
    await moment("another step", {})
    assert not moment.reached.is_set()
    await moment("step", {})
    asyncio.get_running_loop().call_soon(order.append, "what came after the step")
    await task
    await asyncio.sleep(0)
    assert order == ["waiting", "what came after the step"]
