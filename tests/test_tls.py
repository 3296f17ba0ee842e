"""The TLS server, with httpx as its client and certificates from trustme."""

import asyncio
import ssl

import httpx
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from server.proxy import Proxy
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


def without_authority_key():
    """Issue a certificate for 127.0.0.1 that does not name the key of its authority."""
    leaf = AUTHORITY.issue_cert("127.0.0.1")
    [pem] = leaf.cert_chain_pems
    made = x509.load_pem_x509_certificate(pem.bytes())
    builder = (
        x509.CertificateBuilder(made.issuer, made.subject, made.public_key(), made.serial_number)
        .not_valid_before(made.not_valid_before_utc)
        .not_valid_after(made.not_valid_after_utc)
    )
    for extension in made.extensions:
        if extension.oid != x509.AuthorityKeyIdentifier.oid:
            builder = builder.add_extension(extension.value, extension.critical)
    key = load_pem_private_key(AUTHORITY.private_key_pem.bytes(), None)
    signed = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    return trustme.LeafCert(leaf.private_key_pem.bytes(), signed, [])


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


async def test_in_tls_1_2_a_client_that_is_not_let_in_fails_to_connect():
    with TlsServer(AUTHORITY.issue_cert("127.0.0.1"), clients=AUTHORITY) as server:
        context = trusting()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(httpx.ConnectError):
            await get(server.url, context)


async def test_an_expected_name_counts_where_a_connection_is_opened():
    shop, bank = ({"sni_hostname": name} for name in ("shop.example", "bank.example"))
    with TlsServer(AUTHORITY.issue_cert("shop.example")) as server:
        async with httpx.AsyncClient(verify=trusting(), timeout=20) as client:
            with pytest.raises(httpx.ConnectError, match="Hostname mismatch"):
                await client.get(server.url, extensions=bank)
            for kept in (shop, bank, {}):
                assert (await client.get(server.url, extensions=kept)).status_code == 200


async def test_through_a_proxy_an_expected_name_does_not_count():
    with TlsServer(AUTHORITY.issue_cert("shop.example")) as server, Proxy() as proxy:
        async with httpx.AsyncClient(verify=trusting(), proxy=proxy.url, timeout=20) as client:
            with pytest.raises(httpx.ConnectError, match="IP address mismatch"):
                await client.get(server.url, extensions={"sni_hostname": "shop.example"})


async def test_a_strict_context_wants_the_key_of_the_authority_named():
    with TlsServer(without_authority_key()) as server:
        context = trusting()
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        assert (await get(server.url, context)).status_code == 200
        context.verify_flags |= ssl.VERIFY_X509_STRICT  # a default context's since Python 3.13
        with pytest.raises(httpx.ConnectError, match="Missing Authority Key Identifier"):
            await get(server.url, context)


@pytest.mark.parametrize("whole", [True, False])
async def test_a_chain_without_its_middle_is_of_no_authority_that_the_client_knows(whole):
    middle = AUTHORITY.create_child_ca()
    leaf = middle.issue_cert("127.0.0.1")
    chain = leaf.cert_chain_pems if whole else leaf.cert_chain_pems[:1]
    sent = trustme.LeafCert(
        leaf.private_key_pem.bytes(), chain[0].bytes(), [pem.bytes() for pem in chain[1:]]
    )
    with TlsServer(sent) as server:
        if whole:
            assert (await get(server.url, trusting())).status_code == 200
            return
        with pytest.raises(httpx.ConnectError, match="unable to get local issuer certificate"):
            await get(server.url, trusting())


async def test_without_client_certificates_nobody_has_a_name():
    with TlsServer(AUTHORITY.issue_cert("127.0.0.1"), WHOAMI) as server:
        assert (await get(server.url, trusting())).text == "None"
