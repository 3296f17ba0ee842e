"""uvicorn's HTTP/1.1 protocol taught two things: write the ledger, hand out the transport.

uvicorn keeps the transport to itself, rightly: an application has no business there. A fault has.
It finds its connection as `request.state.connection`.
"""

import asyncio
import socket
import struct
import sys

from uvicorn.protocols.http.h11_impl import H11Protocol

from server.ledger import Ledger


class Connection:
    """One client connection, as a fault may handle it.

    `number` counts the server's connections from 1; `requests` counts this one's requests.
    """

    def __init__(self, number: int, transport: asyncio.Transport, ledger: Ledger) -> None:
        self.number = number
        self.requests = 0
        self.ledger = ledger
        self.was_reset = False
        self._transport = transport
        self._lost = asyncio.Event()

    def write(self, data: bytes) -> None:
        """Send bytes as they are, past the HTTP implementation."""
        self._transport.write(data)

    async def close(self) -> None:
        """Send what is buffered, then a FIN (RFC 9293, 3.6), and wait until it is done."""
        self._transport.close()
        await self._lost.wait()

    async def reset(self) -> None:
        """Drop the connection with an RST instead of a FIN, and wait until it is done.

        SO_LINGER with a time of zero makes `close()` send the RST (man 7 socket).
        """
        self.was_reset = True
        # Windows declares both fields of `struct linger` as unsigned short.
        linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
        sock = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._transport.abort()
        await self._lost.wait()

    async def lost_within(self, seconds: float) -> bool:
        """Wait until the connection is gone, whoever ends it, but no longer than `seconds`.

        Returns whether it is gone.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._lost.wait()
        except TimeoutError:
            return False
        return True


class LedgerProtocol(H11Protocol):
    """An `H11Protocol` that writes a ledger. `LocalServer` makes a subclass that names it."""

    ledger: Ledger

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        opened = self.ledger.opened(self.client)
        self.connection = Connection(opened.connection, transport, self.ledger)
        self.client_sent_eof = False
        self.app = _Recorder(self.app, self.connection)

    def eof_received(self) -> None:
        self.client_sent_eof = True
        super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        # asyncio stops reading once the server has called close(), so an end of file or an error
        # that is reported here came from the client first.
        by_client = self.client_sent_eof or exc is not None
        self.ledger.write(
            "closed",
            connection=self.connection.number,
            by="client" if by_client else "server",
            reset=exc is not None or self.connection.was_reset,
        )
        super().connection_lost(exc)
        self.connection._lost.set()


class _Recorder:
    """The ASGI application of one connection: numbers its requests and records their ends."""

    def __init__(self, app, connection: Connection) -> None:
        self.app = app
        self.connection = connection

    async def __call__(self, scope, receive, send) -> None:
        connection = self.connection
        connection.requests += 1
        nth = connection.requests
        scope["state"]["connection"] = connection
        connection.ledger.write(
            "request",
            connection=connection.number,
            nth=nth,
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"].decode("latin-1"),
        )
        status = 0

        async def recording_send(message) -> None:
            nonlocal status
            await send(message)
            if message["type"] == "http.response.start":
                status = message["status"]
            elif not message.get("more_body", False) and not connection._lost.is_set():
                connection.ledger.write(
                    "response",
                    connection=connection.number,
                    nth=nth,
                    path=scope["path"],
                    status=status,
                )

        await self.app(scope, receive, recording_send)
