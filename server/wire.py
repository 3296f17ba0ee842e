"""Raw sockets, for what an ASGI application cannot express: connections that fail or are slow.

Here are ports without a server; the hops between a client and a server are `server.link` and
`server.forgetful`. Lessons import all of them from here. Each is a context manager with a `url`,
and all listen on loopback only.
"""

import select
import socket
import sys
from typing import Self

from server.background import HOST
from server.forgetful import ForgetfulLink
from server.link import Link

__all__ = ["ForgetfulLink", "FullQueue", "Link", "RefusedPort", "SilentListener", "refused"]


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

    On the wire: the client's SYN is dropped (man 2 listen), and sent again: after 1 s, 3 s, 7 s,
    or each second at first (tcp_syn_linear_timeouts, in newer kernels). It gets no answer, where
    other systems would send an RST.
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
