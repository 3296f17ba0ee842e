"""A hop that forgets idle connections and tells nobody, as a NAT or a load balancer does.

On the wire: after `idle` seconds without traffic, or after `forget()`, nothing: neither side gets
a FIN or an RST. What either side sends from then on is dropped (`late="dropped"`), or answered
with an RST to the side that sent it (`late="reset"`). The server's own FIN is dropped, too, so the
client does not hear that the server closed.
The client raises, at its next request on that connection: `httpx.ReadTimeout`, after its limit
`read`, where late bytes are dropped; `httpx.ReadError` where they are reset. `str()` of both is
empty. The server has not seen that request.
"""

import socket
import struct
import sys
from typing import Literal, get_args

from server.link import ClientEnd, End, Line, Link, TargetEnd
from server.params import MAX_SECONDS
from server.protocol import reset

Late = Literal["dropped", "reset"]
# A connection is looked at so often in its idle time.
LOOKS = 8
CALL_TIMEOUT = 5.0
# Where `struct tcp_info` (linux/tcp.h) has `tcpi_segs_in`, an unsigned 32-bit number.
SEGMENTS_IN = 140


class ForgetfulLink(Link):
    """A `Link` that forgets connections. The module's docstring says what each side sees.

    `idle`: after so many seconds without traffic a connection is forgotten, an eighth later at
    most; without it only `forget()` does that. On Linux TCP keep-alive probes are traffic, as they
    are to a NAT; elsewhere a program cannot see them. `late`: what becomes of what is sent later.

    What it cannot imitate: its kernel acknowledges what it drops, so the sender's kernel does not
    send it again, as it would for minutes (man 7 tcp, tcp_retries2). The exception is the same.

    Raises `ValueError` as `Link` does, for an `idle` that is not above 0 and up to 30 seconds, and
    for another `late`.
    """

    def __init__(
        self,
        target_url: str,
        delay: float = 0.0,
        *,
        idle: float | None = None,
        late: Late = "dropped",
    ) -> None:
        in_range = isinstance(idle, int | float) and 0 < idle <= MAX_SECONDS
        if idle is not None and not in_range:
            raise ValueError(f"idle must be above 0 and up to {MAX_SECONDS:g} s, not {idle!r}")
        if late not in get_args(Late):
            raise ValueError(f"late must be 'dropped' or 'reset', not {late!r}")
        self.idle = idle
        self.late = late
        super().__init__(target_url, delay)

    def _make_line(self, target: tuple[str, int]) -> "ForgetfulLine":
        return ForgetfulLine(target, self.delay, self.idle, self.late)

    @property
    def forgotten(self) -> int:
        """How many connections the link has forgotten since it was made."""
        return self._line.forgotten

    def forget(self) -> int:
        """Forget all connections now, what is under way on them included; return how many.

        Raises `RuntimeError` while the link does not run.
        """
        worker = self._serving
        if worker is None:
            raise RuntimeError("the link is not running, so it has nothing to forget")
        return worker.call(self._line.forget, CALL_TIMEOUT)

    def __repr__(self) -> str:
        after = "when told to" if self.idle is None else f"after {self.idle:g} s"
        return f"<ForgetfulLink to {self.target_url} that forgets {after}>"


class ForgetfulLine(Line):
    """The part of a `ForgetfulLink` that its thread uses."""

    def __init__(
        self, target: tuple[str, int], delay: float, idle: float | None, late: Late
    ) -> None:
        super().__init__(target, delay)
        self.client_end, self.target_end = _ForgetfulClientEnd, _ForgetfulTargetEnd
        self.idle = idle
        self.late = late
        self.forgotten = 0

    def forget(self) -> int:
        """Forget every connection that is not forgotten yet. Return how many those were."""
        known = [end for end in self.ends if isinstance(end, ClientEnd) and not end.forgotten]
        for end in known:
            end.forget_both()
        return len(known)


class _Forgetful(End):
    """One socket of the link, which may forget to which other one it belongs."""

    forgotten = False

    def data_received(self, data: bytes) -> None:
        if self.forgotten:
            self.late_arrival()
        else:
            super().data_received(data)

    def eof_received(self) -> bool:
        if not self.forgotten:
            return super().eof_received()
        self.late_arrival()
        return True  # or asyncio would answer with a FIN

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(None if self.forgotten else exc)

    def late_arrival(self) -> None:
        if self.line.late == "reset":
            reset(self.transport)

    def forget(self) -> None:
        self.forgotten = True
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        self.under_way.clear()
        self.bytes_under_way = 0
        self.transport.resume_reading()


class _ForgetfulClientEnd(_Forgetful, ClientEnd):
    """The end that clients connect to. It looks after the idle time of both."""

    def connection_made(self, transport) -> None:
        super().connection_made(transport)
        if self.line.idle is not None:
            self.last_traffic = self.loop.time()
            self.seen = self.traffic()
            self.loop.call_later(self.line.idle / LOOKS, self.look)

    def look(self) -> None:
        """Forget the connection if nothing has come for long enough, or come back later."""
        ends = [end for end in (self, self.other) if end is not None]
        if self.forgotten or any(end.transport.is_closing() for end in ends):
            return
        now, traffic = self.loop.time(), self.traffic()
        if traffic != self.seen:
            self.last_traffic, self.seen = now, traffic
        if now - self.last_traffic >= self.line.idle:
            self.forget_both()
        else:
            self.loop.call_later(self.line.idle / LOOKS, self.look)

    def traffic(self) -> tuple[int, ...]:
        return tuple(_traffic(end) for end in (self, self.other) if end is not None)

    def forget_both(self) -> None:
        self.line.forgotten += 1
        if self.other is None:  # or it would close the other end
            self.connecting.cancel()
        for end in (self, self.other):
            if end is not None:
                end.forget()


class _ForgetfulTargetEnd(_Forgetful, TargetEnd):
    """The end at the target."""


def _traffic(end: End) -> int:
    """Return a number that grows with what comes in: TCP segments, or bytes where no more is told.

    What the link itself sends is seen in the acknowledgements.
    """
    if sys.platform == "linux":
        sock = end.transport.get_extra_info("socket")
        told = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, SEGMENTS_IN + 4)
        if len(told) == SEGMENTS_IN + 4:
            return struct.unpack_from("I", told, SEGMENTS_IN)[0]
    return end.received
