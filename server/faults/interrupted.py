"""A long answer stops in the middle, and may be asked for from there.

`/interrupted/events` sends server-sent events, numbered, the last of which says `[DONE]`; with
`Last-Event-ID: k` it goes on after event k (WHATWG HTML, 9.2). `/interrupted/file` sends numbered
lines of ten bytes; it takes `Range: bytes=k-` and `If-Range` (RFC 9110, 14.2 and 13.1.5).

On the wire, and what the client raises, by `how`:
`close`: a FIN; `httpx.RemoteProtocolError: peer closed connection without sending complete message
body (...)`. `reset`: an RST; `httpx.ReadError('')`, and what was not read yet may be lost.
`stall`: nothing, and a FIN after the longest delay; `httpx.ReadTimeout('')`.
`end`: the chunk of length zero, as if that were all; nothing is raised. `bare`: the events come
with neither chunks nor a length, so that the FIN is the body's end (RFC 9112, 6.3); nothing is
raised.
"""

import re
from collections.abc import AsyncIterator
from typing import Literal

from pydantic import Field
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from server.faults.common import NoResponse
from server.origin import OwnOriginOnly
from server.params import MAX_PIECES, MAX_SECONDS, NAME_PATTERN, Params, takes
from server.protocol import Connection
from server.state import connection_of, counters_of

LINE = 10  # bytes: "v1 000017" and a line feed


class Events(Params):
    n: int = Field(10, ge=1, le=MAX_PIECES, description="events in all")
    sent: int = Field(4, ge=0, le=MAX_PIECES, description="events of one answer until it stops")
    how: Literal["close", "reset", "stall", "end", "bare"] = Field(
        "close", description="in which way it stops"
    )


@takes(Events)
async def events(request: Request, params: Events) -> Response:
    """Sends numbered events, and stops in the middle; Last-Event-ID goes on from there."""
    connection = connection_of(request)
    seen = request.headers.get("last-event-id", "")
    first = int(seen) + 1 if re.fullmatch(r"\d{1,6}", seen) else 1
    if first > params.n:
        return Response(status_code=204)  # says: do not come back
    numbers = range(first, min(first + params.sent, params.n + 1))
    whole = numbers.stop > params.n
    if params.how == "bare":
        connection.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
        for number in numbers:
            connection.write(event(number, params.n))
        await connection.close()
        return NoResponse()

    async def body() -> AsyncIterator[bytes]:
        for number in numbers:
            yield event(number, params.n)
        if not whole:
            await stop(connection, params.how)

    return StreamingResponse(body(), media_type="text/event-stream")


def event(number: int, last: int) -> bytes:
    """Return one event as it goes over the wire."""
    data = "[DONE]" if number == last else f"word-{number}"
    return f"id: {number}\ndata: {data}\n\n".encode()


async def stop(connection: Connection, how: str) -> None:
    """End the connection as `how` says; "end" leaves it to uvicorn to end the body."""
    match how:
        case "close":
            await connection.close()
        case "reset":
            await connection.reset()
        case "stall":
            if not await connection.lost_within(MAX_SECONDS):
                await connection.close()


class File(Params):
    lines: int = Field(1000, ge=1, le=100_000, description="lines of the file, 10 bytes each")
    sent: int = Field(4000, ge=1, le=1_000_000, description="bytes of one answer until it stops")
    how: Literal["close", "reset", "stall"] = Field("close", description="in which way it stops")
    ranges: Literal["bytes", "none"] = Field("bytes", description="whether it takes a Range")
    broken: int = Field(
        MAX_PIECES, ge=0, le=MAX_PIECES, description="how many requests of a key break off"
    )
    edited: int = Field(
        0, ge=0, le=MAX_PIECES, description="the request from which on it is another file, or 0"
    )
    key: str = Field("default", pattern=NAME_PATTERN, description="whose requests are counted")


@takes(File)
async def file(request: Request, params: File) -> Response:
    """Sends a file, and stops in the middle; a Range goes on from there."""
    connection = connection_of(request)
    k = counters_of(request).next(("file", params))
    version = 2 if params.edited and k >= params.edited else 1
    whole = b"".join(b"v%d %06d\n" % (version, number) for number in range(params.lines))
    headers = {"etag": f'"v{version}"', "accept-ranges": params.ranges}
    start, status = first_byte(request, headers), 200
    if start is not None:
        if start >= len(whole):
            return Response(status_code=416, headers={"content-range": f"bytes */{len(whole)}"})
        status = 206
        headers["content-range"] = f"bytes {start}-{len(whole) - 1}/{len(whole)}"
    rest = whole[start or 0 :]
    headers["content-length"] = str(len(rest))

    async def body() -> AsyncIterator[bytes]:
        yield rest[: params.sent]
        if k > params.broken:
            yield rest[params.sent :]
        elif len(rest) > params.sent:
            await stop(connection, params.how)

    return StreamingResponse(body(), status, headers, media_type="text/plain")


def first_byte(request: Request, headers: dict[str, str]) -> int | None:
    """Return where the request's Range begins; None if it is to be answered with the whole."""
    asked = re.fullmatch(r"bytes=(\d{1,9})-", request.headers.get("range", ""))
    if asked is None or headers["accept-ranges"] == "none":
        return None
    if request.headers.get("if-range", headers["etag"]) != headers["etag"]:
        return None
    return int(asked[1])


ROUTES = [
    Route("/interrupted/events", events, methods=["GET", "POST"]),
    # Each request is counted.
    Route(
        "/interrupted/file", file, methods=["GET", "POST"], middleware=[Middleware(OwnOriginOnly)]
    ),
]
