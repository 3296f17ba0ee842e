"""The TLS server, with httpx as its client and certificates from trustme."""

import asyncio
import ssl

import httpx
import pytest
import trustme
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from server.tls import TlsServer

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("no_socket_left")]
AUTHORITY = trustme.CA()


def trusting(authority=AUTHORITY):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    return context


async def get(url, context):
    async with httpx.AsyncClient(verify=context, timeout=20) as client:
        return await client.get(url)


async def whoami(request):
    return PlainTextResponse(str(request.state.connection.client_name))


WHOAMI = Starlette(routes=[Route("/", whoami)])


async def test_it_answers_and_keeps_its_ledger():
    with TlsServer(AUTHORITY.issue_cert("127.0.0.1")) as server:
        with server.ledger.watch() as seen:
            async with httpx.AsyncClient(verify=trusting(), timeout=20) as client:
                for size in (10, 1_000_000):
                    response = await client.get(f"{server.url}/bytes?size={size}")
                    assert len(response.content) == size
        assert (seen.connections, seen.requests, seen.responses) == (1, 2, 2)
        await asyncio.to_thread(server.ledger.wait_until_closed)


async def test_it_stops_with_a_connection_open():
    server = TlsServer(AUTHORITY.issue_cert("127.0.0.1"))
    server.start()
    async with httpx.AsyncClient(verify=trusting(), timeout=20) as client:
        await client.get(server.url + "/echo")
        server.stop()
    assert not server.running


@pytest.mark.parametrize(
    ("certificate", "context", "says"),
    [
        (AUTHORITY.issue_cert("127.0.0.1"), trusting(trustme.CA()), "unable to get local issuer"),
        (AUTHORITY.issue_cert("example.org"), trusting(), "IP address mismatch"),
    ],
)
async def test_a_failed_handshake_is_no_connection_in_the_ledger(certificate, context, says):
    with TlsServer(certificate) as server:
        with pytest.raises(httpx.ConnectError, match=says):
            await get(server.url + "/echo", context)
        server.ledger.settle()
        assert server.ledger.totals()["opened"] == 0


async def test_whose_certificate_a_client_shows():
    with TlsServer(AUTHORITY.issue_cert("127.0.0.1"), WHOAMI, clients=AUTHORITY) as server:
        context = trusting()
        AUTHORITY.issue_cert(common_name="anna").configure_cert(context)
        assert (await get(server.url, context)).text == "anna"


@pytest.mark.parametrize("authority", [None, trustme.CA()])
async def test_no_other_client_is_let_in(authority):
    with TlsServer(AUTHORITY.issue_cert("127.0.0.1"), WHOAMI, clients=AUTHORITY) as server:
        context = trusting()
        if authority:
            authority.issue_cert(common_name="mallory").configure_cert(context)
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            await get(server.url, context)


async def test_without_client_certificates_nobody_has_a_name():
    with TlsServer(AUTHORITY.issue_cert("127.0.0.1"), WHOAMI) as server:
        assert (await get(server.url, trusting())).text == "None"
