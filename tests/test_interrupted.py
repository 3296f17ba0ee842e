"""Long answers that stop in the middle: how they stop, and how they go on, with real httpx."""

import httpx
import pytest

from server.faults import interrupted

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(server):
    base_url = server.url + "/faults/interrupted"
    async with httpx.AsyncClient(base_url=base_url, timeout=30, verify=False) as client:
        yield client


async def ids(client, query="", **headers):
    response = await client.get(f"/events?{query}", headers=headers)
    assert response.headers["content-type"].startswith("text/event-stream")
    return [int(line[4:]) for line in response.text.splitlines() if line.startswith("id: ")]


@pytest.mark.parametrize("how", ["end", "bare"])
async def test_two_ways_of_stopping_raise_nothing(server, client, how):
    with server.ledger.watch() as seen:
        assert await ids(client, f"how={how}") == [1, 2, 3, 4]
    closed = [event.by for event in seen.events if event.kind == "closed"]
    assert closed == ([] if how == "end" else ["server"])


@pytest.mark.parametrize("how", ["end", "bare"])
async def test_events_go_on_after_the_last_one_seen(client, how):
    query = f"how={how}&n=6"
    assert await ids(client, query, **{"Last-Event-ID": "4"}) == [5, 6]
    assert await ids(client, query, **{"Last-Event-ID": "no number"}) == [1, 2, 3, 4]
    gone = await client.get(f"/events?{query}", headers={"Last-Event-ID": "6"})
    assert gone.status_code == 204


async def test_the_last_event_says_so(client):
    response = await client.get("/events?n=2")
    assert response.text == "id: 1\ndata: word-1\n\nid: 2\ndata: [DONE]\n\n"


async def test_a_range_of_the_file(client):
    whole = (await client.get("/file?sent=10000")).content
    assert len(whole) == 10_000
    assert whole[:20] == b"v1 000000\nv1 000001\n"
    rest = await client.get("/file", headers={"Range": "bytes=6000-"})
    assert rest.status_code == 206
    assert rest.content == whole[6000:]
    assert rest.headers["content-range"] == "bytes 6000-9999/10000"
    beyond = await client.get("/file", headers={"Range": "bytes=10000-"})
    assert beyond.status_code == 416
    assert beyond.headers["content-range"] == "bytes */10000"


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("", {"Range": "bytes=-5"}),
        ("", {"Range": "bytes=6000-", "If-Range": '"v2"'}),
        ("&ranges=none", {"Range": "bytes=6000-"}),
    ],
)
async def test_what_is_answered_with_the_whole_file(client, query, headers):
    response = await client.get(f"/file?sent=10000{query}", headers=headers)
    assert response.status_code == 200
    assert len(response.content) == 10_000


async def test_the_file_is_edited_between_two_requests(client):
    etags = []
    for _ in range(3):
        response = await client.get("/file?sent=10000&edited=2&key=edited")
        etags.append(response.headers["etag"])
    assert etags == ['"v1"', '"v2"', '"v2"']
    rest = await client.get("/file", headers={"Range": "bytes=6000-", "If-Range": '"v1"'})
    assert rest.status_code == 206


async def test_the_first_requests_break_off(client):
    query = "/file?broken=1&key=broken"
    with pytest.raises(httpx.RemoteProtocolError):
        await client.get(query)
    assert len((await client.get(query)).content) == 10_000


async def test_a_stall_has_an_end(client, monkeypatch):
    monkeypatch.setattr(interrupted, "MAX_SECONDS", 0.05)
    with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
        await client.get("/events?how=stall")
