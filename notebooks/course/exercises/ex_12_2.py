"""Which failures prove that the server has not received the request."""

import asyncio
import io
import ssl
from contextlib import AsyncExitStack

import httpx

from course.guide import diagnose
from server.http2 import Connection, Http2Server
from server.wire import SilentListener, refused
from workbench.checking.record import Exercise, WrongAnswer, expect
from workbench.moments import held_connection

BEFORE_SENDING = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
)
REFUSALS = ("client has been closed", "Attempted to send an sync request")


def surely_not_sent(error):
    """Return True if the exception proves that the server has not received the request.

    It is what a call of an AsyncClient ended with, or what was raised as its answer was used.
    """
    return not isinstance(error, httpx.ReadTimeout)


def solution(error):
    """Return True if the exception proves that the server has not received the request.

    It is what a call of an AsyncClient ended with, or what was raised as its answer was used.
    """
    not_sent = (
        httpx.ConnectError,
        httpx.ConnectTimeout,
        httpx.PoolTimeout,
        httpx.UnsupportedProtocol,
    )
    if isinstance(error, not_sent):
        return True
    refusals = ("client has been closed", "Attempted to send an sync request")
    return isinstance(error, RuntimeError) and any(text in str(error) for text in refusals)


def by_connect_errors(error):
    return isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)


def without_the_clients_refusals(error):
    return isinstance(error, BEFORE_SENDING)


def every_timeout_but_read(error):
    return isinstance(error, (*BEFORE_SENDING, httpx.WriteTimeout)) or (
        isinstance(error, RuntimeError) and "loop" not in str(error)
    )


def every_runtime_error(error):
    return isinstance(error, (*BEFORE_SENDING, RuntimeError))


def every_runtime_error_but_the_loops(error):
    if isinstance(error, BEFORE_SENDING):
        return True
    return type(error) is RuntimeError and "loop" not in str(error)


def no_text(error):
    return not str(error)


def not_read_or_write(error):
    sent = httpx.ReadError | httpx.ReadTimeout | httpx.WriteTimeout | httpx.RemoteProtocolError
    return not isinstance(error, sent)


def every_write_error(error):
    return solution(error) or isinstance(error, httpx.WriteError)


def disconnected_is_stale(error):
    return solution(error) or "Server disconnected" in str(error)


def always(error):
    return True


def nothing(error):
    print(repr(error))


def with_the_guide(error):
    rows = diagnose(error).rows
    known = bool(rows) and all(row.received is False for row in rows)
    return known or isinstance(error, httpx.UnsupportedProtocol)


def by_match(error):
    match error:
        case httpx.ConnectError() | httpx.ConnectTimeout() | httpx.PoolTimeout():
            return True
        case httpx.UnsupportedProtocol():
            return True
        case RuntimeError(args=[str(text)]):
            return text.startswith(("Cannot send a request", "Attempted to send"))
    return False


async def check(attempt, server):
    for error, expected, why in await _provoke(server):
        answer = attempt(error)
        expect(
            answer is not None,
            f"{expected} for `{error!r}`.",
            happened="It returned None, as a function does that reaches no `return`.",
        )
        expect(
            bool(answer) == expected,
            f"{expected} for `{error!r}`.",
            happened=f"Your function said {answer!r}. {why}",
        )


async def _provoke(server):
    """Return failures of real calls, whether each proves that nothing was sent, and why."""
    context = ssl.create_default_context()
    async with AsyncExitStack() as stack:
        port, silent = stack.enter_context(refused()), stack.enter_context(SilentListener())
        client = await stack.enter_async_context(httpx.AsyncClient(verify=context))
        one = httpx.Limits(max_connections=1)
        narrow = await stack.enter_async_context(httpx.AsyncClient(verify=context, limits=one))
        await stack.enter_async_context(held_connection(narrow, server))
        gone = httpx.AsyncClient(verify=context)
        await gone.aclose()
        calls = [
            *_not_sent(server.url + "/echo", (client, narrow, gone), port.url, silent.url),
            *_sent(server.url, client, silent.url),
            *_answered(server.url, client),
        ]
        failed = await asyncio.gather(*(call for call, _, _ in calls), return_exceptions=True)
    for error in failed:
        if not isinstance(error, Exception):
            raise RuntimeError(f"a call that was to fail gave {error!r}")
    return [(error, *case[1:]) for error, case in zip(failed, calls, strict=True)]


def _only(**limit):
    return httpx.Timeout(30, **limit)


def _not_sent(echo, clients, nobody, silent):
    """Yield calls that fail before anything is sent: (call, True, why)."""
    client, narrow, gone = clients
    tls = silent.replace("http:", "https:")
    yield client.get(nobody), True, "Nobody listens there, so nobody can have received it."
    yield (
        client.get(tls, timeout=_only(connect=0.3)),
        True,
        "There was no connection to send it on.",
    )
    yield (
        narrow.get(echo, timeout=_only(pool=0.1)),
        True,
        "It never got a connection out of the pool.",
    )
    yield gone.get(echo), True, "A closed client refuses the call before it does anything."
    yield (
        client.post(echo, content=io.BytesIO(b"a report")),
        True,
        "The client refuses such a body before it connects.",
    )
    yield client.get("stock/17"), True, "A URL without a host leads to nobody."


def _sent(url, client, silent):
    """Yield calls whose request arrives, in part at least: (call, False, why)."""
    yield (
        client.get(url + "/faults/silence", timeout=_only(read=0.3)),
        False,
        "The ledger shows the request: the server had it, and was silent.",
    )
    yield (
        client.get(url + "/faults/reset"),
        False,
        "The ledger shows the request: it arrived before the reset.",
    )
    yield (
        client.get(url + "/faults/close"),
        False,
        "The ledger shows the request. This text has two causes, and only one of them is the stale "
        "connection, on which nothing arrives.",
    )
    yield (
        client.post(silent, content=bytes(20_000_000), timeout=_only(write=0.3)),
        False,
        "A part of the upload was sent, and a server may act on that part.",
    )
    yield (
        asyncio.wait_for(client.get(url + "/faults/silence"), 0.3),
        False,
        "The ledger shows the request: your own deadline struck while it was carried out.",
    )
    yield (
        _dropped_upload(),
        False,
        "The server had read the first part of an upload when it dropped the connection, and the "
        "next part could not be written.",
    )
    yield (
        _in_a_later_loop(url + "/echo"),
        False,
        "The ledger shows the request: on a connection of a closed loop sending works, and only "
        "reading fails.",
    )


def _answered(url, client):
    """Yield calls that are answered, and fail then: (call, False, why)."""
    yield (
        client.get(url + "/faults/truncated?sent=10&missing=90"),
        False,
        "A part of the answer came, so the request did arrive.",
    )
    yield (
        _read_too_late(client, url + "/bytes?size=1000000"),
        False,
        "It was answered. What failed is reading the answer.",
    )
    yield (
        _stopped_by_a_hook(url + "/echo"),
        False,
        "It was answered. A response hook of the client raised this, and nobody can know that from "
        "the exception.",
    )
    yield _status(client, url + "/status?code=503"), False, "It was answered, with 503."
    yield (
        _parse(client, url + "/bytes?size=10"),
        False,
        "It was answered. What failed is parsing the answer.",
    )


async def _dropped_upload():
    # Over HTTP/2: on HTTP/1.1 httpcore drops a WriteError and reads the answer instead.
    async def parts():
        yield b"the first part"
        await asyncio.to_thread(server.each, Connection.reset)
        while True:
            yield b"the next part"
            await asyncio.sleep(0.01)

    with Http2Server() as server:
        async with httpx.AsyncClient(verify=False, http1=False, http2=True) as client:
            return await client.post(server.url, content=parts())


async def _in_a_later_loop(url):
    client = httpx.AsyncClient()

    async def get():
        return await client.get(url)

    await asyncio.to_thread(asyncio.run, get())
    return await asyncio.to_thread(asyncio.run, get())


async def _stopped_by_a_hook(url):
    async def refuse(response):
        raise RuntimeError("no price in it")

    async with httpx.AsyncClient(verify=False, event_hooks={"response": [refuse]}) as client:
        return await client.get(url)


async def _read_too_late(client, url):
    async with client.stream("GET", url) as response:
        pass
    return await response.aread()


async def _status(client, url):
    response = await client.get(url)
    return response.raise_for_status()


async def _parse(client, url):
    response = await client.get(url)
    return response.json()


EXERCISE = Exercise(
    id="12-2",
    title="Surely not sent",
    task="`surely_not_sent(error)` is asked before a call is made again. Repair it: True only for "
    "an exception that proves that the server has not received the request. The client follows no "
    "redirects.",
    starter=surely_not_sent,
    hints=[
        "What is raised before there is a connection? Each stage has its exceptions: the pool, "
        "connecting, and the client's own refusals.",
        "An exception that is none of httpx's may come from the call, too: `RuntimeError`. Not "
        "each of them was raised before sending: see lesson 06.",
        "List what proves it, and answer False for all else.",
        "The refusals are told by their texts: the client has been closed, and a sync body.",
    ],
    wrong=[
        WrongAnswer(by_connect_errors, "never got a connection out of the pool"),
        WrongAnswer(without_the_clients_refusals, "A closed client refuses"),
        WrongAnswer(every_timeout_but_read, "may act on that part"),
        WrongAnswer(every_runtime_error, "only reading fails"),
        WrongAnswer(every_runtime_error_but_the_loops, "A response hook"),
        WrongAnswer(no_text, "Nobody listens there"),
        WrongAnswer(not_read_or_write, "your own deadline struck"),
        WrongAnswer(every_write_error, "The server had read the first part"),
        WrongAnswer(disconnected_is_stale, "only one of them"),
        WrongAnswer(always, "was silent"),
        WrongAnswer(nothing, "that reaches no `return`"),
    ],
    solution=solution,
    why="A list of what proves it is short: no connection, no place in the pool, and what the "
    "client itself refuses. For all else the server may have received the "
    "request, or nobody knows.",
    check=check,
    right=(with_the_guide, by_match),
)
