"""A client for each identity: it trusts the company and the usual authorities, and shows a key."""

import os
import ssl
import tempfile
import warnings
from pathlib import Path
from unittest import mock

import certifi
import httpx
import trustme
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from course.exercises.noted import contexts_of, expect_certificates_checked
from server.tls import TlsServer
from workbench.checking.record import Exercise, WrongAnswer, expect


def client_for(authority, identity):
    """Return an open httpx.AsyncClient, which the caller closes.

    It trusts the usual authorities and one more, `authority`: the text of a PEM file. It shows the
    certificate of `identity`: the path of a PEM file that holds the key, too.
    """
    ...


def solution(authority, identity):
    context = httpx.create_ssl_context()
    context.load_verify_locations(cadata=authority)
    context.load_cert_chain(identity)
    return httpx.AsyncClient(verify=context)


def context_for(authority, identity, **options):
    context = httpx.create_ssl_context(**options)
    context.load_verify_locations(cadata=authority)
    context.load_cert_chain(identity)
    return context


def asks_the_system(authority, identity):
    context = ssl.create_default_context()
    context.load_verify_locations(cadata=authority)
    context.load_cert_chain(certfile=str(identity))
    return httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(verify=context))


def ignores_the_environment(authority, identity):
    context = httpx.create_ssl_context(trust_env=False)
    context.load_verify_locations(cadata=authority)
    context.load_cert_chain(identity)
    return httpx.AsyncClient(verify=context)


def checks_nothing(authority, identity):
    return httpx.AsyncClient(verify=context_for(authority, identity, verify=False))


def checks_no_names(authority, identity):
    context = context_for(authority, identity)
    context.check_hostname = False
    return httpx.AsyncClient(verify=context)


def trusts_the_company_only(authority, identity):
    context = ssl.create_default_context(cadata=authority)
    context.load_cert_chain(identity)
    return httpx.AsyncClient(verify=context)


def trusts_the_usual_only(authority, identity):
    context = httpx.create_ssl_context()
    context.load_cert_chain(identity)
    return httpx.AsyncClient(verify=context)


def shows_nothing(authority, identity):
    context = httpx.create_ssl_context()
    context.load_verify_locations(cadata=authority)
    return httpx.AsyncClient(verify=context)


def mounts_it_for_one_host(authority, identity):
    transport = httpx.AsyncHTTPTransport(verify=context_for(authority, identity))
    return httpx.AsyncClient(mounts={"https://127.0.0.1": transport})


def checks_one_host_only(authority, identity):
    context = context_for(authority, identity)
    unchecked = context_for(authority, identity, verify=False)
    transport = httpx.AsyncHTTPTransport(verify=context)
    return httpx.AsyncClient(verify=unchecked, mounts={"https://127.0.0.1": transport})


def speaks_old_tls_too(authority, identity):
    context = context_for(authority, identity)
    context.minimum_version = ssl.TLSVersion.TLSv1
    return httpx.AsyncClient(verify=context)


SHARED = {}


def shares_a_context(authority, identity):
    context = SHARED.setdefault(authority, context_for(authority, identity))
    context.load_cert_chain(identity)
    return httpx.AsyncClient(verify=context)


def writes_into_the_bundle(authority, identity):
    with Path(certifi.where()).open("a", encoding="utf-8") as bundle:
        bundle.write(authority)
    context = httpx.create_ssl_context()
    context.load_cert_chain(identity)
    return httpx.AsyncClient(verify=context)


def names_a_bundle_for_all(authority, identity):
    bundle = Path(identity).with_name("bundle.pem")
    bundle.write_text(Path(certifi.where()).read_text(encoding="utf-8") + authority)
    os.environ["SSL_CERT_FILE"] = str(bundle)
    context = httpx.create_ssl_context()
    context.load_cert_chain(identity)
    return httpx.AsyncClient(verify=context)


def uses_the_old_argument(authority, identity):
    context = httpx.create_ssl_context()
    context.load_verify_locations(cadata=authority)
    return httpx.AsyncClient(verify=context, cert=str(identity))


def returns_the_context(authority, identity):
    return context_for(authority, identity)


def returns_a_sync_client(authority, identity):
    return httpx.Client(verify=context_for(authority, identity))


async def whoami(request):
    return PlainTextResponse(str(request.state.connection.client_name))


class Places:
    """Three authorities, a server of each kind, and the files of two identities."""

    def __init__(self, folder):
        self.company, usual = trustme.CA(), trustme.CA()
        self.usual_file = Path(folder, "usual.pem")
        usual.cert_pem.write_to_path(self.usual_file)
        self.names = {}
        for name in ("anna", "ben"):
            self.names[name] = Path(folder, f"{name}.pem")
            identity = self.company.issue_cert(common_name=name)
            identity.private_key_and_cert_chain_pem.write_to_path(self.names[name])
        app = Starlette(routes=[Route("/", whoami)])
        both_names = self.company.issue_cert("127.0.0.1", "localhost")
        self.partner = TlsServer(both_names, app, clients=self.company)
        self.public = TlsServer(usual.issue_cert("127.0.0.1"), app)
        self.strange = TlsServer(trustme.CA().issue_cert("127.0.0.1"), app)
        self.misnamed = TlsServer(self.company.issue_cert("shop.example"), app)


async def check(attempt, server):
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        places = Places(folder)
        bundle = places.usual_file.read_bytes()
        # One file stands in for the usual authorities, whether an answer asks certifi or OpenSSL.
        usual = str(places.usual_file)
        with (
            mock.patch.object(certifi, "where", return_value=usual),
            mock.patch.dict(os.environ, {"SSL_CERT_FILE": usual}),
        ):
            os.environ.pop("SSL_CERT_DIR", None)
            around = dict(os.environ)
            clients = {}
            try:
                for name, identity in places.names.items():
                    clients[name] = _made(attempt(_text(places.company), identity))
                with places.partner, places.public, places.strange, places.misnamed:
                    await _are_who_they_are(places, clients)
                    await _trust_whom_they_should(places, clients["anna"])
                    await _are_so_for_each_host(places, clients)
                expect_certificates_checked(*clients.values())
                _speak_no_older_tls(clients["anna"])
                _leave_the_environment(around)
            finally:
                for client in clients.values():
                    await client.aclose()
        expect(
            places.usual_file.read_bytes() == bundle,
            "The file with the usual authorities is left as it is.",
            happened="Your function has written into it: whoever reads that file, in whichever "
            "program, now trusts one authority more.",
        )
    old = [str(warning.message) for warning in said if "`cert=...`" in str(warning.message)]
    expect(not old, "No use of a deprecated argument.", happened=f"httpx warned: {' '.join(old)}")


def _text(authority):
    return authority.cert_pem.bytes().decode()


def _made(client):
    expect(
        isinstance(client, httpx.AsyncClient),
        "An `httpx.AsyncClient`.",
        happened=f"An object of type `{type(client).__name__}` was returned.",
    )
    return client


async def _are_who_they_are(places, clients):
    """Both clients exist before the first of them connects."""
    for name, client in clients.items():
        try:
            shown = (await client.get(places.partner.url)).text
        except httpx.ConnectError as error:
            shown = f"nobody: `{error}`"
        except (httpx.RemoteProtocolError, httpx.ReadError):
            shown = "nobody: the server took no certificate from it"
        expect(
            shown == name,
            "Each client shows its own identity, and trusts the company's authority.",
            happened=f"The client of {name} came in as {shown}.",
        )


async def _trust_whom_they_should(places, client):
    try:
        await client.get(places.public.url)
    except httpx.ConnectError as error:
        expect(
            False,
            "The usual authorities are trusted as before.",
            happened=f"A server with a certificate of theirs was refused: `{error}`",
        )
    for place, what in (("strange", "of an unknown authority"), ("misnamed", "for another name")):
        refused = False
        try:
            await client.get(getattr(places, place).url)
        except httpx.ConnectError:
            refused = True
        expect(
            refused,
            "Who cannot prove who they are is refused.",
            happened=f"A server with a certificate {what} was believed.",
        )


async def _are_so_for_each_host(places, clients):
    """The partner has another name, too."""
    url = places.partner.url.replace("127.0.0.1", "localhost")
    for name, client in clients.items():
        try:
            shown = (await client.get(url)).text
        except httpx.TransportError as error:
            shown = f"nobody: `{error!r}`"
        expect(
            shown == name,
            "It is so for every host: the client does not know where it will be used.",
            happened=f"On 127.0.0.1 the client of {name} came in as {name}, and on another host of "
            f"the company, localhost, as {shown}",
        )


def _leave_the_environment(around):
    now = dict(os.environ)
    changed = sorted(name for name in around | now if around.get(name) != now.get(name))
    expect(
        not changed,
        "The environment is left alone: it belongs to the whole process.",
        happened=f"Your function has changed {', '.join(changed)}: every context that is made "
        "later trusts others.",
    )


def _speak_no_older_tls(client):
    least = httpx.create_ssl_context().minimum_version
    for context in contexts_of(client):
        expect(
            context.minimum_version >= least,
            f"No version of TLS that httpx does not take by itself: {least.name} or newer.",
            happened=f"The client's context takes {context.minimum_version.name}, too.",
        )


EXERCISE = Exercise(
    id="07-tls-1",
    title="One context for each identity",
    task="`client_for(authority, identity)` returns an open `AsyncClient` that trusts the usual "
    "authorities and, besides, `authority` (the text of a PEM file), and that shows the "
    "certificate in the file `identity`. The clients of two identities do not mix, everything is "
    "checked that httpx checks by itself, and no argument is used that httpx has deprecated.",
    starter=client_for,
    hints=[
        "Which function of httpx makes the context that a client has by itself? Start from that "
        "one: what it trusts and checks stays.",
        "`load_verify_locations` has an argument for a text, `cadata=`; `load_cert_chain` takes a "
        "path.",
        "Make the context inside of the function, so that each identity has its own.",
    ],
    wrong=[
        WrongAnswer(checks_nothing, "of an unknown authority was believed"),
        WrongAnswer(checks_no_names, "for another name was believed"),
        WrongAnswer(trusts_the_company_only, "A server with a certificate of theirs was refused"),
        WrongAnswer(trusts_the_usual_only, "came in as nobody: `[SSL: CERTIFICATE_VERIFY_FAILED]"),
        WrongAnswer(shows_nothing, "the server took no certificate from it"),
        WrongAnswer(mounts_it_for_one_host, "on another host of the company"),
        WrongAnswer(checks_one_host_only, "This client trusts any certificate"),
        WrongAnswer(speaks_old_tls_too, "context takes TLSv1, too"),
        WrongAnswer(shares_a_context, "The client of anna came in as ben"),
        WrongAnswer(writes_into_the_bundle, "Your function has written into it"),
        WrongAnswer(names_a_bundle_for_all, "Your function has changed SSL_CERT_FILE"),
        WrongAnswer(uses_the_old_argument, "httpx warned"),
        WrongAnswer(returns_the_context, "An object of type `SSLContext` was returned"),
        WrongAnswer(returns_a_sync_client, "An object of type `Client` was returned"),
    ],
    right=[asks_the_system, ignores_the_environment],
    solution=solution,
    why="A context holds whom it trusts and what it shows, and a connection shows what the context "
    "holds at its handshake. So each identity needs a context of its own, made once and kept with "
    "its client.",
    check=check,
)
