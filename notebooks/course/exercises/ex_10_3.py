"""Which calls that failed may be made again."""

import asyncio
import ssl
from contextlib import AsyncExitStack
from dataclasses import dataclass

import httpx
from starlette.applications import Starlette
from starlette.responses import RedirectResponse
from starlette.routing import Route

from server.local import LocalServer
from server.wire import SilentListener, refused
from workbench.checking.record import Exercise, WrongAnswer, expect

GATE = "pool"
IDEMPOTENT = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"}
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


def may_be_repeated(request, error):
    """Return whether a call may be made again: True or False.

    request: what the call sent, an httpx.Request; its client follows redirects.
    error: the httpx.TransportError that the call ended with; error.request is the request that
        failed: this one, or a later one.
    """
    return isinstance(error, httpx.TransportError)


def solution(request, error):
    """Return whether a call may be made again: True or False.

    request: what the call sent, an httpx.Request; its client follows redirects.
    error: the httpx.TransportError that the call ended with; error.request is the request that
        failed: this one, or a later one.
    """
    if request.method in {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"}:
        return True
    not_sent = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
    return isinstance(error, not_sent) and error.request is request


def idempotent(request):
    return request.method in IDEMPOTENT


def not_sent(error):
    return isinstance(error, NOT_SENT)


def everything(request, error):
    return isinstance(error, httpx.HTTPError)


def every_timeout(request, error):
    return isinstance(error, httpx.TimeoutException | httpx.ConnectError) or idempotent(request)


def a_write_timeout_is_not_sent(request, error):
    return solution(request, error) or isinstance(error, httpx.WriteTimeout)


def by_the_method_alone(request, error):
    return idempotent(request)


def only_what_was_not_sent(request, error):
    return not_sent(error)


def network_errors_and_timeouts(request, error):
    listed = isinstance(error, httpx.NetworkError | httpx.TimeoutException)
    return solution(request, error) and listed


def only_get(request, error):
    return not_sent(error) or request.method == "GET"


def forgets_those_that_only_ask(request, error):
    return solution(request, error) and (
        not_sent(error) or request.method not in ("HEAD", "OPTIONS")
    )


def all_but_post(request, error):
    return not_sent(error) or request.method != "POST"


def never_repeats_a_patch(request, error):
    return solution(request, error) and request.method != "PATCH"


def forgets_the_queue(request, error):
    return isinstance(error, httpx.ConnectError | httpx.ConnectTimeout) or idempotent(request)


def by_the_method_of_the_error(request, error):
    return not_sent(error) or idempotent(error.request)


def does_not_look_for_redirects(request, error):
    return not_sent(error) or idempotent(request)


def only_without_redirects(request, error):
    return error.request is request and solution(request, error)


def no_answer(request, error):
    pass


def by_groups(request, error):
    match error:
        case httpx.ConnectError() | httpx.ConnectTimeout() | httpx.PoolTimeout():
            first = error.request.url == request.url
            return first or request.method not in {"POST", "PATCH"}
    return request.method not in {"POST", "PATCH", "CONNECT"}


def with_unsupported_protocol(request, error):
    unsent = isinstance(error, (*NOT_SENT, httpx.UnsupportedProtocol))
    return idempotent(request) or (unsent and request.method == error.request.method)


RIGHT = (by_groups, with_unsupported_protocol)


@dataclass(frozen=True)
class Case:
    """A call that fails: how it is made, whether it may be made again, and why.

    peer: where it goes, a key of what `_provoke` has. then: where that redirects it to, if it does.
    """

    method: str
    peer: str
    failure: str
    expected: bool
    why: str
    then: str = ""


REFUSED = "The server is not even there, so it cannot have acted on it."
STALE = (
    "It looks like the stale connection of lesson 04, and to GET twice does no harm. It is neither "
    "a NetworkError nor a timeout."
)
RESET = "The ledger shows the request: it arrived before the reset."
BUSY = "The ledger shows the request: the server may be busy with it."
UPLOAD = "A part of it was sent, and a server may act on that part."
CLOSED = "The ledger shows the request, and no answer to it: that says nothing of what was done."
PUT = "PUT is idempotent: twice has the effect of once."
DELETE = "DELETE is idempotent: what is gone stays gone."
PATCH = "PATCH is not idempotent: it may add something twice."
NOT_SENT_AT_ALL = "It was not sent, so nothing was added, whatever its method."
ANSWERED = "The POST was answered with 303, so it was carried out; the GET after it failed."
NOT_THE_POST = "What was not sent is the GET. The POST before it was answered: 303."
BOTH_GET = "Both requests of this call were GET: it was redirected, and twice does no harm."

# In this order: the first that an answer gets wrong tells most about it.
CASES = [
    Case("POST", "refused", "ConnectError", True, REFUSED),
    Case("POST", "tls", "ConnectTimeout", True, "There was no connection to send it on."),
    Case("POST", "pool", "PoolTimeout", True, "It never got a connection: no server has seen it."),
    Case("GET", "silence", "ReadTimeout", True, "To GET something twice does no harm."),
    Case("GET", "close", "RemoteProtocolError", True, STALE),
    Case("POST", "reset", "ReadError", False, RESET),
    Case("POST", "silence", "ReadTimeout", False, BUSY),
    Case("POST", "upload", "WriteTimeout", False, UPLOAD),
    Case("POST", "close", "RemoteProtocolError", False, CLOSED),
    Case("PUT", "silence", "ReadTimeout", True, PUT),
    Case("DELETE", "silence", "ReadTimeout", True, DELETE),
    Case("HEAD", "silence", "ReadTimeout", True, "HEAD is idempotent: it only asks."),
    Case("OPTIONS", "silence", "ReadTimeout", True, "OPTIONS is idempotent: it only asks."),
    Case("PATCH", "silence", "ReadTimeout", False, PATCH),
    Case("PATCH", "refused", "ConnectError", True, NOT_SENT_AT_ALL),
    Case("POST", "shop", "ReadTimeout", False, ANSWERED, then="silence"),
    Case("POST", "shop", "ConnectError", False, NOT_THE_POST, then="refused"),
    Case("GET", "shop", "ConnectError", True, BOTH_GET, then="refused"),
]


async def check(attempt, server):
    for case, request, error in await _provoke(server):
        answer = attempt(request, error)
        expected = f"{case.expected} for a {case.method} that ended with `{error!r}`"
        expected += f", of the {error.request.method} that followed on a 303." if case.then else "."
        expect(
            answer is not None,
            expected,
            happened="It returned None, as a function does that reaches no `return`.",
        )
        expect(
            bool(answer) == case.expected,
            expected,
            happened=f"Your function said {answer!r}. {case.why}",
        )


async def see_other(request):
    """Take an order, and say where its state can be read."""
    return RedirectResponse(request.query_params["then"], 303)


async def _provoke(server):
    """Return each of the cases with the request that was sent and the error it ended with."""
    context = ssl.create_default_context()
    shop = LocalServer(Starlette(routes=[Route("/", see_other, methods=["GET", "POST"])]))
    async with AsyncExitStack() as stack:
        port, silent = stack.enter_context(refused()), stack.enter_context(SilentListener())
        stack.enter_context(shop)
        one = httpx.Limits(max_connections=1)
        client = await stack.enter_async_context(httpx.AsyncClient(verify=context))
        narrow = await stack.enter_async_context(httpx.AsyncClient(verify=context, limits=one))
        peers = {
            "refused": port.url,
            "tls": silent.url.replace("http:", "https:"),
            "upload": silent.url,
            "pool": server.url + "/echo",
            "shop": shop.url,
            "silence": server.url + "/delay?seconds=20",
            "close": server.url + "/faults/close",
            "reset": server.url + "/faults/reset",
        }
        holding = asyncio.create_task(
            narrow.get(f"{server.url}/faults/hold?gate={GATE}", timeout=30)
        )
        await server.gates.reached(GATE)
        failed = await asyncio.gather(
            *(_fail(narrow if case.peer == "pool" else client, case, peers) for case in CASES)
        )
        server.gates.open(GATE)
        await holding
    return failed


async def _fail(client, case, peers):
    """Make the case's call, with a short limit for the one wait that is to end it."""
    short = case.failure.removesuffix("Timeout").lower()
    limits = {short: 0.3} if case.failure.endswith("Timeout") else {}
    request = client.build_request(
        case.method,
        peers[case.peer],
        params={"then": peers[case.then]} if case.then else None,
        content=bytes(20_000_000) if case.peer == "upload" else None,
        timeout=httpx.Timeout(30, **limits),
    )
    [failed] = await asyncio.gather(
        client.send(request, follow_redirects=True), return_exceptions=True
    )
    if type(failed).__name__ == case.failure:
        return case, request, failed
    raise RuntimeError(f"{case} ended with {failed!r}")


EXERCISE = Exercise(
    id="10-3",
    title="What may be repeated",
    task="`may_be_repeated(request, error)` decides whether a call that failed is made again. As "
    "it is, it charges customers twice. Repair it: no call whose request a server may have carried "
    "out is repeated, unless its method is idempotent. All others are.",
    starter=may_be_repeated,
    hints=[
        "Two questions: can a server have received the request? And what would a second one do?",
        "ConnectError, ConnectTimeout and PoolTimeout prove that `error.request` was not sent. "
        "(UnsupportedProtocol does, too; to repeat that is of no use.)",
        "Is `error.request` the request that the call began with? After a redirect it is not, and "
        "the first one was answered.",
        "For all others the method of `request` decides. Idempotent are GET, HEAD, OPTIONS, PUT "
        "and DELETE.",
    ],
    wrong=[
        WrongAnswer(everything, "it arrived before the reset"),
        WrongAnswer(every_timeout, "the server may be busy with it"),
        WrongAnswer(a_write_timeout_is_not_sent, "may act on that part"),
        WrongAnswer(by_the_method_alone, "The server is not even there"),
        WrongAnswer(only_what_was_not_sent, "To GET something twice"),
        WrongAnswer(network_errors_and_timeouts, "the stale connection of lesson 04"),
        WrongAnswer(only_get, "PUT is idempotent"),
        WrongAnswer(forgets_those_that_only_ask, "HEAD is idempotent"),
        WrongAnswer(all_but_post, "it may add something twice"),
        WrongAnswer(never_repeats_a_patch, "nothing was added, whatever its method"),
        WrongAnswer(forgets_the_queue, "It never got a connection"),
        WrongAnswer(by_the_method_of_the_error, "the GET after it failed"),
        WrongAnswer(does_not_look_for_redirects, "What was not sent is the GET"),
        WrongAnswer(only_without_redirects, "it was redirected, and twice does no harm"),
        WrongAnswer(no_answer, "that reaches no `return`"),
    ],
    solution=solution,
    why="A request that was not sent was not carried out, as long as it is the call's own and not "
    "one that followed on a redirect. Of the rest nobody knows, so the method must be one that "
    "does no harm when it is carried out twice.",
    check=check,
    right=RIGHT,
)
