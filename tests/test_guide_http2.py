"""diagnose: what HTTP/2 adds, calls that lose their connection together."""

import asyncio

import httpx
import pytest
from diagnosed import failure, keys

from server.http2 import Http2Server


async def test_http2_says_the_same_before_and_after_the_fin():
    """A call on a connection that was closed while idle, and calls that were under way."""
    with Http2Server() as partner:
        async with httpx.AsyncClient(http2=True, http1=False) as client:
            await client.get(partner.url)
            partner.each(lambda connection: connection.close())
            partner.ledger.wait_until_closed()
            with partner.ledger.watch() as seen:
                error = await failure(client.get(partner.url))
    assert keys(error) == ["http2 stale", "http2 hung up"]
    assert seen.requests == 0

    with Http2Server(lambda connection, stream: connection.close()) as partner:
        async with httpx.AsyncClient(http2=True, http1=False) as client:
            with partner.ledger.watch() as seen:
                error = await failure(client.get(partner.url))
    assert keys(error) == ["http2 stale", "http2 hung up"]
    assert seen.requests == 1


@pytest.mark.parametrize(("fin", "row"), [(False, "behind goaway, too"), (True, "http2 hung up")])
async def test_answers_behind_a_goaway_are_lost_to_all(fin, row):
    def part(connection, stream):
        if stream.nth == 3:
            connection.goaway(last=stream)
            for known in connection.streams:
                connection.answer(known)
            if fin:
                connection.close()

    limits = httpx.Timeout(20, read=0.5)
    with Http2Server(part) as partner:
        async with httpx.AsyncClient(http2=True, http1=False, timeout=limits) as client:
            calls = [client.get(partner.url) for _ in range(3)]
            errors = await asyncio.gather(*calls, return_exceptions=True)
    found = [keys(error) for error in errors]
    assert found.count(["behind goaway"]) == 1
    assert sum(row in rows for rows in found) == 2
