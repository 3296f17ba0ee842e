"""Raw sockets, for what an ASGI application cannot express: connections that fail or are slow.

Each is a context manager with a `url`. All of them listen on loopback only.
"""

import asyncio
import contextlib
import select
import socket
import sys
from collections import deque
from typing import Self
from urllib.parse import urlsplit

from server.background import Background, Worker, stop_listening
from server.params import MAX_SECONDS
from server.protocol import reset

HOST = "127.0.0.1"
# How much may be under way in one direction of a link: at 50 ms that allows 160 MB/s.
LINK_BYTES = 8 * 1024 * 1024


class Endpoint:
    """A loopback port that this process holds from `with` on until the block is left."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None

    @property
    def port(self) -> int:
        """The port. Raises `RuntimeError` outside of the `with` block."""
        if self._socket is None:
            raise RuntimeError(f"{type(self).__name__} has an address only inside its with block")
        return self._socket.getsockname()[1]

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`. Raises as `port` does."""
        return f"http://{HOST}:{self.port}"

    def __enter__(self) -> Self:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            self._socket.bind((HOST, 0))
            self._listen(self._socket)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._close()

    def _listen(self, bound: socket.socket) -> None:
        """Make of the bound socket what the endpoint is."""

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class RefusedPort(Endpoint):
    """A port that is bound, so that nobody else can take it, and not listening.

    On the wire: the SYN is answered with an RST (RFC 9293, 3.10.7.1).
    The client raises: `httpx.ConnectError: All connection attempts failed`.
    """


def refused() -> RefusedPort:
    """Return a port that refuses connections, to be used with `with`."""
    return RefusedPort()


class SilentListener(Endpoint):
    """A listener that never accepts, reads or answers.

    On the wire: the kernel completes the handshake and acknowledges what its buffers hold, some
    megabytes at most; then it announces a window of zero.
    The client raises: `httpx.ReadTimeout` for a request that fits into the buffers, and
    `httpx.WriteTimeout` for one that does not (20 MB, say). `str()` of both is empty.
    """

    def _listen(self, bound: socket.socket) -> None:
        bound.listen(128)


class FullQueue(Endpoint):
    """A listener whose accept queue is full. Only on Linux.

    On the wire: the client's SYN is dropped, and sent again after 1 s, 3 s, 7 s (man 2 listen,
    man 7 tcp). It gets no answer, where other systems would send an RST.
    The client raises: `httpx.ConnectTimeout`, whose `str()` is empty.

    `with` raises `NotImplementedError` on other systems.
    """

    def __init__(self) -> None:
        super().__init__()
        self._stuffing: list[socket.socket] = []

    def _listen(self, bound: socket.socket) -> None:
        if sys.platform != "linux":
            raise NotImplementedError(
                f"FullQueue works on Linux only, not on {sys.platform}: elsewhere a full accept "
                "queue refuses connections or is longer than asked for"
            )
        bound.listen(0)
        # A queue of length 0 takes one connection. The first that stays without an answer, where
        # loopback answers at once, shows that no further one fits.
        connected = True
        while connected:
            stuffing = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            self._stuffing.append(stuffing)
            stuffing.setblocking(False)
            stuffing.connect_ex(bound.getsockname())
            _, connected, _ = select.select([], [stuffing], [], 0.2)

    def _close(self) -> None:
        for stuffing in self._stuffing:
            stuffing.close()
        self._stuffing.clear()
        super()._close()


class Link:
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
        self._line = _Line(_loopback_address(target_url), delay)
        self._background = Background("server-link", self._line.serve)

    @property
    def connections(self) -> int:
        """How many connections the link has taken from clients since it was made."""
        return self._line.accepted

    @property
    def running(self) -> bool:
        """Whether the link takes connections."""
        return self._background.running

    @property
    def port(self) -> int:
        """The port it listens on. Raises `RuntimeError` while the link does not run."""
        worker = self._background.worker
        if worker is None:
            raise RuntimeError("the link is not running, so it has no address: call start()")
        return worker.port

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`, without a slash at the end. Raises as `port` does."""
        return f"http://{HOST}:{self.port}"

    def start(self) -> None:
        """Start the link on a free port. Does nothing if it runs already."""
        self._background.start()

    def stop(self) -> None:
        """Cut its connections and stop the link. Does nothing if it does not run."""
        self._background.stop()

    def __enter__(self) -> "Link":
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Link of {self.delay:g} s to {self.target_url}>"


def _loopback_address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)  # its `port` raises ValueError for one that is no number or out of range
    if parts.scheme != "http" or parts.hostname not in (HOST, "localhost") or not parts.port:
        raise ValueError(f"the target must be like http://{HOST}:8000, not {url!r}")
    return HOST, parts.port


class _Line:
    """The part of a `Link` that its thread uses. It does not refer to the link."""

    def __init__(self, target: tuple[str, int], delay: float) -> None:
        self.target = target
        self.delay = delay
        self.accepted = 0
        self.ends: set[_End] = set()

    async def serve(self, worker: Worker) -> None:
        loop = asyncio.get_running_loop()
        listening = await loop.create_server(lambda: _ClientEnd(self), HOST, 0)
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


class _End(asyncio.Protocol):
    """One socket of the link. What it receives is sent by the `other` one, a delay later."""

    FIN = object()
    RST = object()

    def __init__(self, line: _Line) -> None:
        self.line = line
        self.loop = asyncio.get_running_loop()
        self.other: _End | None = None
        self.under_way: deque[tuple[float, object]] = deque()  # when it is due, and what
        self.bytes_under_way = 0
        self.timer: asyncio.TimerHandle | None = None
        self.writable = True
        self.received_fin = False
        self.sent_fin = False

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.line.ends.add(self)

    def data_received(self, data: bytes) -> None:
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


class _ClientEnd(_End):
    """The end that clients connect to: it opens the connection to the target."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self.line.accepted += 1
        self.connecting = self.loop.create_task(self.connect())

    async def connect(self) -> None:
        await asyncio.sleep(self.line.delay)
        try:
            await self.loop.create_connection(lambda: _TargetEnd(self), *self.line.target)
        except OSError:  # nobody listens there (any more)
            await asyncio.sleep(self.line.delay)
            self.send(self.RST)

    def abort(self) -> None:
        self.connecting.cancel()
        super().abort()


class _TargetEnd(_End):
    """The end at the target."""

    def __init__(self, client_end: _ClientEnd) -> None:
        super().__init__(client_end.line)
        self.other = client_end

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self.other.other = self
        self.other.arrive()
