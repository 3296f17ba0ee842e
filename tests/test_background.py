"""The thread that a server runs in, without a server."""

import asyncio

import pytest

from server.background import turns


@pytest.mark.anyio
async def test_turns_counts_the_loops_rounds():
    seen = []
    loop = asyncio.get_running_loop()

    def turn(number):
        seen.append(number)
        if number < 10:
            loop.call_soon(turn, number + 1)

    loop.call_soon(turn, 1)
    await turns(5)
    assert seen == [1, 2, 3, 4, 5]
    await turns(0)
    assert seen == [1, 2, 3, 4, 5]
    await turns(6)
    assert seen[-1] == 10
