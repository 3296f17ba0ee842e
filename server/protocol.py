"""uvicorn's HTTP/1.1 protocol taught two things: write the ledger, hand out the transport.

uvicorn keeps the transport to itself, rightly: an application has no business there. A fault has.
It finds its connection as `request.state.connection`.
"""

import asyncio
import socket
import struct
import sys
from urllib.parse import unquote

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from server.ledger import Ledger
from server.params import MAX_SECONDS

# SO_LINGER on, with a time of zero. Windows declares both fields as unsigned short.
LINGER_ZERO = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


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

    @property
    def client_name(self) -> str | None:
        """The common name in the certificate that the client has shown; None without one."""
        shown = self._transport.get_extra_info("peercert") or {}
        return dict(pair for part in shown.get("subject", ()) for pair in part).get("commonName")

    def write(self, data: bytes) -> None:
        """Send bytes as they are, past the HTTP implementation."""
        self._transport.write(data)

    async def close(self) -> None:
        """Send what is buffered, then a FIN (RFC 9293, 3.6), and wait until it is done.

        A client that does not read what is buffered is cut off after the longest delay.
        """
        self._transport.close()
        if not await self.lost_within(MAX_SECONDS):
            self._transport.abort()

    async def reset(self) -> None:
        """Drop the connection with an RST instead of a FIN, and wait until it is done.

        Does no more than wait if the connection is closing already.
        """
        if not self._transport.is_closing():
            self.was_reset = True
            reset(self._transport)
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


def reset(transport: asyncio.Transport) -> None:
    """End a connection with an RST: that is what SO_LINGER 0 makes of a close (man 7 socket)."""
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
    transport.abort()


class LedgerProtocol(H11Protocol):
    """An `H11Protocol` that writes a ledger. `LocalServer` makes a subclass that names it.

    Bytes that h11 rejects, which uvicorn answers with a 400, are no request and not in the ledger.
    Where h11 took the head and rejects the body, the ledger has the request, and the 400 as its
    response. A client that half-closes (a FIN after its request) has left, as uvicorn sees it: it
    gets a FIN and no answer.
    """

    ledger: Ledger

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.conn = _WatchedH11(self, self.config.h11_max_incomplete_event_size)
        self.client_sent_eof = False
        self.unfinished: dict[str, object] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        # So the transport calls `resume_writing` once all is sent. One of TLS takes a limit of zero
        # for reached when nothing is buffered, and pauses for ever (`_control_app_writing` in
        # asyncio/sslproto.py).
        self.over_tls = transport.get_extra_info("sslcontext") is not None
        transport.set_write_buffer_limits(high=1 if self.over_tls else 0)
        number = self.ledger.opened(self.client).connection
        self.connection = Connection(number, transport, self.ledger)
        self.app_state = {**self.app_state, "connection": self.connection}

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # uvicorn stops reading at 64 kB of a body, until the application asks for it. Once all of
        # the request is here it must read on, or it would not notice a client that leaves.
        paused = self.flow.read_paused
        arrived = paused and self.conn.their_state in (h11.DONE, h11.MUST_CLOSE)
        if arrived and not self.conn.trailing_data[0]:
            self.flow.resume_reading()

    def on_request(self, request: h11.Request) -> None:
        self.connection.requests += 1
        path, _, query = request.target.decode("latin-1").partition("?")
        self.about = {
            "connection": self.connection.number,
            "nth": self.connection.requests,
            "path": unquote(path),
        }
        method = request.method.decode("latin-1")
        self.ledger.write("request", method=method, query=query, **self.about)

    def on_response_complete(self) -> None:
        # A transport that closes without h11's knowledge has lost the client: nothing was sent.
        closing_unasked = self.transport.is_closing() and self.conn.our_state is not h11.CLOSED
        if not closing_unasked and not self.client_sent_eof:
            self.unfinished = {**self.about, "status": self.conn.status}
            if not self.transport.get_write_buffer_size():
                self.write_response()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        cycle = self.cycle
        in_request = cycle is not None and not cycle.response_complete
        if in_request:
            # Or the application would answer, too, and h11 refuse it.
            cycle.disconnected = True
            cycle.message_event.set()
        try:
            super().send_400_response(msg)
        except h11.LocalProtocolError:
            # Another answer has begun, or this one may have no body since the method is HEAD.
            self.transport.close()
        if in_request and not cycle.response_started:
            self.unfinished = {**self.about, "status": 400}
            if not self.transport.get_write_buffer_size():
                self.write_response()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.write_response()

    def shutdown(self) -> None:
        super().shutdown()
        # One of TLS would wait 30 s for a client that is idle to say goodbye as well.
        if self.over_tls and self.transport.is_closing():
            self.transport.abort()

    def write_response(self) -> None:
        if self.unfinished is not None:
            self.ledger.write("response", **self.unfinished)
            self.unfinished = None

    def eof_received(self) -> None:
        self.client_sent_eof = True
        super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        # asyncio stops reading once the server has called close(), so an end of file or an error
        # that is reported here came from the client before the server's FIN.
        by_client = self.client_sent_eof or isinstance(exc, OSError)
        reset = isinstance(exc, OSError) or self.connection.was_reset
        # asyncio closes the socket after this call. Whoever finds "closed" in the ledger may take
        # it that the FIN is out.
        self.loop.call_soon(self.on_closed, "client" if by_client else "server", reset)

    def on_closed(self, by: str, reset: bool) -> None:
        self.ledger.write("closed", connection=self.connection.number, by=by, reset=reset)
        self.connection._lost.set()


class _WatchedH11(h11.Connection):
    """h11's connection, which alone sees every request and the status of every response."""

    def __init__(self, protocol: LedgerProtocol, max_incomplete_event_size: int | None) -> None:
        limit = (
            {}
            if max_incomplete_event_size is None
            else {"max_incomplete_event_size": max_incomplete_event_size}
        )
        super().__init__(h11.SERVER, **limit)
        self.protocol = protocol
        self.status = 0

    def next_event(self):
        event = super().next_event()
        if isinstance(event, h11.Request):
            self.protocol.on_request(event)
        return event

    def send(self, event):
        if isinstance(event, h11.Response):
            self.status = event.status_code
        return super().send(event)
