"""What lesson 03 says of a client closed under its requests, beyond what its cells assert."""

import asyncio
import gc
import itertools
import socket
import ssl
import struct
import sys
import warnings

import httpx
import pytest

from workbench.moments import Moment

pytestmark = pytest.mark.anyio
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def context():
    return ssl.create_default_context()


@pytest.fixture
def held(server):
    """The path of an answer that is held, and its gate."""
    gate = f"gate-{next(numbers)}"
    yield f"{server.url}/faults/hold?gate={gate}", gate
    server.gates.open(gate)


def closed_by_client(seen):
    return sum(event.kind == "closed" and event.by == "client" for event in seen.events)


async def test_a_spared_request_leaves_a_connection_that_only_the_collector_closes(server, context):
    with server.ledger.watch() as seen:
        async with httpx.AsyncClient(verify=context) as client:
            task = asyncio.create_task(client.get(server.url + "/echo"))
            await asyncio.sleep(0)
        response = await task
        gc.collect()
    assert (seen.connections, seen.responses, closed_by_client(seen)) == (1, 1, 0)
    with server.ledger.watch() as seen, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        del response, task
        await asyncio.sleep(0)  # until then the loop's handle of our wake-up holds it, too
        gc.collect()
    assert any("unclosed transport" in str(warning.message) for warning in warned)
    assert closed_by_client(seen) == 1


async def test_a_reset_gives_the_same_error_and_leaves_the_client_open(server, context, held):
    url, gate = held
    async with httpx.AsyncClient(verify=context) as client:
        task = asyncio.create_task(client.get(url))
        await server.gates.reached(gate)
    with pytest.raises(httpx.ReadError) as cut:
        await task
    async with httpx.AsyncClient(verify=context) as client:
        with pytest.raises(httpx.ReadError) as reset:
            await client.get(server.url + "/faults/reset")
        assert not client.is_closed
        assert (await client.get(server.url + "/echo")).status_code == 200
    assert repr(cut.value) == repr(reset.value) == "ReadError('')"


async def test_all_that_is_queued_is_sent_after_the_client_is_closed(server, context, held):
    url, gate = held
    limits = httpx.Limits(max_connections=1)
    with server.ledger.watch() as seen:
        async with httpx.AsyncClient(verify=context, limits=limits) as client:
            front = asyncio.create_task(client.get(url))
            await server.gates.reached(gate)
            behind = [asyncio.create_task(client.get(server.url + "/echo")) for _ in range(3)]
            await asyncio.sleep(0)
        assert client.is_closed
        assert seen.requests == 1
        with pytest.raises(httpx.ReadError):
            await front
        responses = await asyncio.gather(*behind)
    assert [response.status_code for response in responses] == [200] * 3
    assert (seen.connections, seen.requests, closed_by_client(seen)) == (2, 4, 1)
    await responses[-1].extensions["network_stream"].aclose()


async def fails_when(server, gate, client):
    await server.gates.reached(gate)
    return await client.get(server.url + "/faults/reset")


async def test_a_group_in_which_one_fails_has_ended_when_the_client_is_closed(
    server, context, held
):
    url, gate = held
    with server.ledger.watch() as seen:
        with pytest.raises(ExceptionGroup) as raised:
            async with httpx.AsyncClient(verify=context) as client, asyncio.TaskGroup() as group:
                other = group.create_task(client.get(url))
                group.create_task(fails_when(server, gate, client))
        assert other.cancelled()
    assert not isinstance(raised.value, httpx.HTTPError)
    assert [type(error) for error in raised.value.exceptions] == [httpx.ReadError]
    assert seen.connections == seen.closed == 2


async def test_a_gather_in_which_one_fails_leaves_the_others_to_a_closed_client(
    server, context, held
):
    url, gate = held
    with pytest.raises(httpx.ReadError) as raised:
        async with httpx.AsyncClient(verify=context) as client:
            other = asyncio.create_task(client.get(url))
            try:
                await asyncio.gather(other, fails_when(server, gate, client))
            finally:
                assert not other.done()
    assert raised.value.request.url.path == "/faults/reset"
    with pytest.raises(httpx.ReadError) as cut:
        await other
    assert str(cut.value.request.url) == url


async def test_a_moment_holds_a_request_until_it_is_let_go(server, context):
    go_on = asyncio.Event()
    moment = Moment("http11.send_request_headers.started", hold=go_on.wait)
    async with httpx.AsyncClient(verify=context) as client:
        with server.ledger.watch() as seen:
            request = client.get(server.url + "/echo", extensions={"trace": moment})
            task = asyncio.create_task(request)
            await moment.reached.wait()
            await asyncio.sleep(0.01)
            server.ledger.settle()
            assert (seen.connections, seen.requests) == (1, 0)
            go_on.set()
            assert (await task).status_code == 200


@pytest.mark.skipif(sys.platform == "win32", reason="FIONREAD is not a Windows call")
@pytest.mark.parametrize(("size", "lost"), [(100_000, False), (300_000, True)])
async def test_of_a_body_that_has_arrived_one_read_of_the_socket_survives(
    server, context, size, lost
):
    # A large receive buffer, so that the whole body stands in the client's socket.
    options = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)]
    transport = httpx.AsyncHTTPTransport(verify=context, socket_options=options)
    client = httpx.AsyncClient(transport=transport)
    arrived = 0

    async def all_has_arrived():
        nonlocal arrived
        [connection] = transport._pool.connections
        sock = connection._connection._network_stream.get_extra_info("socket")
        for _ in range(200):
            arrived = _unread(sock)
            if arrived > size:  # the head of the answer, too
                break
            await asyncio.sleep(0.01)

    moment = Moment("http11.send_request_body.complete", hold=all_has_arrived)
    async with client:
        url = f"{server.url}/bytes?size={size}"
        request = client.build_request("GET", url, extensions={"trace": moment})
        response = await client.send(request, stream=True)
    if arrived <= size:
        await response.aclose()
        pytest.skip("this system gives a socket no buffer of that size")
    if lost:
        with pytest.raises(httpx.ReadError):
            await response.aread()
    else:
        assert len(await response.aread()) == size


def _unread(sock):
    """Return how many bytes have arrived in a socket and were not read."""
    import fcntl
    import termios

    return struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.FIONREAD, bytes(4)))[0]
