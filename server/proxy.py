"""An HTTP proxy on loopback, which works, refuses, or dies: what stands between a client and all.

It takes both forms that clients use (RFC 9110, 9.3.6, and RFC 9112, 3.2.2): `CONNECT host:port`
for a tunnel, through which a client speaks TLS, and `GET http://host:port/path` for a plain one.
"""

import asyncio
import contextlib
import functools
from typing import Literal
from urllib.parse import urlsplit

from server.background import HOST, Background, Worker, stop_listening

How = Literal["works", "refuses", "asks", "dies"]
REFUSALS = {
    "refuses": b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
    "asks": b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n"
    b"Content-Length: 0\r\n\r\n",
}
PIECE = 64 * 1024
MOST_HEAD = 64 * 1024


class Proxy(Background):
    """An HTTP proxy in a daemon thread. `asked` are the requests that it got, as `METHOD target`.

    how: "works" forwards and tunnels, to loopback only. "refuses" answers 502 to all, as a proxy
    does that cannot reach the target. "asks" answers 407: it wants a password. "dies" takes the
    request, answers a CONNECT with 200, and closes the connection.

    On the wire: a plain request is forwarded with `Connection: close`, so that each connection
    carries one. A tunnel carries bytes both ways until either side closes.
    The client raises: for https `httpx.ProxyError: 502 Bad Gateway` (or `407 ...`), and
    `httpx.ConnectError` when the tunnel dies; for http nothing, the 502 is a response, and
    `httpx.RemoteProtocolError` when the proxy dies.

    Use it as a context manager or with `start()` and `stop()`, both of which do no harm when called
    twice; a proxy that nothing refers to any more stops by itself.

    Raises `ValueError` for a `how` that is none of these.
    """

    def __init__(self, how: How = "works") -> None:
        if how not in ("works", "dies", *REFUSALS):
            raise ValueError(f"how must be 'works', 'refuses', 'asks' or 'dies', not {how!r}")
        self.how = how
        self.asked: list[str] = []
        super().__init__("proxy", "server-proxy", functools.partial(_serve, how, self.asked))

    def __repr__(self) -> str:
        return f"<Proxy that {self.how} {self.url if self.running else 'and is not running'}>"


async def _serve(how: How, asked: list[str], worker: Worker) -> None:
    writers: set[asyncio.StreamWriter] = set()  # to clients and to targets

    async def taken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        try:
            # A ValueError comes of a request that is none.
            with contextlib.suppress(OSError, EOFError, ValueError, asyncio.LimitOverrunError):
                await _handle(how, asked, reader, writer, writers)
        finally:
            await _closed(writer)
            writers.discard(writer)

    listening = await asyncio.start_server(taken, HOST, 0, limit=MOST_HEAD)
    try:
        worker.port = listening.sockets[0].getsockname()[1]
        worker.ready.set()
        await worker.stop_requested.wait()
    finally:
        await stop_listening(listening)
        while writers:
            for writer in list(writers):
                writer.transport.abort()
            await asyncio.sleep(0)


async def _handle(
    how: How,
    asked: list[str],
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    writers: set[asyncio.StreamWriter],
) -> None:
    """Do with one client's request what the proxy is there for."""
    while head := await reader.readuntil(b"\r\n\r\n"):
        line, _, fields = head.partition(b"\r\n")
        method, target, version = line.decode("latin-1").split(" ")
        asked.append(f"{method} {target}")
        if how == "dies":
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            return
        if how in REFUSALS:
            writer.write(REFUSALS[how])
            continue
        to_reader, to_writer = await _connected(target, method, writer)
        if to_writer is None:
            continue
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            path = target.split("/", 3)[3] if target.count("/") > 2 else ""
            to_writer.write(f"{method} /{path} {version}\r\nConnection: close\r\n".encode())
            to_writer.write(_without_connection(fields))
        writers.add(to_writer)
        try:
            await _piped(reader, writer, to_reader, to_writer)
        finally:
            writers.discard(to_writer)
        return


async def _connected(
    target: str, method: str, writer: asyncio.StreamWriter
) -> tuple[asyncio.StreamReader | None, asyncio.StreamWriter | None]:
    """Connect to the target; answer 502 and return nothing where that cannot be reached."""
    parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
    try:
        if parts.hostname not in (HOST, "localhost"):
            raise OSError("this proxy reaches loopback only")
        return await asyncio.open_connection(HOST, parts.port)
    except OSError:
        writer.write(REFUSALS["refuses"])
        return None, None


def _without_connection(fields: bytes) -> bytes:
    lines = fields.split(b"\r\n")
    return b"\r\n".join(line for line in lines if not line.lower().startswith(b"connection:"))


async def _piped(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    to_reader: asyncio.StreamReader,
    to_writer: asyncio.StreamWriter,
) -> None:
    """Carry bytes both ways until either side has closed."""
    ways = [
        asyncio.create_task(_carry(reader, to_writer)),
        asyncio.create_task(_carry(to_reader, writer)),
    ]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        await _closed(to_writer)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(PIECE):
        writer.write(piece)
        await writer.drain()


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
