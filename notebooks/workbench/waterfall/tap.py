"""How a client is recorded: what httpx and httpcore tell about each request, and when.

httpx tells in three public places. A request hook says that a request begins. httpcore's trace
extension (https://www.encode.io/httpcore/extensions/) says what becomes of it on its connection.
The authentication flow, which httpx closes when a request fails, says so of a request that never
got a connection: waiting for the pool has no trace event. A request with `auth=` of its own has no
such flow to watch; if it gets no connection, its end is not known.
"""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import anyio
import httpx

from server.ledger import Event, clock

PHASE_OF_STEP = {
    "connect_tcp": "connect",
    "connect_unix_socket": "connect",
    "start_tls": "tls",
    "send_request_headers": "send",
    "send_request_body": "send",
    "receive_response_headers": "wait",
    "receive_response_body": "receive",
}
DOING = {
    "pool": "waiting for a connection",
    "connect": "connecting",
    "tls": "setting up TLS",
    "send": "sending the request",
    "wait": "waiting for the response",
    "held": "holding the response open",
    "receive": "receiving the response body",
}
# Between sending and waiting lies one turn of the event loop, in which a cancellation may come or
# not: both are told in the same words.
BEFORE = {
    "pool": "before it had a connection",
    "connect": "before it had a connection",
    "tls": "before it had a connection",
    "send": "before it had a response",
    "wait": "before it had a response",
    "held": "before the end of its body",
    "receive": "before the end of its body",
}


@dataclass
class Phase:
    """A part of a request: its name (a key of `DOING`), start and end in seconds on `clock`."""

    name: str
    start: float
    end: float | None = None


@dataclass(eq=False)
class Connection:
    """A connection of a client, known by the client's address.

    `opening` is when the client began to connect, None if that was before the block. `number`
    counts the block's connections from 1, in the order of the calls that first used them.
    `ledger_number` is the server's own number for it, None where no entry of the ledger has this
    address, as behind a proxy.
    """

    address: tuple[str, int]
    opening: float | None = None
    number: int = 0
    ledger_number: int | None = None


@dataclass(eq=False)
class Exchange:
    """A request and what came of it, as its client saw it. Times are in seconds on `clock`.

    Its phases follow each other: `pool` (waiting for a connection), `connect`, `tls`, `send`,
    `wait` (until the response's headers), `held` (the response is open and nobody reads it) and
    `receive` (the body). A phase that was under way at the end of the block has no end.
    `connection` is None where there was none, and where it is not known which one it was.
    `status` is 0 without a response, `failure` is the name of the exception's type, or empty,
    `whole` says whether the body was received to its end, and `ended` is None for a request that
    did not end within the block.
    """

    method: str
    path: str
    query: str
    origin: tuple[str, str, int | None]
    phases: list[Phase]
    connection: Connection | None = None
    status: int = 0
    failure: str = ""
    whole: bool = False
    ended: float | None = None

    @property
    def started(self) -> float:
        """When httpx began with it."""
        return self.phases[0].start

    @property
    def on_the_wire(self) -> tuple[float, float]:
        """From when to when it had a connection; to infinity if it did not end."""
        return self.phases[1].start, math.inf if self.ended is None else self.ended

    @property
    def reused(self) -> bool:
        """Whether it was sent on a connection that was open before."""
        names = [phase.name for phase in self.phases]
        return "send" in names and "connect" not in names

    @property
    def label(self) -> str:
        """The request in words: `GET /echo`."""
        return f"{self.method} {self.path}"

    @property
    def outcome(self) -> str:
        """What came of it: `answered`, `failed with ReadError`, `left open`, ..."""
        if self.failure == "CancelledError":
            return "cancelled"
        if self.failure:
            return f"failed with {self.failure}"
        if self.ended is not None:
            return "answered" if self.whole else "closed early"
        if self.phases[-1].name == "pool":
            return "without a connection"
        return "left open" if self.status else "unfinished"

    def describe(self) -> str:
        """Return the request and what came of it, without its connection and its times."""
        said = f"{self.label} {self.status}" if self.status else self.label
        phase = self.phases[-1].name
        match self.outcome:
            case "answered":
                return said
            case "closed early":
                return f"{said} closed before the end of its body"
            case "left open":
                return f"{said} left open"
            case "unfinished" | "without a connection" as state:
                return f"{said} {state} at the end of the block"
            case "cancelled":
                return f"{said} cancelled {BEFORE[phase]}"
            case failed:
                return f"{said} {failed} while {DOING[phase]}"

    def describe_connection(self, numbered: bool = True) -> str:
        """Return in words which connection it used; empty where there was none."""
        if self.connection is None:
            return "a reused connection" if self.reused else ""
        kind = "reused" if self.reused else "new"
        return f"{kind} connection {self.connection.number}" if numbered else f"a {kind} connection"

    def begin(self, name: str, now: float) -> None:
        """Begin a phase, where the one before ends; the same phase once more goes on."""
        self.close_phase(now)
        if self.phases[-1].name == name:
            self.phases[-1].end = None
        else:
            self.phases.append(Phase(name, now))

    def close_phase(self, now: float) -> None:
        """End the phase that is under way, if there is one."""
        if self.phases[-1].end is None:
            self.phases[-1].end = now

    def end(self, now: float) -> None:
        """End the exchange."""
        self.close_phase(now)
        self.ended = now


class Tap(httpx.Auth):
    """What is attached to one client while it is recorded: two hooks, and itself as `auth`.

    `exchanges` and `connections` are what it has recorded. It passes on to the client's own
    authentication.
    """

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client: httpx.AsyncClient | None = client
        self.exchanges: list[Exchange] = []
        self.connections: list[Connection] = []
        self.recording = True
        self._clients_auth = client.auth
        client.auth = self
        # Last, so that the time that other hooks take is not counted as waiting for the pool.
        client.event_hooks["request"].append(self._on_request)
        # First, because another hook may raise.
        client.event_hooks["response"].insert(0, self._on_response)

    def detach(self) -> None:
        """Record no more, take from the client what was attached and is still there, let it go."""
        client, self.client = self.client, None
        self.recording = False
        hooks = client.event_hooks
        for kind, hook in (("request", self._on_request), ("response", self._on_response)):
            if hook in hooks[kind]:
                hooks[kind].remove(hook)
        if client.auth is self:
            client.auth = self._clients_auth

    def connected(self, stream: Any, opening: float | None) -> Connection | None:
        """Return the connection that has this network stream; a new one if it just opened."""
        try:
            address = stream.get_extra_info("client_addr")
        except OSError:  # its socket is closed already
            return None
        if not isinstance(address, tuple):  # a Unix socket: its clients have no names
            return None
        if opening is None:
            for known in reversed(self.connections):
                if known.address == address[:2]:
                    return known
        self.connections.append(Connection(address[:2], opening))
        return self.connections[-1]

    async def _on_request(self, request: httpx.Request) -> None:
        # Has anyio load its backend, which would otherwise look like a wait of the first request.
        anyio.Event()
        url = request.url
        exchange = Exchange(
            method=request.method,
            path=url.path,
            query=url.query.decode("ascii"),
            origin=(url.scheme, url.host, url.port),
            phases=[Phase("pool", clock())],
        )
        trace = _Trace(self, exchange, request.extensions.get("trace"))
        if before := self._trace_of(request):
            before.successor = trace
        request.extensions["trace"] = trace
        self.exchanges.append(exchange)

    async def _on_response(self, response: httpx.Response) -> None:
        trace = self._trace_of(response.request)
        if trace is None or not self.recording:
            return
        exchange = trace.exchange
        exchange.status = response.status_code
        stream = response.extensions.get("network_stream")
        if stream is None:  # a transport that is not httpcore's traces nothing: this is the end
            exchange.whole = True
            exchange.end(clock())
        elif exchange.connection is None:
            exchange.connection = self.connected(stream, opening=None)

    def async_auth_flow(self, request: httpx.Request) -> "_AuthFlow":
        auth = self._clients_auth
        if auth is None:  # what httpx does without one: credentials in the URL, or none
            url = request.url
            auth = httpx.BasicAuth(url.username, url.password) if url.userinfo else httpx.Auth()
        return _AuthFlow(self, request, auth.async_auth_flow(request))

    def failed(self, request: httpx.Request, error: BaseException) -> None:
        """Note that a request ended by an exception, unless it had its response before."""
        trace = self._trace_of(request)
        while trace and trace.successor:
            trace = trace.successor
        if trace is None or trace.exchange.status or not self.recording:
            return
        exchange = trace.exchange
        exchange.failure = exchange.failure or type(error).__name__
        if exchange.ended is None:
            exchange.end(clock())

    def _trace_of(self, request: httpx.Request) -> "_Trace | None":
        """Return this tap's trace of a request; another recorder may have wrapped it in its own."""
        trace = request.extensions.get("trace")
        while isinstance(trace, _Trace) and trace.tap is not self:
            trace = trace.wrapped
        return trace if isinstance(trace, _Trace) else None


class _AuthFlow:
    """An authentication flow that tells the tap with which exception httpx closes it.

    Not a generator: inside one, GeneratorExit would hide the exception that is on its way up.
    """

    def __init__(self, tap: Tap, request: httpx.Request, flow: Any) -> None:
        self.tap = tap
        self.request = request
        self.flow = flow

    def __anext__(self):
        return self.flow.__anext__()

    def asend(self, response: httpx.Response):
        return self.flow.asend(response)

    async def aclose(self) -> None:
        if (error := sys.exception()) is not None:
            self.tap.failed(self.request, error)
        await self.flow.aclose()


class _Trace:
    """httpcore's trace extension of one request; hands each event on to the user's, if any.

    `successor` is the trace of what followed from the same request: a redirect, another attempt.
    """

    def __init__(self, tap: Tap, exchange: Exchange, wrapped: Any) -> None:
        self.tap = tap
        self.exchange = exchange
        self.wrapped = wrapped
        self.successor: _Trace | None = None

    async def __call__(self, name: str, info: dict[str, Any]) -> None:
        if self.tap.recording and self.successor is None and self.exchange.ended is None:
            self._note(name, info)
        if self.wrapped is not None:
            await self.wrapped(name, info)

    def _note(self, name: str, info: dict[str, Any]) -> None:
        exchange, now = self.exchange, clock()
        _, step, state = name.split(".")
        match step, state:
            case "response_closed", "complete" | "failed":
                exchange.end(now)
            case _, "started" if step in PHASE_OF_STEP:
                exchange.begin(PHASE_OF_STEP[step], now)
                # httpcore goes on after some failures: it tries to connect again if told to, and
                # reads the response although the request could not be written to its end.
                exchange.failure = ""
            case _, "complete" if step in PHASE_OF_STEP:
                exchange.close_phase(now)
            case _, "failed" if step in PHASE_OF_STEP:
                exchange.close_phase(now)
                # GeneratorExit: nobody wants the rest of the body.
                if not isinstance(info["exception"], GeneratorExit):
                    exchange.failure = type(info["exception"]).__name__
        match step, state:
            case "connect_tcp", "complete":
                opening = exchange.phases[-1].start
                exchange.connection = self.tap.connected(info["return_value"], opening)
            case "receive_response_headers", "complete":
                exchange.begin("held", now)
            case "receive_response_body", "complete":
                exchange.whole = True


def find_reused(tap: Tap, events: Sequence[Event]) -> None:
    """Find the connections of requests that failed on a reused one before they had a response.

    httpcore does not tell which it was. It can only be one of the client's connections that was
    open and not in use. If there was one such, it is that; of several, the one on which the server
    received this very request meanwhile. Anything less certain stays unknown.

    The former needs all connections of the client to be known: its first request had to open one,
    and no response came on one from before the block.
    """
    sent = [exchange for exchange in tap.exchanges if len(exchange.phases) > 1]
    unknown = [exchange for exchange in sent if exchange.reused and not exchange.connection]
    all_known = bool(sent) and not sent[0].reused
    all_known = all_known and all(known.opening is not None for known in tap.connections)
    for exchange in unknown:
        free = [known for known in tap.connections if _was_free(known, exchange, sent)]
        if not all_known or len(free) > 1:
            received = _received_on(exchange, events, unknown)
            free = [known for known in free if known.ledger_number in received]
        if len(free) == 1:
            exchange.connection = free[0]


def _was_free(connection: Connection, exchange: Exchange, sent: Sequence[Exchange]) -> bool:
    """Return whether the connection may have carried the exchange."""
    begin, end = exchange.on_the_wire
    if connection.opening is not None and connection.opening > begin:
        return False
    users = [other for other in sent if other.connection is connection]
    for other in users:
        other_begin, other_end = other.on_the_wire
        if other_begin < end and begin < other_end:
            return False
        if other_end <= begin and other.outcome != "answered":
            return False  # httpcore has closed it
    return bool(users) and users[0].origin == exchange.origin


def _received_on(
    exchange: Exchange, events: Sequence[Event], unknown: Sequence[Exchange]
) -> set[int]:
    """Return the ledger's numbers of the connections on which it may have been received.

    None if another exchange with an unknown connection may have been the one received.
    """
    begin, end = exchange.on_the_wire
    message = (exchange.method, exchange.path, exchange.query)
    for other in unknown:
        other_begin, other_end = other.on_the_wire
        alike = (other.method, other.path, other.query) == message
        if other is not exchange and alike and other_begin < end and begin < other_end:
            return set()
    return {
        event.connection
        for event in events
        if (event.method, event.path, event.query) == message
        and event.kind == "request"
        and begin <= event.time <= end
    }
