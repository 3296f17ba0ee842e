"""Name the cause of a failure from the exception and the ledger."""

import asyncio
import ssl

import httpx

from server.local import LocalServer
from server.wire import ForgetfulLink, Link, refused
from workbench import get_as_server_closes
from workbench.checking.record import Exercise, NotAttempted, WrongAnswer, expect

# uvicorn hands its time-out to `loop.call_later`, which takes fractions of a second, too.
SERVER_TIMEOUT = 0.3
ONE_WAY = 0.2
CONTEXT = ssl.create_default_context()


def diagnose(error, seen):
    """Return the cause, one of "stale", "hung up", "reset", "cut short", "too slow", "lost" and
    "not connected".

    error: what the client raised. seen: what the server saw of this client: seen.connections,
    seen.requests (received) and seen.responses (sent to the end) are counts. Only the client's last
    request failed. "lost" is a request that was dropped on its way; "too slow" one that arrived.
    """
    return None


def solution(error, seen):
    """Return the cause, one of "stale", "hung up", "reset", "cut short", "too slow", "lost" and
    "not connected".

    error: what the client raised. seen: what the server saw of this client: seen.connections,
    seen.requests (received) and seen.responses (sent to the end) are counts. Only the client's last
    request failed. "lost" is a request that was dropped on its way; "too slow" one that arrived.
    """
    arrived = seen.requests > seen.responses
    match error:
        case httpx.ConnectError():
            return "not connected"
        case httpx.ReadError():
            return "reset"
        case httpx.ReadTimeout():
            return "too slow" if arrived else "lost"
    if "message body" in str(error):
        return "cut short"
    return "hung up" if arrived else "stale"


def looks_at_the_exception_only(error, seen):
    if isinstance(error, httpx.RemoteProtocolError):
        return "cut short" if "message body" in str(error) else "stale"
    return solution(error, seen)


def blames_the_server(error, seen):
    if isinstance(error, httpx.RemoteProtocolError):
        return "cut short" if "message body" in str(error) else "hung up"
    return solution(error, seen)


def reads_the_message(error, seen):
    if "reset by peer" in str(error):
        return "reset"
    if "connection attempts failed" in str(error):
        return "not connected"
    return solution(error, seen) if str(error) else "unknown"


def takes_the_empty_ones_for_a_reset(error, seen):
    if isinstance(error, httpx.NetworkError):
        return "not connected" if str(error) else "reset"
    return solution(error, seen)


def takes_all_network_errors_for_one(error, seen):
    if isinstance(error, httpx.NetworkError):
        return "reset"
    return solution(error, seen)


def looks_for_no_connection(error, seen):
    if isinstance(error, httpx.ConnectError):
        return "not connected" if not seen.connections else "reset"
    return solution(error, seen)


def takes_every_timeout_for_slowness(error, seen):
    if isinstance(error, httpx.TimeoutException):
        return "too slow"
    return solution(error, seen)


def takes_an_earlier_answer_for_a_loss(error, seen):
    if isinstance(error, httpx.ReadTimeout):
        return "lost" if seen.responses else "too slow"
    return solution(error, seen)


def looks_at_the_ledger_only(error, seen):
    if not seen.connections:
        return "not connected"
    return "hung up" if seen.requests > seen.responses else "stale"


def tells_by_the_class_name(error, seen):
    arrived = seen.responses < seen.requests
    cut = "incomplete" in str(error) or "complete message body" in str(error)
    return {
        "ConnectError": "not connected",
        "ReadError": "reset",
        "ReadTimeout": "too slow" if arrived else "lost",
        "RemoteProtocolError": "cut short" if cut else "hung up" if arrived else "stale",
    }[type(error).__name__]


# In the order in which they are tried, with what is said of another answer.
WORDS = {
    "cut short": "The message tells of a body that is not complete. The ledger alone cannot tell "
    "that from an answer which never began.",
    "reset": "A ReadError need not have any text, and it says no more than its type.",
    "not connected": "A ConnectError is a NetworkError, too. It says that there was no connection "
    "to send on, whatever the ledger shows: over TLS, it shows one.",
    "too slow": "The type says that time ran out, and the ledger that the request had arrived.",
    "lost": "Time ran out, and each request in the ledger has its answer: this one never arrived.",
    "hung up": "The server had received the request, and the ledger shows it.",
    "stale": "The ledger shows no request without its response: this one never arrived.",
}
PATHS = {
    "cut short": ("/faults/truncated", "/faults/truncated-chunked"),
    "reset": ("/faults/reset", "/faults/reset-in-body", "/faults/reset?nth=3"),
    "too slow": ("/faults/silence",),
    "hung up": ("/faults/close", "/faults/close?nth=3"),
}


async def check(attempt, server):
    for cause, wrongly in WORDS.items():
        async for error, seen in _provoke(cause, server):
            answer = attempt(error, seen)
            if answer is None:
                raise NotAttempted(f"it returns None for `{error!r}`")
            expect(
                answer == cause,
                f'"{cause}" for `{error!r}`.',
                happened=f'Your function said "{answer}". {wrongly}',
                seen=seen,
            )


async def _provoke(cause, server):
    """Make this failure happen in several ways; give what the client raised and what was seen."""
    match cause:
        case "not connected":
            with refused() as port:
                for url in (port.url, server.url.replace("http:", "https:")):
                    yield await _caught(server, url)
                    yield await asyncio.to_thread(_caught_by_a_client, server, url)
        case "stale":
            with Link(server.url, ONE_WAY) as link:
                for before in (0, 3):
                    yield await _stale(server, link, before)
        case "lost":
            with ForgetfulLink(server.url) as hop:
                yield await _caught(server, hop.url + "/echo", first=2, then=hop.forget)
        case _:
            for path in PATHS[cause]:
                first = 2 if "nth=3" in path else 0
                yield await _caught(server, server.url + path, first)
                yield await _caught(server, server.url + path, 2, before=server.url + "/echo")
            yield await asyncio.to_thread(_caught_by_a_client, server, server.url + path)


def _limits(url):
    # Only what is meant to runs out of time, also on a busy machine.
    return httpx.Timeout(10, read=0.3 if "silence" in url or "echo" in url else 10)


async def _caught(server, url, first=0, then=lambda: None, before=None):
    """Return what the last GET raised, after `first` others and `then`, and what was seen.

    The others go to `before`, or to the same url.
    """
    with server.ledger.watch() as seen:
        async with httpx.AsyncClient(verify=CONTEXT) as client:
            for _ in range(first):
                await client.get(before or url)
            then()
            try:
                await client.get(url, timeout=_limits(url))
            except httpx.TransportError as error:
                return error, seen
    raise AssertionError(f"{url} was answered")


def _caught_by_a_client(server, url):
    """The same with a `Client`, whose exceptions have other texts; to be called in a thread."""
    with server.ledger.watch() as seen:
        with httpx.Client(verify=CONTEXT) as client:
            try:
                for _ in range(3):
                    client.get(url, timeout=_limits(url))
            except httpx.TransportError as error:
                return error, seen
    raise AssertionError(f"{url} was answered")


async def _stale(server, link, before):
    with server.ledger.watch() as seen:
        async with httpx.AsyncClient(verify=CONTEXT, timeout=10) as client:
            for _ in range(before):
                await client.get(server.url + "/echo")
            try:
                url = link.url + "/faults/flaky?probability=0"
                await get_as_server_closes(client, server, url, within=ONE_WAY / 2)
            except httpx.TransportError as error:
                return error, seen
    raise AssertionError("the request and the FIN did not cross")


EXERCISE = Exercise(
    id="04-3",
    title="Name the cause",
    task="`diagnose(error, seen)` gets an exception and what the server saw, and names the cause: "
    '"stale", "hung up", "reset", "cut short", "too slow", "lost" or "not connected". The check '
    "makes each of them happen, in several ways.",
    starter=diagnose,
    hints=[
        "Sort by the type first: ConnectError and ReadError each leave one of the seven. Their "
        "texts are not the same in each client.",
        "A RemoteProtocolError leaves three. One of them has a message of its own.",
        "Where the exceptions are the same, compare `seen.requests` with `seen.responses`: did the "
        "failed request arrive?",
    ],
    wrong=[
        WrongAnswer(looks_at_the_exception_only, "The server had received the request"),
        WrongAnswer(blames_the_server, 'said "hung up". The ledger shows no request without'),
        WrongAnswer(reads_the_message, 'said "unknown"'),
        WrongAnswer(takes_the_empty_ones_for_a_reset, "Connection reset by peer"),
        WrongAnswer(takes_all_network_errors_for_one, "attempts failed')`."),
        WrongAnswer(looks_for_no_connection, "SSL"),
        WrongAnswer(takes_every_timeout_for_slowness, "Time ran out, and each request"),
        WrongAnswer(takes_an_earlier_answer_for_a_loss, 'said "lost". The type says'),
        WrongAnswer(looks_at_the_ledger_only, "The ledger alone cannot"),
    ],
    right=[tells_by_the_class_name],
    solution=solution,
    why="The type decides where it can, the message where the type does not, and the ledger where "
    "the client cannot know: whether its request was received.",
    check=check,
    serve=lambda: LocalServer(timeout_keep_alive=SERVER_TIMEOUT),
)
