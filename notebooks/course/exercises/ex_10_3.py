"""Which failed requests may be sent again."""

import asyncio
import ssl

import httpx

from server.wire import SilentListener, refused
from workbench.checking.record import Exercise, WrongAnswer, expect

GATE = "pool"
IDEMPOTENT = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"}
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


def may_be_repeated(error):
    """Return whether the request of this error may be sent again: True or False.

    error: an httpx.TransportError; error.request.method is the method of its request.
    """
    return isinstance(error, httpx.TransportError)


def solution(error):
    """Return whether the request of this error may be sent again: True or False.

    error: an httpx.TransportError; error.request.method is the method of its request.
    """
    not_sent = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
    idempotent = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"}
    return isinstance(error, not_sent) or error.request.method in idempotent


def everything(error):
    return isinstance(error, httpx.HTTPError)


def every_timeout(error):
    return isinstance(error, httpx.TimeoutException | httpx.ConnectError) or (
        error.request.method in IDEMPOTENT
    )


def by_the_method_alone(error):
    return error.request.method in IDEMPOTENT


def only_what_was_not_sent(error):
    return isinstance(error, NOT_SENT)


def network_errors_and_timeouts(error):
    if isinstance(error, NOT_SENT):
        return True
    listed = isinstance(error, httpx.NetworkError | httpx.TimeoutException)
    return listed and error.request.method in IDEMPOTENT


def only_get(error):
    return isinstance(error, NOT_SENT) or error.request.method == "GET"


def all_but_post(error):
    return isinstance(error, NOT_SENT) or error.request.method != "POST"


def forgets_the_queue(error):
    refused_or_late = httpx.ConnectError | httpx.ConnectTimeout
    return isinstance(error, refused_or_late) or error.request.method in IDEMPOTENT


# In this order: the first that an answer gets wrong tells most about it.
CASES = (
    ("POST", "ConnectError", True, "The server is not even there, so it cannot have acted on it."),
    ("POST", "ConnectTimeout", True, "There was no connection to send it on."),
    ("POST", "PoolTimeout", True, "It never got a connection, so no server has seen it."),
    ("GET", "ReadTimeout", True, "To GET something twice does no harm."),
    (
        "GET",
        "RemoteProtocolError",
        True,
        "This is the stale connection of lesson 04, and to GET twice does no harm. It is neither "
        "a NetworkError nor a timeout.",
    ),
    ("POST", "ReadError", False, "The ledger shows the request: it arrived before the reset."),
    ("POST", "ReadTimeout", False, "The ledger shows the request: the server may be busy with it."),
    ("PUT", "ReadTimeout", True, "PUT is idempotent: twice has the effect of once."),
    ("PATCH", "ReadTimeout", False, "PATCH is not idempotent: it may add something twice."),
)


async def check(attempt, server):
    errors = await _provoke(server)
    for method, name, expected, why in CASES:
        error = errors[method, name]
        answer = attempt(error)
        expect(
            bool(answer) == expected,
            f"{expected} for a {method} that ended with `{error!r}`.",
            happened=f"Your function said {answer!r}. {why}",
        )


async def _provoke(server):
    """Return each of the errors by its method and name, all made at once."""
    context = ssl.create_default_context()
    limits = httpx.Limits(max_connections=1)
    with refused() as port, SilentListener() as silent:
        async with (
            httpx.AsyncClient(verify=context) as client,
            httpx.AsyncClient(verify=context, limits=limits, timeout=30) as narrow,
        ):
            holding = asyncio.create_task(narrow.get(f"{server.url}/faults/hold?gate={GATE}"))
            await server.gates.reached(GATE)
            tls, slow = silent.url.replace("http:", "https:"), server.url + "/delay?seconds=20"
            in_queue = httpx.Timeout(30, pool=0.3)
            connecting, reading = httpx.Timeout(30, connect=0.3), httpx.Timeout(30, read=0.3)
            errors = await asyncio.gather(
                client.post(port.url),
                client.post(tls, timeout=connecting),
                narrow.post(server.url + "/echo", timeout=in_queue),
                client.get(slow, timeout=reading),
                client.get(server.url + "/faults/close"),
                client.post(server.url + "/faults/reset"),
                *(client.request(m, slow, timeout=reading) for m in ("POST", "PUT", "PATCH")),
                return_exceptions=True,
            )
            server.gates.open(GATE)
            await holding
    return {(error.request.method, type(error).__name__): error for error in errors}


EXERCISE = Exercise(
    id="10-3",
    title="What may be repeated",
    task="`may_be_repeated(error)` decides whether a failed request is sent again. As it is, it "
    "charges customers twice. Repair it: no request that the server may have carried out is "
    "repeated, unless its method is idempotent. All others are.",
    starter=may_be_repeated,
    hints=[
        "Two questions: can the server have received the request? And what would a second one do?",
        "Three exceptions prove that it was not sent: ConnectError, ConnectTimeout, PoolTimeout.",
        "For all others the method decides. Idempotent are GET, HEAD, OPTIONS, PUT and DELETE.",
    ],
    wrong=[
        WrongAnswer(everything, "it arrived before the reset"),
        WrongAnswer(every_timeout, "the server may be busy with it"),
        WrongAnswer(by_the_method_alone, "The server is not even there"),
        WrongAnswer(only_what_was_not_sent, "To GET something twice"),
        WrongAnswer(network_errors_and_timeouts, "the stale connection of lesson 04"),
        WrongAnswer(only_get, "PUT is idempotent"),
        WrongAnswer(all_but_post, "it may add something twice"),
        WrongAnswer(forgets_the_queue, "It never got a connection"),
    ],
    solution=solution,
    why="What was not sent is always safe. For the rest nobody knows whether it was carried out, "
    "so it must be a request that does no harm when it is carried out twice.",
    check=check,
)
