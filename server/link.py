"""A TCP proxy between a client and a server that takes its time: latency, in both directions.

Lessons import it from `server.wire`. It knows bytes, FIN and RST, and nothing of HTTP.
"""

import asyncio
import contextlib
from collections import deque
from urllib.parse import urlsplit

from server.background import HOST, Background, Worker, stop_listening
from server.params import MAX_SECONDS
from server.protocol import reset

# How much may be under way in one direction of a link: at 50 ms that allows 168 MB/s.
LINK_BYTES = 8 * 1024 * 1024


class Link(Background):
    """A TCP proxy that stands for a long line: each direction takes `delay` seconds.

    On the wire: bytes, a FIN and an RST leave the link `delay` seconds after they entered it, in
    order; a connection to the target is opened `delay` seconds after the client's. It is a pipe
    with latency and not a narrow one: many pieces are under way at a time, up to 8 MiB in each
    direction, and then the sender has to wait as on any full line. The one thing that it cannot
    delay is the client's own handshake, which the kernel does.
    The client raises: nothing because of the link, but the keep-alive race becomes easy to lose:
    `httpx.RemoteProtocolError: Server disconnected without sending a response.`

    `target_url` is `http://127.0.0.1:PORT`, as `LocalServer.url` gives it. `delay` is in seconds,
    30 at most. Use it as a context manager or with `start()` and `stop()`, both of which do no harm
    when called twice; a link that nothing refers to any more stops by itself.

    Raises `ValueError` for a target that is not a loopback URL with a port, and for a delay out of
    range.
    """

    def __init__(self, target_url: str, delay: float) -> None:
        if not (isinstance(delay, int | float) and 0 <= delay <= MAX_SECONDS):
            raise ValueError(f"delay must be from 0 to {MAX_SECONDS:g} seconds, not {delay!r}")
        self.target_url = target_url
        self.delay = delay
        self._line = self._make_line(_loopback_address(target_url))
        super().__init__("link", "server-link", self._line.serve)

    def _make_line(self, target: tuple[str, int]) -> "Line":
        return Line(target, self.delay)

    @property
    def connections(self) -> int:
        """How many connections the link has taken from clients since it was made."""
        return self._line.accepted

    def start(self) -> None:
        """Start the link on a free port. Does nothing if it runs already."""
        super().start()

    def stop(self) -> None:
        """Cut its connections and stop the link. Does nothing if it does not run."""
        super().stop()

    def __repr__(self) -> str:
        return f"<Link of {self.delay:g} s to {self.target_url}>"


def _loopback_address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)  # its `port` raises ValueError for one that is no number or out of range
    if parts.scheme != "http" or parts.hostname not in (HOST, "localhost") or not parts.port:
        raise ValueError(f"the target must be like http://{HOST}:8000, not {url!r}")
    return HOST, parts.port


class Line:
    """The part of a `Link` that its thread uses. It does not refer to the link."""

    def __init__(self, target: tuple[str, int], delay: float) -> None:
        self.client_end: type[ClientEnd] = ClientEnd
        self.target_end: type[TargetEnd] = TargetEnd
        self.target = target
        self.delay = delay
        self.accepted = 0
        self.ends: set[End] = set()

    async def serve(self, worker: Worker) -> None:
        loop = asyncio.get_running_loop()
        listening = await loop.create_server(lambda: self.client_end(self), HOST, 0)
        try:
            worker.port = listening.sockets[0].getsockname()[1]
            worker.ready.set()
            await worker.stop_requested.wait()
        finally:
            await stop_listening(listening)
            for end in list(self.ends):
                end.abort()
            while self.ends:
                await asyncio.sleep(0)


class End(asyncio.Protocol):
    """One socket of the link. What it receives is sent by the `other` one, a delay later."""

    FIN = object()
    RST = object()

    def __init__(self, line: Line) -> None:
        self.line = line
        self.loop = asyncio.get_running_loop()
        self.other: End | None = None
        self.under_way: deque[tuple[float, object]] = deque()  # when it is due, and what
        self.bytes_under_way = 0
        self.received = 0  # bytes, in all
        self.timer: asyncio.TimerHandle | None = None
        self.writable = True
        self.received_fin = False
        self.sent_fin = False

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.line.ends.add(self)

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        self.bytes_under_way += len(data)
        if self.bytes_under_way >= LINK_BYTES:
            self.transport.pause_reading()
        self.depart(data)

    def eof_received(self) -> bool:
        self.received_fin = True
        self.depart(self.FIN)
        self.close_if_done()
        return True  # leaves the other direction open

    def connection_lost(self, exc: Exception | None) -> None:
        self.line.ends.discard(self)
        if exc is not None:
            self.depart(self.RST)

    def pause_writing(self) -> None:
        self.writable = False

    def resume_writing(self) -> None:
        self.writable = True
        self.other.arrive()

    def depart(self, what: object) -> None:
        self.under_way.append((self.loop.time() + self.line.delay, what))
        if self.timer is None:
            self.arrive()

    def arrive(self, due: float = 0.0) -> None:
        """Hand over what is due, and come back for the rest. A timer may be early by its grain."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        while self.under_way and self.other is not None and self.other.writable:
            when, what = self.under_way[0]
            if when > max(due, self.loop.time()):
                self.timer = self.loop.call_at(when, self.arrive, when)
                return
            self.under_way.popleft()
            if isinstance(what, bytes):
                self.bytes_under_way -= len(what)
                self.transport.resume_reading()
            self.other.send(what)

    def send(self, what: object) -> None:
        if self.transport.is_closing():
            return
        if what is self.RST:
            reset(self.transport)
        elif what is self.FIN:
            self.sent_fin = True
            with contextlib.suppress(OSError):  # the peer has reset the connection just now
                self.transport.write_eof()
            self.close_if_done()
        else:
            self.transport.write(what)

    def close_if_done(self) -> None:
        if self.received_fin and self.sent_fin:
            self.transport.close()

    def abort(self) -> None:
        self.transport.abort()


class ClientEnd(End):
    """The end that clients connect to: it opens the connection to the target."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self.line.accepted += 1
        self.connecting = self.loop.create_task(self.connect())

    async def connect(self) -> None:
        await asyncio.sleep(self.line.delay)
        try:
            await self.loop.create_connection(lambda: self.line.target_end(self), *self.line.target)
        except OSError:  # nobody listens there (any more)
            await asyncio.sleep(self.line.delay)
            self.send(self.RST)

    def abort(self) -> None:
        self.connecting.cancel()
        super().abort()


class TargetEnd(End):
    """The end at the target."""

    def __init__(self, client_end: ClientEnd) -> None:
        super().__init__(client_end.line)
        self.other = client_end

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self.other.other = self
        self.other.arrive()
