"""Name the cause of a failure from the exception and the ledger."""

import httpx

from course.exercises.crossing import cross_the_fin
from server.local import LocalServer
from server.wire import Link, refused
from workbench.checking.record import Exercise, NotAttempted, WrongAnswer, expect

CAUSES = ("stale", "hung up", "reset", "cut short", "too slow", "no server")
# uvicorn hands its time-out to `loop.call_later`, which takes fractions of a second, too.
SERVER_TIMEOUT = 0.3
ONE_WAY = 0.2


def diagnose(error, seen):
    """Return the cause: "stale", "hung up", "reset", "cut short", "too slow" or "no server".

    error: what the client raised. seen: what the server saw of this client: seen.connections,
    seen.requests (received) and seen.responses (sent to the end) are counts.
    """
    return None


def solution(error, seen):
    """Return the cause: "stale", "hung up", "reset", "cut short", "too slow" or "no server".

    error: what the client raised. seen: what the server saw of this client: seen.connections,
    seen.requests (received) and seen.responses (sent to the end) are counts.
    """
    match error:
        case httpx.ConnectError():
            return "no server"
        case httpx.ReadTimeout():
            return "too slow"
        case httpx.ReadError():
            return "reset"
    if "message body" in str(error):
        return "cut short"
    return "hung up" if seen.requests > seen.responses else "stale"


def looks_at_the_exception_only(error, seen):
    if isinstance(error, httpx.RemoteProtocolError):
        return "cut short" if "message body" in str(error) else "stale"
    return solution(error, seen)


def blames_the_server(error, seen):
    if isinstance(error, httpx.RemoteProtocolError):
        return "cut short" if "message body" in str(error) else "hung up"
    return solution(error, seen)


def reads_the_message(error, seen):
    if "timed out" in str(error) or "timeout" in str(error):
        return "too slow"
    if "reset" in str(error):
        return "reset"
    if "connection attempts failed" in str(error):
        return "no server"
    if "message body" in str(error):
        return "cut short"
    if "disconnected" in str(error):
        return "hung up" if seen.requests > seen.responses else "stale"
    return "unknown"


def takes_all_network_errors_for_one(error, seen):
    if isinstance(error, httpx.NetworkError):
        return "reset"
    return solution(error, seen)


def looks_at_the_ledger_only(error, seen):
    if not seen.connections:
        return "no server"
    return "hung up" if seen.requests > seen.responses else "stale"


async def check(attempt, server):
    for cause, wrongly in {
        "cut short": "The message tells of a body that is not complete. The ledger alone cannot "
        "tell that from an answer which never began.",
        "reset": "`str` of a ReadError is empty: there is no word in it to look for.",
        "no server": "A ConnectError is a NetworkError, too, and here the server saw nothing.",
        "too slow": "`str` of a ReadTimeout is empty; its type says enough.",
        "hung up": "The server had received the request, and the ledger shows it.",
        "stale": "The ledger shows no request without its response: this one never arrived.",
    }.items():
        error, seen = await _provoke(cause, server)
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
    """Make this failure happen; return what the client raised and what the server saw."""
    paths = {
        "reset": "/faults/reset",
        "too slow": "/faults/silence",
        "cut short": "/faults/truncated",
        "hung up": "/faults/close",
    }
    with server.ledger.watch() as seen, Link(server.url, ONE_WAY) as link, refused() as port:
        # Only the silence is to run out of time, also on a busy machine.
        limits = httpx.Timeout(10, read=0.3 if cause == "too slow" else 10)
        async with httpx.AsyncClient(timeout=limits) as client:
            try:
                if cause == "no server":
                    await client.get(port.url)
                elif cause == "stale":
                    await cross_the_fin(client, server, link)
                else:
                    await client.get(server.url + paths[cause])
            except httpx.TransportError as error:
                return error, seen
    raise AssertionError(f"nothing went wrong, where {cause!r} was asked for")


EXERCISE = Exercise(
    id="04-3",
    title="Name the cause",
    task="`diagnose(error, seen)` gets an exception and what the server saw, and names the cause "
    'in a word: "stale", "hung up", "reset", "cut short", "too slow" or "no server". The check '
    "makes each of them happen.",
    starter=diagnose,
    hints=[
        "Sort by the type first: ConnectError, ReadTimeout and ReadError each leave one cause.",
        "A RemoteProtocolError leaves three. One of them has a message of its own.",
        "For the last two the exceptions are the same. Compare `seen.requests` with "
        "`seen.responses`: did the failed request arrive?",
    ],
    wrong=[
        WrongAnswer(looks_at_the_exception_only, "The server had received the request"),
        WrongAnswer(blames_the_server, "this one never arrived"),
        WrongAnswer(reads_the_message, "there is no word in it to look for"),
        WrongAnswer(takes_all_network_errors_for_one, "and here the server saw nothing"),
        WrongAnswer(looks_at_the_ledger_only, "The ledger alone cannot"),
    ],
    solution=solution,
    why="The type decides where it can, the message where the type does not, and the ledger where "
    "the client cannot know: whether its request was received.",
    check=check,
    serve=lambda: LocalServer(timeout_keep_alive=SERVER_TIMEOUT),
)
