"""What clients and SSL contexts an answer makes, and whether certificates are checked."""

import asyncio
import ssl
import threading
from contextlib import ExitStack
from unittest import mock

import httpcore
import httpx

from workbench.checking.record import expect

SLOW = 20  # turns of the event loop that a pool takes to close, as one behind TLS


def contexts_of(client: httpx.AsyncClient) -> list[ssl.SSLContext]:
    """Return the SSL contexts of a client's transports. There is no public way to ask."""
    transports = [client._transport, *client._mounts.values()]
    pools = [getattr(transport, "_pool", None) for transport in transports]
    contexts = [getattr(pool, "_ssl_context", None) for pool in pools]
    return [context for context in contexts if context is not None]


def expect_certificates_checked(*clients: httpx.AsyncClient) -> None:
    """Raise `Wrong` if one of the clients has a transport with `verify=False`."""
    expect(
        all(
            context.verify_mode is ssl.CERT_REQUIRED
            for client in clients
            for context in contexts_of(client)
        ),
        "A client checks the certificate of whom it connects to, as httpx's does by itself.",
        happened="This client trusts any certificate: with `verify=False` anybody on the way can "
        "pretend to be the server.",
    )


class Noted:
    """What is made while the block runs.

    `clients` are the arguments of each client, `contexts` the SSL contexts of their pools. `loads`
    holds for each time that certificates were loaded the SSL context, and whether that was done in
    the thread of the event loop.
    """

    def __init__(self):
        self.clients = []
        self.contexts = []
        self.loads = []
        self._home = threading.get_ident()
        self._under_way = []
        self._stack = ExitStack()

    def __enter__(self):
        # Noted where they are made and not by other classes in their place: the answer may have
        # imported `AsyncClient` by name.
        self._note(httpx.AsyncClient, "__init__", lambda _, options: self.clients.append(options))
        self._note(
            httpcore.AsyncConnectionPool,
            "__init__",
            lambda _, options: self.contexts.append(options["ssl_context"]),
        )
        slowly = self._slowly(httpcore.AsyncConnectionPool.aclose)
        self._stack.enter_context(mock.patch.object(httpcore.AsyncConnectionPool, "aclose", slowly))
        for method in ("load_verify_locations", "load_default_certs"):
            self._note(ssl.SSLContext, method, self._note_load)
        return self

    def __exit__(self, *exc_info):
        self._stack.close()

    @staticmethod
    def _slowly(aclose):
        async def closing(pool):
            try:
                for _ in range(SLOW):
                    await asyncio.sleep(0)
            finally:  # also where the loop ends meanwhile: no socket outlives the check
                await aclose(pool)

        return closing

    def _note(self, owner, name, note):
        original = getattr(owner, name)

        def noting(this, *args, **kwargs):
            # One of these may call another, as `load_default_certs` does on Windows.
            outermost = this not in self._under_way
            if outermost:
                self._under_way.append(this)
                note(this, kwargs)
            try:
                return original(this, *args, **kwargs)
            finally:
                if outermost:
                    self._under_way.remove(this)

        self._stack.enter_context(mock.patch.object(owner, name, noting))

    def _note_load(self, context, _):
        self.loads.append((context, threading.get_ident() == self._home))

    def require_certificates_checked(self):
        """Raise `Wrong` unless each client checks certificates, by authorities that it knows."""
        expect(
            all(context.verify_mode is ssl.CERT_REQUIRED for context in self.contexts),
            "Certificates are checked.",
            happened="Your clients check no certificate: with `verify=False` anybody on the way "
            "can pretend to be the server.",
        )
        expect(
            all(context.check_hostname for context in self.contexts),
            "Certificates are checked, and so is the name that they were made out for.",
            happened="Your clients take any server's certificate for this server's: "
            "`check_hostname` is off.",
        )
        expect(
            all(context.cert_store_stats()["x509_ca"] for context in self.contexts),
            "The context knows authorities to trust.",
            happened="Your clients know no authority, so no certificate would pass: nothing loaded "
            "any into their context.",
        )
