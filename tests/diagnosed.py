"""What the tests of the field guide share: real errors, and the rows that `diagnose` finds."""

import asyncio

import httpx

from course.guide import diagnose
from server.wire import refused


def keys(error):
    """The names of the rows that `diagnose` finds for an error or a text."""
    return [row.key for row in diagnose(error).rows]


async def failure(call):
    """The error in which a call ends."""
    [error] = await asyncio.gather(call, return_exceptions=True)
    assert isinstance(error, Exception)
    return error


async def refusal():
    """What a client raises where nobody listens."""
    with refused() as port:
        async with httpx.AsyncClient() as client:
            return await failure(client.get(port.url))
