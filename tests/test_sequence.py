"""The picture of what travelled between client and server."""

import asyncio
import contextlib

import httpx
import pytest
from matplotlib.text import Annotation

from server.local import LocalServer
from server.wire import Link
from workbench.waterfall.recording import record
from workbench.waterfall.sequence import messages, sequence_plot

ONE_WAY = 0.2


@pytest.fixture(scope="module")
def server():
    with LocalServer(timeout_keep_alive=1) as running:
        yield running


async def two_requests(server, path="/echo", until_closed=False):
    """Return the waterfall of two requests behind a link."""
    with Link(server.url, ONE_WAY) as link:
        async with httpx.AsyncClient() as client:
            with record(client, server.ledger) as waterfall:
                closed = server.ledger.totals()["closed"]
                for _ in range(2):
                    with contextlib.suppress(httpx.TransportError):
                        await client.get(link.url + path)
                    if until_closed:
                        await asyncio.to_thread(
                            server.ledger.wait_until, lambda book: book.totals()["closed"] > closed
                        )
    return waterfall


@pytest.mark.anyio
async def test_two_answered_requests(server):
    waterfall = await two_requests(server)
    travelled = messages(waterfall, ONE_WAY)
    assert [message.name for message in travelled] == [
        "request 1",
        "response 1",
        "request 2",
        "response 2",
    ]
    for message in travelled:
        assert message.arrived - message.left >= ONE_WAY - 0.02
        assert not message.lost
    assert sequence_plot(waterfall, ONE_WAY, "Two answers").text == (
        "Two answers. The client sends request 1. The server sends response 1. "
        "The client sends request 2. The server sends response 2."
    )


@pytest.mark.anyio
async def test_a_request_that_crosses_the_fin(server):
    waterfall = await two_requests(server, until_closed=True)
    travelled = messages(waterfall, ONE_WAY)
    assert [(message.name, message.lost) for message in travelled] == [
        ("request 1", False),
        ("response 1", False),
        ("FIN", False),
        ("request 2", True),
    ]
    fin, request = travelled[2:]
    assert fin.left < request.left < fin.arrived
    assert sequence_plot(waterfall, ONE_WAY).text.endswith(
        "The client sends request 2 while the FIN is under way; it meets a closed connection."
    )


@pytest.mark.anyio
async def test_a_request_that_was_received_and_not_answered(server):
    waterfall = await two_requests(server, "/faults/reset?nth=2")
    travelled = messages(waterfall, ONE_WAY)
    assert [(message.name, message.lost) for message in travelled] == [
        ("request 1", False),
        ("response 1", False),
        ("request 2", False),
        ("RST", False),
    ]


@pytest.mark.anyio
async def test_every_message_is_named_in_the_picture(server):
    picture = sequence_plot(await two_requests(server), ONE_WAY, "Two answers")
    picture.figure.draw_without_rendering()
    names = [text.get_text() for text in picture.figure.axes[0].findobj(Annotation)]
    assert {"request 1", "response 1", "request 2", "response 2"} <= set(names)
    assert picture.figure.get_suptitle() == "Two answers"


@pytest.mark.anyio
async def test_nothing_travelled(server):
    async with httpx.AsyncClient() as client:
        with record(client, server.ledger) as waterfall:
            pass
    with pytest.raises(ValueError, match="nothing travelled"):
        sequence_plot(waterfall, ONE_WAY)
