"""The picture of what travelled between client and server."""

import asyncio
import contextlib
from itertools import combinations
from types import SimpleNamespace

import httpx
import pytest
from matplotlib.text import Annotation, Text

from server.local import LocalServer
from server.wire import Link
from workbench.waterfall.recording import record
from workbench.waterfall.sequence import sequence_plot, transits

pytestmark = pytest.mark.anyio

ONE_WAY = 0.2


@pytest.fixture(scope="module")
def server():
    with LocalServer(timeout_keep_alive=1) as running:
        yield running


async def two_requests(server, path="/echo", until_closed=False, delay=ONE_WAY):
    """Return the waterfall of two requests behind a link."""
    with Link(server.url, delay) as link:
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


async def test_two_answered_requests(server):
    waterfall = await two_requests(server)
    travelled = transits(waterfall, ONE_WAY)
    assert [transit.name for transit in travelled] == [
        "request 1",
        "response 1",
        "request 2",
        "response 2",
    ]
    for transit in travelled:
        assert transit.arrived - transit.left >= ONE_WAY - 0.02
        assert not transit.lost
    assert sequence_plot(waterfall, ONE_WAY, "Two answers").text == (
        "Two answers. The client sends request 1. The server sends response 1. "
        "The client sends request 2. The server sends response 2."
    )


async def test_a_request_that_crosses_the_fin(server):
    waterfall = await two_requests(server, until_closed=True)
    travelled = transits(waterfall, ONE_WAY)
    assert [(transit.name, transit.lost) for transit in travelled] == [
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


async def test_a_request_that_was_received_and_not_answered(server):
    waterfall = await two_requests(server, "/faults/reset?nth=2")
    travelled = transits(waterfall, ONE_WAY)
    assert [(transit.name, transit.lost) for transit in travelled] == [
        ("request 1", False),
        ("response 1", False),
        ("request 2", False),
        ("RST", False),
    ]


async def test_an_answer_has_the_number_of_its_request(server):
    with Link(server.url, ONE_WAY) as link:
        async with httpx.AsyncClient() as client:
            with record(client, server.ledger) as waterfall:
                for path in ("/faults/close", "/echo"):
                    with contextlib.suppress(httpx.TransportError):
                        await client.get(link.url + path)
    names = [transit.name for transit in transits(waterfall, ONE_WAY)]
    assert names == ["request 1", "FIN", "request 2", "response 2"]


async def test_an_answer_does_not_leave_after_the_client_has_it(server):
    """A busy server may write its ledger later than it sends."""
    waterfall = await two_requests(server, delay=0)
    late = [
        event._replace(time=event.time + 5) if event.kind == "response" else event
        for event in waterfall.events
    ]
    waterfall.seen = SimpleNamespace(events=late)
    assert [transit.name for transit in transits(waterfall, 0)][:3] == [
        "request 1",
        "response 1",
        "request 2",
    ]


def drawn(picture):
    """Return the axes and the names on them, laid out, by their text and place in pixels."""
    picture.figure.draw_without_rendering()
    [axes] = picture.figure.axes
    labels = [label for label in axes.findobj(Annotation) if label.get_text()]
    # Without the thin line that may lead to it.
    return axes, [(label.get_text(), Text.get_window_extent(label)) for label in labels]


@pytest.mark.parametrize("delay", [0, ONE_WAY])
async def test_each_is_named_in_the_picture_and_no_name_covers_another(server, delay):
    waterfall = await two_requests(server, delay=delay)
    axes, labels = drawn(sequence_plot(waterfall, delay, "Two answers"))
    names = [name for name, _ in labels]
    assert {"request 1", "response 1", "request 2", "response 2"} <= set(names)
    for (_, one), (_, other) in combinations(labels, 2):
        assert not one.overlaps(other)
    assert axes.get_xlim()[0] == 0
    assert axes.figure.get_suptitle() == "Two answers"
    assert ("no delay" in axes.get_xlabel()) == (delay == 0)


async def test_without_a_delay_it_says_so_and_shades_nothing(server):
    waterfall = await two_requests(server, until_closed=True, delay=0)
    picture = sequence_plot(waterfall, 0)
    assert picture.text.endswith(
        "The line has no delay: what leaves one end is at the other at once."
    )
    assert not picture.figure.axes[0].patches
    assert "ms" in sequence_plot(await two_requests(server, delay=0), 0).figure.axes[0].get_xlabel()


async def test_nothing_travelled(server):
    async with httpx.AsyncClient() as client:
        with record(client, server.ledger) as waterfall:
            pass
    with pytest.raises(ValueError, match="nothing travelled"):
        sequence_plot(waterfall, ONE_WAY)
