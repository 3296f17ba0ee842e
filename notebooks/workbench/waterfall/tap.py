"""How a client is recorded: what httpx and httpcore tell about each request, and when.

One tap stands on one client. `record` and `watch_pool` both use it. httpx offers little in public,
so the tap reads private state, all of it in this file (httpx 0.28.1, httpcore 1.0.9):

- A client sends each request, a redirect's too, by its `_send_single_request`: there a request
  begins, and there it fails, be it in the queue of the pool.
- httpcore's trace extension, which is public (https://www.encode.io/httpcore/extensions/), says
  what becomes of a request on its connection.
- The pool's `_requests` say which connection a request was assigned to.
- The pool calls its `_assign_requests_to_connections` whenever a request comes to it or leaves it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import anyio
import httpx

from server.ledger import clock
from workbench.waterfall.exchange import ClientConnection, Exchange, Phase

PHASE_OF_STEP = {
    "connect_tcp": "connect",
    "connect_unix_socket": "connect",
    "start_tls": "tls",
    "send_request_headers": "send",
    "send_request_body": "send",
    "receive_response_headers": "wait",
    "receive_response_body": "receive",
}


def pool_for(client: httpx.AsyncClient, url: str | httpx.URL) -> Any | None:
    """Return the pool of httpcore that this client's requests to a URL go through.

    A client has a pool for each proxy (one in the environment counts) and each of its `mounts=`,
    besides the one in its `_transport`. None if the transport for this URL has no pool.
    """
    return getattr(client._transport_for_url(httpx.URL(url)), "_pool", None)


def assignments(pool: Any) -> Iterator[tuple[Any, Any | None]]:
    """Give each request of a pool that is not done, with its connection, None while it waits.

    Both are httpcore's own objects. One connection may be assigned to several requests: the first
    that runs takes it, the others wait again.
    """
    for waiting in pool._requests:
        yield waiting.request, waiting.connection


@contextmanager
def wrapped(target: Any, name: str, around: Callable[..., Any]) -> Iterator[None]:
    """While the block runs, calls of this one object's method go to `around(method, *arguments)`.

    Blocks may be nested. One that ends before another that began later leaves its wrapper to that.
    """
    method = getattr(target, name)
    was_wrapped = name in vars(target)
    wrapper = partial(around, method)
    setattr(target, name, wrapper)
    try:
        yield
    finally:
        if vars(target).get(name) is wrapper:
            delattr(target, name)
            if was_wrapped:
                setattr(target, name, method)


class Tap:
    """What is attached to one client while it is recorded, and its `exchanges`.

    The client's own hooks, authentication and trace extensions keep working, and no request takes
    a turn of the loop more than without it. `client` is None once it is detached.
    """

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client: httpx.AsyncClient | None = client
        self.exchanges: list[Exchange] = []
        self._known: WeakKeyDictionary[Any, ClientConnection] = WeakKeyDictionary()

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Record the client's requests while the block runs."""
        try:
            with wrapped(self.client, "_send_single_request", self._send):
                yield
        finally:
            self.client = None

    async def _send(self, method: Callable, request: httpx.Request) -> httpx.Response:
        if self.client is None:
            return await method(request)
        # Has anyio load its backend, which would otherwise look like a wait of the first request.
        anyio.Event()
        headers = request.headers
        exchange = Exchange(
            method=request.method,
            path=request.url.path,
            phases=[Phase("pool", clock())],
            empty="transfer-encoding" not in headers and headers.get("content-length", "0") == "0",
        )
        self.exchanges.append(exchange)
        extensions = request.extensions
        pool = pool_for(self.client, request.url)
        trace = _Trace(self, exchange, pool, extensions.get("trace"))
        request.extensions = {**extensions, "trace": trace}
        try:
            response = await method(request)
        except BaseException as error:
            if self.client is not None:
                exchange.failure = type(error).__name__
                exchange.end(clock())
            raise
        finally:
            request.extensions = extensions
        if self.client is not None:
            exchange.status = response.status_code
            if "network_stream" not in response.extensions:  # not httpcore's: traces nothing
                exchange.whole = True
                exchange.end(clock())
        return response

    def connection_of(
        self, trace: "_Trace", opening: float | None = None, stream: Any = None
    ) -> ClientConnection | None:
        """Return the connection that the pool has assigned to a request, None if there is none.

        opening, stream: of a connection that this request has just opened.
        """
        for request, connection in assignments(trace.pool):
            if connection is not None and trace in _traces(request):
                if connection not in self._known:
                    address = _address(stream or _stream_of(connection))
                    self._known[connection] = ClientConnection(address, opening)
                return self._known[connection]
        return None


class _Trace:
    """httpcore's trace extension of one request; hands each event on to `wrapped`, if any."""

    def __init__(self, tap: Tap, exchange: Exchange, pool: Any, wrapped: Any) -> None:
        self.tap = tap
        self.exchange = exchange
        self.pool = pool
        self.wrapped = wrapped

    async def __call__(self, name: str, info: dict[str, Any]) -> None:
        if self.tap.client is not None and self.exchange.ended is None:
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
            case _, "complete" | "failed" if step in PHASE_OF_STEP:
                exchange.close_phase(now)
        match step, state:
            case "connect_tcp" | "connect_unix_socket", "complete":
                opening, stream = exchange.phases[-1].start, info["return_value"]
                exchange.connection = self.tap.connection_of(self, opening, stream)
            case "send_request_headers", "started":
                exchange.connection = self.tap.connection_of(self)
            case "receive_response_headers", "complete":
                exchange.begin("held", now)
            case "receive_response_body", "complete":
                exchange.whole = True
            case "receive_response_body", "failed":
                # GeneratorExit: nobody wants the rest of the body.
                if not isinstance(info["exception"], GeneratorExit):
                    exchange.failure = type(info["exception"]).__name__


def _traces(request: Any) -> Iterator["_Trace"]:
    """Give the traces on a request of httpcore's: taps wrap those of others."""
    trace = request.extensions.get("trace")
    while isinstance(trace, _Trace):
        yield trace
        trace = trace.wrapped


def _stream_of(connection: Any) -> Any:
    """Return the network stream of a connection that is open; a proxy's holds another."""
    while (inner := getattr(connection, "_connection", None)) is not None:
        connection = inner
    return getattr(connection, "_network_stream", None)


def _address(stream: Any) -> tuple[str, int] | None:
    try:
        address = stream.get_extra_info("client_addr")
    except OSError:  # its socket is closed already
        return None
    return address[:2] if isinstance(address, tuple) else None
