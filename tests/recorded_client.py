"""The client whose requests the tests of the waterfall record."""

import asyncio
import ssl
from contextlib import asynccontextmanager

import httpx

from workbench.waterfall.recording import record

PATIENT = 10.0  # a limit that no test reaches
TLS = ssl.create_default_context()  # one for all: it takes longer than most tests
SOON = 0.1  # one that a test waits for


def client_of(server, most=10, pool=PATIENT, read=PATIENT, **options):
    return httpx.AsyncClient(
        base_url=server.url,
        limits=httpx.Limits(max_connections=most),
        timeout=httpx.Timeout(PATIENT, pool=pool, read=read),
        verify=TLS,
        **options,
    )


@asynccontextmanager
async def recorded(server, **options):
    """Give a client of the server, and the waterfall of what it does in the block."""
    async with client_of(server, **options) as client:
        with record(client, server.ledger) as waterfall:
            yield client, waterfall


async def outcomes(*calls):
    return await asyncio.gather(*calls, return_exceptions=True)
