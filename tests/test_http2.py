"""The HTTP/2 server, with httpx as its client: what its rules do, and that nothing is left."""

import asyncio
import socket
from collections import Counter

import h2.connection
import httpx
import pytest

from server.http2 import Http2Server, answer

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("no_socket_left")]


def speaking_http2(**options):
    return httpx.AsyncClient(http1=False, http2=True, verify=False, timeout=20, **options)


async def at_once(server, count=20):
    async with speaking_http2() as client:
        calls = (client.get(server.url + "/price") for _ in range(count))
        return await asyncio.gather(*calls, return_exceptions=True)


def counted(outcomes):
    return Counter(
        o.status_code if isinstance(o, httpx.Response) else type(o).__name__ for o in outcomes
    )


def as_the_twentieth_comes(action):
    """A rule: the first connection holds its streams, and acts on the twentieth."""

    def rule(connection, stream):
        if connection.number > 1:
            connection.answer(stream)
        elif len(connection.streams) == 20:
            action(connection)

    return rule


async def test_many_streams_on_one_connection():
    with Http2Server() as server:
        with server.ledger.watch() as seen:
            outcomes = await at_once(server)
        assert counted(outcomes) == {200: 20}
        assert {response.http_version for response in outcomes} == {"HTTP/2"}
        assert (seen.connections, seen.requests, seen.responses) == (1, 20, 20)
        await asyncio.to_thread(server.ledger.wait_until_closed)
        closed = server.ledger.events[-1]
        assert (closed.kind, closed.by, closed.reset) == ("closed", "client", False)


async def test_the_ledger_tells_streams_apart():
    with Http2Server() as server:
        async with speaking_http2() as client:
            await client.get(server.url + "/a?b=1")
            await client.post(server.url + "/c", content=b"x" * 200_000)
        requests = [event for event in server.ledger.events if event.kind == "request"]
    assert [(e.nth, e.method, e.target) for e in requests] == [
        (1, "GET", "/a?b=1"),
        (2, "POST", "/c"),
    ]


async def test_goaway_names_the_last_stream_that_is_processed():
    rule = as_the_twentieth_comes(lambda c: c.goaway(c.streams[9]))
    with Http2Server(rule) as server:
        outcomes = await at_once(server)
        assert counted(outcomes) == {200: 10, "RemoteProtocolError": 10}
        assert server.ledger.totals()["opened"] == 2


async def test_goaway_without_a_last_stream_says_that_none_was_processed():
    with Http2Server(as_the_twentieth_comes(lambda c: c.goaway())) as server:
        outcomes = await at_once(server)
    assert {error.__cause__.args[0].last_stream_id for error in outcomes} == {0}


async def test_streams_after_the_last_one_are_left_out():
    asked = []

    def rule(connection, stream):
        asked.append(stream.id)
        connection.answer(stream)
        if connection.number == 1 and len(connection.streams) == 1:
            connection.goaway(stream)

    with Http2Server(rule) as server:
        async with speaking_http2() as client:
            for _ in range(3):
                assert (await client.get(server.url)).status_code == 200
    assert asked == [1, 1, 3]  # the second connection begins at 1 again


def test_a_connection_is_closed_once_the_client_has_its_settings():
    """Else what is still under way would make an RST of the FIN."""
    ours = h2.connection.H2Connection()
    with (
        Http2Server(lambda connection, stream: connection.close()) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock,
    ):
        ours.initiate_connection()
        head = {":method": "GET", ":path": "/", ":scheme": "http", ":authority": "localhost"}
        ours.send_headers(1, head.items(), end_stream=True)
        sock.sendall(ours.data_to_send())
        server.ledger.wait_until(lambda ledger: ledger.totals()["request"] == 1)
        ours.receive_data(sock.recv(65536))
        server.ledger.settle()
        assert server.ledger.open_connections == 1
        sock.sendall(ours.data_to_send())  # the acknowledgement
        while sock.recv(65536):  # its own may still be on its way; an RST would raise
            pass
        assert not server.ledger.events[-1].reset


@pytest.mark.parametrize(
    ("action", "raised"),
    [
        (lambda c: c.close(), "RemoteProtocolError('Server disconnected')"),
        (lambda c: c.reset(), "ReadError('')"),
    ],
)
async def test_one_lost_connection_takes_all_its_streams(action, raised):
    with Http2Server(as_the_twentieth_comes(action)) as server:
        assert Counter(map(repr, await at_once(server))) == {raised: 20}


async def test_a_refused_stream_leaves_the_others():
    def rule(connection, stream):
        odd = len(connection.streams) % 2
        connection.refuse(stream) if odd else connection.answer(stream)

    with Http2Server(rule) as server:
        outcomes = await at_once(server)
    assert counted(outcomes) == {200: 10, "RemoteProtocolError": 10}
    assert "error_code:7" in str(next(o for o in outcomes if isinstance(o, Exception)))


async def test_a_cell_acts_on_every_open_connection():
    with Http2Server() as server:
        async with speaking_http2() as client:
            await client.get(server.url)
            server.each(lambda connection: connection.close())
            await asyncio.to_thread(server.ledger.wait_until_closed)
            with pytest.raises(httpx.RemoteProtocolError, match="Server disconnected"):
                await client.get(server.url)
    assert server.ledger.events[-1].by == "server"


async def test_no_more_streams_at_once_than_it_announces():
    most = 0
    waiting = []

    def rule(connection, stream):
        nonlocal most
        waiting.append(stream)
        most = max(most, len(waiting))
        if len(waiting) == 5 or len(connection.streams) % 5 == 1:
            while waiting:
                connection.answer(waiting.pop())

    with Http2Server(rule, max_streams=5) as server:
        # One first, alone: until the settings have come, a client has one stream at a time.
        assert counted(await at_once(server, 21)) == {200: 21}
    assert most <= 5


async def test_what_is_no_http2_is_closed():
    with Http2Server() as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
            client.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            while await asyncio.to_thread(client.recv, 1000):
                pass


async def test_it_stops_with_streams_under_way():
    server = Http2Server(lambda connection, stream: None)
    server.start()
    async with speaking_http2() as client:
        call = asyncio.create_task(client.get(server.url))
        await asyncio.to_thread(server.ledger.wait_until, lambda book: book.totals()["request"])
        server.stop()
        server.stop()
        [error] = await asyncio.gather(call, return_exceptions=True)
    assert isinstance(error, httpx.TransportError)
    assert not server.running
    with pytest.raises(RuntimeError, match="not running"):
        server.each(lambda connection: None)


def test_max_streams_is_one_at_least():
    with pytest.raises(ValueError, match="max_streams must be 1 or more"):
        Http2Server(answer, max_streams=0)
