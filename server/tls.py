"""A `LocalServer` that speaks TLS with a certificate of your own making.

    authority = trustme.CA()
    with TlsServer(authority.issue_cert("127.0.0.1")) as server:
        httpx.get(server.url + "/echo", verify=context_that_trusts_the_authority)

The package trustme makes the certificates; this file needs to know nothing about how.
"""

import ssl
from typing import Any, Protocol

from server.background import HOST
from server.local import LocalServer


class Certificate(Protocol):
    """A certificate with its key: trustme's `LeafCert`."""

    def configure_cert(self, context: ssl.SSLContext) -> None: ...


class Authority(Protocol):
    """One that issues certificates: trustme's `CA`."""

    def configure_trust(self, context: ssl.SSLContext) -> None: ...


class TlsServer(LocalServer):
    """A `LocalServer` whose connections are TLS ones; all else is as there.

    `certificate` is the one that it shows. With `clients` it asks each client for a certificate of
    that authority and takes no other (mutual TLS); `request.state.connection.client_name` then says
    whose it is.

    On the wire: a handshake after the TCP one. The ledger has a connection once the handshake is
    done, so one that fails leaves nothing in it.
    The client raises: `httpx.ConnectError: [SSL: CERTIFICATE_VERIFY_FAILED] ...` if it does not
    trust the certificate. If the server does not take the client's, it hears of that only after its
    own half of the handshake (TLS 1.3): `httpx.RemoteProtocolError: Server disconnected without
    sending a response.` or, after an RST, `httpx.ReadError`.
    """

    def __init__(
        self,
        certificate: Certificate,
        app: Any = None,
        *,
        clients: Authority | None = None,
        **uvicorn_options: Any,
    ) -> None:
        def make_context(config: Any, default: Any) -> ssl.SSLContext:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(context)
            if clients is not None:
                context.verify_mode = ssl.CERT_REQUIRED
                clients.configure_trust(context)
            return context

        super().__init__(app, ssl_context_factory=make_context, **uvicorn_options)

    @property
    def url(self) -> str:
        """`https://127.0.0.1:PORT`, without a slash at the end. Raises as `port` does."""
        return f"https://{HOST}:{self.port}"
