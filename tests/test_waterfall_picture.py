"""What a waterfall says in words, and how it is drawn."""

import asyncio
import base64
import io
import warnings
from itertools import combinations, pairwise

import httpx
import pytest
from matplotlib.image import imread
from matplotlib.transforms import Bbox
from recorded_client import PATIENT, SOON, client_of, outcomes, recorded

from server.ledger import clock
from server.local import LocalServer
from workbench.waterfall import picture as waterfall_picture
from workbench.waterfall.recording import record

pytestmark = pytest.mark.anyio


@pytest.fixture
def server():
    with LocalServer() as running:
        yield running


# The words


async def scripted(server):
    async with recorded(server) as (client, waterfall):
        await client.get("/echo")
        await client.get("/delay?seconds=0.01")
        await client.get("/delay?seconds=0.02")
        await client.get("/status?code=503")
        await outcomes(client.get("/faults/close"))
        await outcomes(client.get("/faults/reset-in-body"))
        soon = httpx.Timeout(PATIENT, read=0.5)
        await outcomes(client.get("/faults/silence", timeout=soon))
        await outcomes(client.get("gopher://127.0.0.1/"))
        seen = waterfall.seen
        await asyncio.to_thread(
            server.ledger.wait_until, lambda _: seen.closed == 3, timeout=PATIENT
        )
    return waterfall


async def test_text_of_requests_one_by_one(server):
    text = (
        "8 requests on 3 connections: GET /echo 200 (new connection 1), "
        "2 × GET /delay 200 (reused connection 1), GET /status 503 (reused connection 1), "
        "GET /faults/close failed with RemoteProtocolError while waiting for the response (reused "
        "connection 1), GET /faults/reset-in-body 200 failed with ReadError while receiving the "
        "response body (new connection 2), GET /faults/silence failed with ReadTimeout while "
        "waiting for the response (new connection 3), GET / failed with UnsupportedProtocol while "
        "waiting for a connection. The server saw 3 connections opened, 7 requests, 4 whole "
        "responses; connection 1 closed by the server, connection 2 reset by the server, "
        "connection 3 closed by the client."
    )
    assert str(await scripted(server)) == text
    # The same on a server that has seen other connections before.
    assert str(await scripted(server)) == text


async def test_text_of_many_at_once(server):
    async with recorded(server, most=2, pool=SOON) as (client, waterfall):
        both = [asyncio.create_task(client.get("/faults/hold")) for _ in range(2)]
        await server.gates.reached("default", 2)
        await outcomes(*(client.get("/echo") for _ in range(8)))
        server.gates.open("default")
        await asyncio.gather(*both)
    assert str(waterfall) == (
        "10 requests on 2 connections: 2 × GET /faults/hold 200 (a new connection), "
        "8 × GET /echo failed with PoolTimeout while waiting for a connection. "
        "The server saw 2 connections opened, 2 requests, 2 whole responses."
    )
    title = "10 requests on 2 connections: 2 answered, 8 failed with PoolTimeout"
    assert waterfall.plot().figure.get_suptitle() == title


async def test_text_of_a_long_row_is_put_together(server):
    async with recorded(server) as (client, waterfall):
        for _ in range(10):
            await client.get("/echo")
            await client.get("/faults/connection-close")
    assert str(waterfall) == (
        "20 requests on 10 connections: 10 × GET /echo 200 (a new connection), "
        "10 × GET /faults/connection-close 200 (a reused connection). The server saw "
        "10 connections opened, 20 requests, 20 whole responses; "
        "10 connections closed by the server."
    )


# The picture


async def many(server, n, ledger=True):
    async with client_of(server, most=100) as client:
        with record(client, server.ledger if ledger else None) as waterfall:
            await outcomes(
                *(client.get("/echo") for _ in range(n - 1)),
                client.get("/faults/close"),
            )
    return waterfall


@pytest.mark.parametrize(("n", "ledger"), [(1, True), (2, False), (50, True)])
async def test_picture(server, n, ledger):
    waterfall = await many(server, n, ledger)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data, metadata = waterfall.displays()[0]
        titled = waterfall.plot("The $x$ finding")
    image = imread(io.BytesIO(base64.b64decode(data["image/png"])), format="png")
    height, width, _ = image.shape
    assert width == 960
    assert height < 1200
    assert image.std() > 0
    assert data["text/plain"] == metadata["image/png"]["alt"] == repr(waterfall)
    assert repr(titled) == f"The $x$ finding. {waterfall}"
    assert titled.figure.get_suptitle() == "The $x$ finding"


async def test_rows_are_capped_and_every_kind_is_drawn(server):
    waterfall = await many(server, 50)
    figure = waterfall.plot().figure
    requests, connections = figure.axes
    rows = [label.get_text() for label in requests.get_yticklabels()]
    assert len(rows) == waterfall_picture.MOST_REQUESTS
    assert rows[-1] == "GET /faults/close"
    assert requests.get_title("left") == "the client's requests, 24 of 50 drawn"
    assert len(connections.get_yticklabels()) == waterfall_picture.MOST_CONNECTIONS
    assert connections.get_title("left") == "the server's connections, 12 of 50 drawn"


async def test_picture_of_nothing(server):
    with record(ledger=server.ledger) as waterfall:
        pass
    assert str(waterfall) == (
        "No request. The server saw 0 connections opened, 0 requests, 0 whole responses."
    )
    assert waterfall.plot().png()


async def test_no_mark_of_the_ledger_covers_one_of_another_kind(server):
    async with recorded(server) as (client, waterfall):
        await client.get("/echo")
        await client.get("/delay?seconds=1")
    figure = waterfall.plot().figure
    figure.draw_without_rendering()
    marks = [line for line in figure.axes[1].lines if line.get_linestyle() == "None"]
    assert len(marks) == 3
    boxes = [
        [offset_box(line, point) for point in line.get_transform().transform(line.get_xydata())]
        for line in marks
    ]
    for one, other in combinations(boxes, 2):
        assert not any(a.overlaps(b) for a in one for b in other)


def offset_box(line, point):
    """Return the box of a mark in pixels; its size is in points."""
    half = line.get_markersize() * line.figure.dpi / 72 / 2
    return Bbox([point - half, point + half])


async def test_bars_lie_where_the_times_say(server):
    async with recorded(server) as (client, waterfall):
        await client.get("/delay?seconds=0.05")
    [exchange] = waterfall.requests
    requests, _ = waterfall.plot().figure.axes
    bars = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in requests.patches]
    assert bars == [
        pytest.approx(
            ((phase.start - waterfall.started) * 1e3, (phase.end - waterfall.started) * 1e3)
        )
        for phase in exchange.phases
    ]
    assert all(left <= right for left, right in bars)
    assert all(right <= left + 1e-9 for (_, right), (left, _) in pairwise(bars))
    assert waterfall.started < clock()
