"""An HTTP/2 server that says goodbye in the middle, refuses, or loses a connection, by a rule.

It speaks HTTP/2 at once, over plain TCP (RFC 9113, 3.3, "prior knowledge"): a client needs neither
TLS nor an upgrade, so `httpx.AsyncClient(http1=False, http2=True)` understands it. The package h2
knows the protocol; what stands here is what the server does with it.

    def rule(connection, stream):
        connection.answer(stream)

    with Http2Server(rule) as server:
        ...
"""

import asyncio
import functools
from collections.abc import Callable
from dataclasses import dataclass

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
from hyperframe.frame import GoAwayFrame

from server.background import HOST, Background, Worker, stop_listening
from server.ledger import Ledger
from server.protocol import reset

CALL_TIMEOUT = 5.0
# As in `server.local`: what lies in a socket is in the ledger after about five turns of the loop.
SETTLE_TURNS = 12


@dataclass(frozen=True)
class Stream:
    """One request: its stream's `id`, its method and path.

    On each connection the ids are 1, 3, 5, ...; `nth` counts the requests from 1.
    """

    id: int
    nth: int
    method: str
    path: str


class Connection:
    """One connection, as a rule may handle it. Belongs to the server's thread.

    `number` counts the server's connections from 1; `streams` are the requests that are all here.
    """

    def __init__(self, number: int, protocol: "_Protocol") -> None:
        self.number = number
        self.streams: list[Stream] = []
        self._protocol = protocol

    # What these send goes out in one piece once the rule has returned.

    def answer(self, stream: Stream, status: int = 200, body: bytes = b"{}") -> None:
        """Answer a request. The body is one DATA frame: 16,384 bytes at most (RFC 9113, 6.5.2).

        The ledger has the response from now on, whether or not the rule lets it be sent: `reset()`
        after this drops it.
        """
        h2_connection = self._protocol.h2
        h2_connection.send_headers(
            stream.id, [(":status", str(status)), ("content-type", "application/json")]
        )
        h2_connection.send_data(stream.id, body, end_stream=True)
        about = {"connection": self.number, "nth": stream.nth, "path": stream.path}
        self._protocol.ledger.write("response", status=status, **about)

    def refuse(
        self, stream: Stream, code: h2.errors.ErrorCodes = h2.errors.ErrorCodes.REFUSED_STREAM
    ) -> None:
        """End a request's stream with RST_STREAM. Without a `code` it says "not processed".

        That is REFUSED_STREAM (RFC 9113, 8.7). Other codes say nothing of it.
        """
        self._protocol.h2.reset_stream(stream.id, code)

    def goaway(
        self,
        last: Stream | None = None,
        code: h2.errors.ErrorCodes = h2.errors.ErrorCodes.NO_ERROR,
    ) -> None:
        """Send GOAWAY (RFC 9113, 6.8): no stream after `last` was or will be processed.

        Without a `last` the frame says 0: none at all was. Streams up to `last` may still be
        answered; for those after it the rule is not called. The connection stays open. `code` is
        why the server says it; what `last` promises holds with each of them.
        """
        last_id = last.id if last else 0
        self._protocol.goaway_after = last_id
        # Past h2, whose state machine would send nothing more after a GOAWAY of its own.
        self._protocol.flush()
        frame = GoAwayFrame(stream_id=0, last_stream_id=last_id, error_code=code)
        self._protocol.pending += frame.serialize()

    def close(self) -> None:
        """Send what is to be sent, then a FIN.

        It waits for the client's word that it has the SETTINGS (RFC 9113, 6.5.3), which is under
        way on a new connection: a close with that unread would be an RST (RFC 2525, 2.17).
        """
        self._protocol.send()
        self._protocol.closing = True
        self._protocol.close_if_due()

    def reset(self) -> None:
        """Drop the connection with an RST, and all its streams with it."""
        self._protocol.was_reset = True
        reset(self._protocol.transport)


Rule = Callable[[Connection, Stream], None]


def answer(connection: Connection, stream: Stream) -> None:
    """Answer each request at once: the rule of a server that is well."""
    connection.answer(stream)


class Http2Server(Background):
    """An HTTP/2 server on a loopback port, in a daemon thread, with a ledger of what it sees.

    `rule(connection, stream)` is called for each request, in the server's thread, when all of the
    request is there; it answers, or does not, or keeps the stream to answer it at a later one. What
    it raises ends the connection. `max_streams` is the SETTINGS_MAX_CONCURRENT_STREAMS that the
    server announces (RFC 9113, 6.5.2).

    The client raises: `httpx.RemoteProtocolError`, whose message is the GOAWAY as h2 writes it
    (`<ConnectionTerminated ...>`), the RST_STREAM (`<StreamReset ...>`) or `Server disconnected`;
    after an RST `httpx.ReadError`, whose `str()` is empty.

    Use it as a context manager or with `start()` and `stop()`, both of which do no harm when called
    twice; a server that nothing refers to any more stops by itself.

    Raises `ValueError` for a `max_streams` below 1.
    """

    def __init__(self, rule: Rule = answer, *, max_streams: int = 100) -> None:
        if max_streams < 1:
            raise ValueError(f"max_streams must be 1 or more, not {max_streams!r}")
        self.ledger = Ledger()
        self._protocols: set[_Protocol] = set()
        make = functools.partial(_Protocol, rule, max_streams, self.ledger, self._protocols)
        main = functools.partial(_serve, make, self.ledger, self._protocols)
        super().__init__("HTTP/2 server", "server-http2", main)

    def each(self, action: Callable[[Connection], None]) -> None:
        """Call `action(connection)` for each open connection, in the server's thread, and wait.

        What lies in the sockets is read first: a close with something unread would be an RST. So a
        cell decides when the server says goodbye: `server.each(lambda c: c.goaway())`.

        Raises `RuntimeError` while the server does not run.
        """
        if self._serving is None:
            raise RuntimeError("the HTTP/2 server is not running")
        protocols = self._protocols
        self.ledger.settle()

        def on_all() -> None:
            for protocol in list(protocols):
                action(protocol.connection)
                protocol.send()

        self._serving.call(on_all, CALL_TIMEOUT)

    def __repr__(self) -> str:
        return f"<Http2Server {self.url if self.running else 'not running'}>"


class _Protocol(asyncio.Protocol):
    """One connection's bytes, with h2 for what they mean. It does not refer to the server."""

    def __init__(
        self, rule: Rule, max_streams: int, ledger: Ledger, protocols: set["_Protocol"]
    ) -> None:
        self.rule = rule
        self.max_streams = max_streams
        self.ledger = ledger
        self.protocols = protocols
        self.requests: dict[int, Stream] = {}  # whose end has not arrived yet
        self.received = 0
        self.client_sent_eof = False
        self.was_reset = False
        self.acknowledged = False  # the SETTINGS, by the client
        self.closing = False
        self.goaway_after: int | None = None
        self.pending = b""
        self.h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        )

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        number = self.ledger.opened(transport.get_extra_info("peername")).connection
        self.connection = Connection(number, self)
        self.protocols.add(self)
        most = {h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: self.max_streams}
        self.h2.local_settings = h2.settings.Settings(client=False, initial_values=most)
        self.h2.initiate_connection()
        self.send()

    def data_received(self, data: bytes) -> None:
        try:
            events = self.h2.receive_data(data)
        except h2.exceptions.ProtocolError:  # not HTTP/2
            self.send()
            self.transport.close()
            return
        for event in events:
            match event:
                case h2.events.RequestReceived():
                    self.on_request(event)
                case h2.events.DataReceived():
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                case h2.events.SettingsAcknowledged():
                    self.acknowledged = True
                case h2.events.StreamEnded():
                    self.on_end(self.requests.pop(event.stream_id))
        self.send()
        self.close_if_due()

    def on_request(self, event: h2.events.RequestReceived) -> None:
        headers = dict(event.headers)
        path, _, query = headers[":path"].partition("?")
        self.received += 1
        stream = Stream(event.stream_id, self.received, headers[":method"], path)
        self.requests[stream.id] = stream
        about = {"connection": self.connection.number, "nth": stream.nth}
        self.ledger.write("request", method=stream.method, path=path, query=query, **about)

    def on_end(self, stream: Stream) -> None:
        left_out = self.goaway_after is not None and stream.id > self.goaway_after
        self.connection.streams.append(stream)
        if not left_out and not self.closing and not self.transport.is_closing():
            self.rule(self.connection, stream)

    def close_if_due(self) -> None:
        if self.closing and self.acknowledged:
            self.transport.close()

    def flush(self) -> None:
        self.pending += self.h2.data_to_send()

    def send(self) -> None:
        """Write what is to be sent, in one piece."""
        self.flush()
        pending, self.pending = self.pending, b""
        if pending and not self.transport.is_closing():
            self.transport.write(pending)

    def eof_received(self) -> None:
        self.client_sent_eof = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.protocols.discard(self)
        by_client = self.client_sent_eof or isinstance(exc, OSError)
        by, was_reset = "client" if by_client else "server", self.was_reset or exc is not None
        self.ledger.write("closed", connection=self.connection.number, by=by, reset=was_reset)


async def _serve(
    make: Callable[[], _Protocol], ledger: Ledger, protocols: set[_Protocol], worker: Worker
) -> None:
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(make, HOST, 0)
    try:
        worker.port = listening.sockets[0].getsockname()[1]
        ledger.settle = functools.partial(worker.wait_for_turns, SETTLE_TURNS, CALL_TIMEOUT)
        worker.ready.set()
        await worker.stop_requested.wait()
    finally:
        await stop_listening(listening)
        for protocol in list(protocols):
            protocol.transport.abort()
        while protocols:
            await asyncio.sleep(0)
