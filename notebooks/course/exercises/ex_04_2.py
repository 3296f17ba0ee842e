"""Try again where it is safe, as often as was asked for, and nowhere else."""

import asyncio
import ssl

import httpx
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from course.exercises.ended import check_cancelled
from course.exercises.ownership import settings_of
from server.faults import close, reset
from server.local import LocalServer
from workbench.checking.record import Exercise, Wrong, WrongAnswer, expect

IDEMPOTENT = ("GET", "HEAD", "OPTIONS", "PUT", "DELETE")
OTHERS = ("POST", "PATCH")
DEAD = 2
CONTEXT = ssl.create_default_context()  # one for all clients of the check
PATIENCE = 3.0  # seconds for one call: an answer may pause between its tries


async def send(client, method, url, tries):
    """Send a request and return its response.

    If the connection broke, by a FIN or by an RST, and the method is idempotent, send the request
    again: until it is answered, or `tries` requests (1 or more) were sent in all. An exception that
    is not cured comes out.
    """
    return await client.request(method, url)


async def solution(client, method, url, tries):
    """Send a request and return its response.

    If the connection broke, by a FIN or by an RST, and the method is idempotent, send the request
    again: until it is answered, or `tries` requests (1 or more) were sent in all. An exception that
    is not cured comes out.
    """
    if method in ("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"):
        for _ in range(tries - 1):
            try:
                return await client.request(method, url)
            except (httpx.RemoteProtocolError, httpx.NetworkError):
                pass
    return await client.request(method, url)


async def tried(client, method, url, tries, caught=httpx.TransportError, once=OTHERS):
    """Send again after what is `caught`, but what is to be sent `once`."""
    for attempt in range(tries):
        try:
            return await client.request(method, url)
        except caught:
            if method in once or attempt == tries - 1:
                raise


async def raises_the_time_limit(client, method, url, tries):
    return await client.request(method, url, timeout=60)


async def repeats_everything(client, method, url, tries):
    return await tried(client, method, url, tries, once=())


async def spares_the_post_only(client, method, url, tries):
    return await tried(client, method, url, tries, once=("POST",))


async def knows_network_errors_only(client, method, url, tries):
    return await tried(client, method, url, tries, httpx.NetworkError)


async def knows_protocol_errors_only(client, method, url, tries):
    return await tried(client, method, url, tries, httpx.RemoteProtocolError)


async def sends_once_more(client, method, url, tries):
    return await tried(client, method, url, 2)


async def sends_one_too_many(client, method, url, tries):
    return await tried(client, method, url, tries + 1)


async def hides_the_exception(client, method, url, tries):
    try:
        return await solution(client, method, url, tries)
    except httpx.TransportError:
        if method in OTHERS:
            raise


async def hands_the_exception_out(client, method, url, tries):
    try:
        return await solution(client, method, url, tries)
    except httpx.TransportError as error:
        return error


async def never_gives_up(client, method, url, tries):
    while True:
        try:
            return await client.request(method, url)
        except (httpx.RemoteProtocolError, httpx.ReadError):
            if method in OTHERS:
                raise


async def makes_a_client_of_its_own(client, method, url, tries):
    transport = httpx.AsyncHTTPTransport(retries=tries)
    async with httpx.AsyncClient(transport=transport) as own:
        return await own.request(method, url)


async def tries_again_when_it_is_cancelled(client, method, url, tries):
    return await tried(client, method, url, tries, BaseException)


async def lifts_the_client_s_limits(client, method, url, tries):
    client.timeout = None
    return await solution(client, method, url, tries)


async def sends_nothing(client, method, url, tries):
    return None


async def repeats_bad_answers(client, method, url, tries):
    for attempt in range(tries if method in IDEMPOTENT else 1):
        try:
            response = await client.request(method, url)
            response.raise_for_status()
            return response
        except httpx.HTTPError:
            if attempt == tries - 1 or method in OTHERS:
                raise


async def counts_down(client, method, url, tries):
    if method.upper() in OTHERS:
        return await client.request(method, url)
    try:
        return await client.request(method, url)
    except httpx.TransportError:
        if tries <= 1:
            raise
        return await counts_down(client, method, url, tries - 1)


async def keeps_the_error(client, method, url, tries):
    error = None
    for _ in range(tries if method in IDEMPOTENT else 1):
        try:
            return await client.send(client.build_request(method, url))
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError) as caught:
            error = caught
            await asyncio.sleep(0.01)
    raise error


async def check(attempt, server):
    await _uses_the_client(attempt, server)
    await _gets_past_the_dead(attempt, server)
    await _gives_up(attempt, server)
    async with httpx.AsyncClient(verify=CONTEXT) as client:
        await check_cancelled(lambda: attempt(client, "GET", server.url + "/echo", 3))


async def _uses_the_client(attempt, server):
    """What is answered is sent once, on the client that was passed in, whatever the answer."""
    async with httpx.AsyncClient(verify=CONTEXT) as client:
        before = settings_of(client)
        for path, status in (("/echo", 200), ("/refuses", 503), ("/echo", 200)):
            with server.ledger.watch() as seen:
                try:
                    came = (await _answer(attempt, client, "GET", server.url + path, 3)).status_code
                except httpx.HTTPStatusError as error:
                    came = error
            attempt.require_request(seen)
            expect(
                (came, seen.requests) == (status, 1),
                "What is answered is returned as it is, also a 503: the connection did not break.",
                happened=f"{seen.requests} requests were sent for one call, and `{came!r}` came.",
                seen=seen,
            )
        changed = [name for name, value in settings_of(client).items() if value != before[name]]
    expect(
        not changed,
        "The client is left as it was: others use it, too.",
        happened=f"After the call its `{', '.join(changed)}` are others.",
    )
    expect(
        attempt.seen.connections == 1,
        "The requests go out on the client that was passed in.",
        happened="They opened connections of their own: a client per call has nothing to reuse.",
    )


async def _answer(attempt, client, method, url, tries):
    """Return the response of a call, which is one and comes in time."""
    async with asyncio.timeout(PATIENCE):
        response = await attempt(client, method, url, tries)
    attempt.require_request()
    shown = f"`{response!r}`" if response is None else f"an object of {type(response)!r}"
    expect(
        isinstance(response, httpx.Response),
        "A response, or the exception that was raised for it.",
        happened=f"Nothing was raised, and {shown} was returned, as if it were an answer.",
    )
    return response


async def _with_dead_connections(attempt, server, end, tries):
    """GET on a client whose idle connections all break; return what came out and what was seen."""
    url = f"{server.url}/{end}?nth=2"
    async with httpx.AsyncClient(verify=CONTEXT) as client:
        await asyncio.gather(*(client.get(url) for _ in range(DEAD)))
        with server.ledger.watch() as seen:
            try:
                await _answer(attempt, client, "GET", url, tries)
            except (httpx.TransportError, TimeoutError) as error:
                return error, seen
    return None, seen


async def _gets_past_the_dead(attempt, server):
    """As many idle connections as DEAD break, by a FIN each or by an RST each."""
    broken = {}
    for end in ("close", "reset"):
        error, seen = await _with_dead_connections(attempt, server, end, DEAD + 1)
        if error:
            broken[end] = error, seen
    expected = f"A GET gets past {DEAD} dead connections with {DEAD + 1} tries."
    if not broken:
        return
    [(error, seen), *_] = broken.values()
    sent = seen.requests
    if isinstance(error, TimeoutError):
        words = f"After {sent} tries it had not ended within {PATIENCE:g} s."
    elif sent > 1:
        words = f"`{error!r}` came out after {sent} tries: each met another dead connection."
    elif len(broken) == 2:
        words = f"`{error!r}` came out. No second try was made. No time limit had run out, either."
    elif "close" in broken:
        words = f"`{error!r}` came through: it is a TransportError, but no NetworkError."
    else:
        words = f"`{error!r}` came through: that is what an RST in place of a FIN looks like."
    raise Wrong(expected, happened=words, seen=seen)


async def _gives_up(attempt, server):
    """No try can succeed, and only what is idempotent is tried again."""
    for end, kind in (("close", httpx.RemoteProtocolError), ("reset", httpx.ReadError)):
        for method, tries, most in [
            *(("GET", tries, tries) for tries in (1, 2, 3)),
            *((method, 3, 1) for method in OTHERS),
            *((method, 2, 2) for method in IDEMPOTENT),
        ]:
            caught = None
            async with httpx.AsyncClient(verify=CONTEXT) as client:
                with server.ledger.watch() as seen:
                    try:
                        await _answer(attempt, client, method, f"{server.url}/{end}", tries)
                    except (httpx.HTTPError, RuntimeError, TimeoutError) as error:
                        caught = error
            _expect_so_many(seen, method, tries, most)
            expect(
                isinstance(caught, kind),
                "An exception that is not cured comes out as it is.",
                happened=f"`{caught!r}` came out, where the client had raised {kind.__name__}.",
                seen=seen,
            )


def _expect_so_many(seen, method, tries, most):
    got = f"The server received it {'once' if seen.requests == 1 else f'{seen.requests} times'}"
    if method in OTHERS:
        expected, words = f"A {method} is sent once.", f"{got}. It may have acted on each."
    else:
        expected = f"{method} is idempotent: with tries={tries} it is sent {tries} times if none "
        expected += "is answered."
        endless = seen.requests > 20 * most
        words = f"{got}, and no end to it: that makes an outage worse." if endless else f"{got}."
    expect(seen.requests == most, expected, happened=words, seen=seen)


def _serve():
    """A server whose faults take every method."""
    methods = [*IDEMPOTENT, *OTHERS]
    handlers = {
        "/close": close.without_answer,
        "/reset": reset.before,
        "/refuses": PlainTextResponse(status_code=503),
        "/echo": PlainTextResponse(),
    }
    return LocalServer(
        Starlette(
            routes=[Route(path, handler, methods=methods) for path, handler in handlers.items()]
        )
    )


EXERCISE = Exercise(
    id="04-2",
    title="Try again, where it is safe",
    task="`send(client, method, url, tries)` sends one request. When the connection breaks, by a "
    "FIN or by an RST, send it again if the method is idempotent, until it is answered or `tries` "
    "requests were sent; a POST is sent once, for the server may have acted on it. An exception "
    "that is not cured comes out.",
    starter=send,
    hints=[
        "Which two exceptions has this lesson shown for a connection that breaks? Look at what "
        "their classes have in common, and at what they do not.",
        "Ask for the method first: what is not idempotent needs no `try` at all.",
        "The last try stands outside of the `try`, so that its own exception comes out: a loop "
        "over `range(tries - 1)`, and one more request after it.",
    ],
    wrong=[
        WrongAnswer(raises_the_time_limit, "No time limit had run out"),
        WrongAnswer(repeats_everything, "A POST is sent once"),
        WrongAnswer(spares_the_post_only, "A PATCH is sent once"),
        WrongAnswer(knows_network_errors_only, "but no NetworkError"),
        WrongAnswer(knows_protocol_errors_only, "an RST in place of a FIN"),
        WrongAnswer(sends_once_more, "came out after 2 tries"),
        WrongAnswer(sends_one_too_many, "The server received it 2 times."),
        WrongAnswer(hides_the_exception, "and `None` was returned, as if"),
        WrongAnswer(hands_the_exception_out, "RemoteProtocolError'> was returned"),
        WrongAnswer(never_gives_up, "no end to it"),
        WrongAnswer(makes_a_client_of_its_own, "a client per call"),
        WrongAnswer(tries_again_when_it_is_cancelled, "and it swallowed that"),
        WrongAnswer(lifts_the_client_s_limits, "its `timeout` are others"),
        WrongAnswer(sends_nothing, "No request was made"),
        WrongAnswer(repeats_bad_answers, "also a 503"),
    ],
    right=[counts_down, keeps_the_error],
    solution=solution,
    why="GET, HEAD, OPTIONS, TRACE, PUT and DELETE are idempotent (RFC 9110, 9.2.2): sent twice, "
    "they are meant to have the effect of one. A POST or a PATCH is not, unless the service "
    "promises it, for example with an idempotency key. Each failure takes one dead connection "
    "away, so several tries may be needed where several were idle.",
    check=check,
    serve=_serve,
)
