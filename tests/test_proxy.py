"""The proxy, with httpx as its client: what it forwards, refuses and drops; nothing is left."""

import asyncio
import contextlib
import ssl

import httpx
import pytest
import trustme

from server.proxy import Proxy
from server.tls import TlsServer
from server.wire import refused

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("no_socket_left")]
AUTHORITY = trustme.CA()


@pytest.fixture(scope="module")
def secure():
    with TlsServer(AUTHORITY.issue_cert("127.0.0.1"), timeout_keep_alive=60) as running:
        yield running


@pytest.fixture
def context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    AUTHORITY.configure_trust(context)
    return context


def through(proxy, context):
    return httpx.AsyncClient(proxy=proxy.url, verify=context, timeout=20)


async def test_it_forwards_plain_requests(server, context):
    with Proxy() as proxy, server.ledger.watch() as seen:
        async with through(proxy, context) as client:
            first = await client.get(server.url + "/echo?a=1")
            second = await client.post(server.url + "/echo", content=b"x" * 200_000)
            assert (await client.get(server.url)).status_code == 200
    assert (first.status_code, second.json()["body_length"]) == (200, 200_000)
    assert [e.target for e in seen.events if e.kind == "request"] == ["/echo?a=1", "/echo", "/"]
    assert proxy.asked[:2] == [f"GET {server.url}/echo?a=1", f"POST {server.url}/echo"]


async def test_a_tunnel_keeps_its_connection(secure, context):
    with Proxy() as proxy, secure.ledger.watch() as seen:
        async with through(proxy, context) as client:
            for _ in range(3):
                assert (await client.get(secure.url + "/echo")).status_code == 200
        await asyncio.to_thread(secure.ledger.wait_until_closed)
    assert (seen.connections, seen.requests) == (1, 3)
    assert proxy.asked == [f"CONNECT 127.0.0.1:{secure.port}"]


@pytest.mark.parametrize(("how", "status"), [("refuses", 502), ("asks", 407)])
async def test_a_refusal_is_a_response_to_http_and_an_exception_to_https(
    how, status, server, secure, context
):
    with Proxy(how) as proxy, server.ledger.watch() as seen:
        async with through(proxy, context) as client:
            assert (await client.get(server.url + "/echo")).status_code == status
            with pytest.raises(httpx.ProxyError, match=str(status)):
                await client.get(secure.url + "/echo")
    assert seen.requests == 0


async def test_a_proxy_that_dies(server, secure, context):
    with Proxy("dies") as proxy:
        async with through(proxy, context) as client:
            with pytest.raises(httpx.RemoteProtocolError, match="Server disconnected"):
                await client.get(server.url + "/echo")
            with pytest.raises(httpx.ConnectError):
                await client.get(secure.url + "/echo")


async def test_a_target_that_is_not_there_is_a_502(context):
    with Proxy() as proxy, refused() as port:
        async with through(proxy, context) as client:
            assert (await client.get(port.url)).status_code == 502
            assert (await client.get("http://example.org")).status_code == 502
            with pytest.raises(httpx.ProxyError, match="502 Bad Gateway"):
                await client.get(port.url.replace("http:", "https:"))


async def test_it_stops_with_a_tunnel_open(secure, context):
    proxy = Proxy()
    proxy.start()
    async with through(proxy, context) as client:
        await client.get(secure.url + "/echo")
        proxy.stop()
        proxy.stop()
        with pytest.raises(httpx.HTTPError):
            await client.get(secure.url + "/echo")
    assert not proxy.running
    await asyncio.to_thread(secure.ledger.wait_until_closed)


async def test_what_is_no_request_is_closed():
    with Proxy() as proxy:
        for nonsense in (b"hello\r\n\r\n", b"CONNECT 127.0.0.1:x y\r\n\r\n", b"x" * 100_000):
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(nonsense)
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
            writer.close()


def test_how_is_one_of_four():
    with pytest.raises(ValueError, match="how must be"):
        Proxy("sleeps")
