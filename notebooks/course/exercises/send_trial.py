"""The check of exercise 04-2: connections that break under a request, and what is sent again.

`ex_04_2.py` uses it. It asks the server that `serve` makes, with clients of its own.
"""

import asyncio
import ssl

import httpx
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from course.exercises.ended import check_cancelled_with_its_tasks
from course.exercises.ownership import settings_of
from server.faults import close, reset
from server.local import LocalServer
from workbench.checking.record import Wrong, expect

IDEMPOTENT = ("GET", "HEAD", "OPTIONS", "PUT", "DELETE")
OTHERS = ("POST", "PATCH")
DEAD = 2
CONTEXT = ssl.create_default_context()  # one for all clients of the check
PATIENCE = 3.0  # seconds for one call: an answer may pause between its tries


async def check(attempt, server):
    await _uses_the_client(attempt, server)
    await _sends_once_what_it_cannot_read(attempt, server)
    await _gets_past_the_dead(attempt, server)
    await _gives_up(attempt, server)
    async with httpx.AsyncClient(verify=CONTEXT) as client:
        await check_cancelled_with_its_tasks(
            attempt, lambda: attempt(client, "GET", server.url + "/echo", 3)
        )


async def _uses_the_client(attempt, server):
    """What is answered is sent once, on the client that was passed in, whatever the answer."""
    async with httpx.AsyncClient(verify=CONTEXT) as client:
        before = settings_of(client)
        for path, status in (("/echo", 200), ("/refuses", 503), ("/moved", 302), ("/echo", 200)):
            with server.ledger.watch() as seen:
                try:
                    came = (await _answer(attempt, client, "GET", server.url + path, 3)).status_code
                except httpx.HTTPStatusError as error:
                    came = error
            attempt.require_request(seen)
            expect(
                (came, seen.requests) == (status, 1),
                f"What is answered is returned as it is, here a {status}: the connection did not "
                "break.",
                happened=f"Requests sent for one call: {seen.requests}. `{came!r}` came.",
                seen=seen,
            )
        _expect_left_alone(client, before)
    expect(
        attempt.seen.connections == 1,
        "The requests go out on the client that was passed in.",
        happened="They opened connections of their own: a client per call has nothing to reuse.",
    )


def _expect_left_alone(client, before):
    """Raise `Wrong` if the client is closed, or has other settings than `before`."""
    expected = "The client is left as it was: others use it, too."
    expect(not client.is_closed, expected, happened="After the call the client was closed.")
    changed = [name for name, value in settings_of(client).items() if value != before[name]]
    expect(
        not changed,
        expected,
        happened=f"After the call its `{', '.join(changed)}` are others.",
    )


async def _sends_once_what_it_cannot_read(attempt, server):
    """An answer came, so the connection did not break."""
    async with httpx.AsyncClient(verify=CONTEXT) as client:
        caught = None
        with server.ledger.watch() as seen:
            try:
                await _answer(attempt, client, "GET", server.url + "/garbled", 3)
            except httpx.DecodingError as error:
                caught = error
    expect(
        caught and seen.requests == 1,
        "Where an answer came, the connection did not break: it is sent once, and what is raised "
        "comes out.",
        happened="An answer came that says gzip and is none: DecodingError is an HTTPError, and no "
        f"TransportError. It was sent {seen.requests} times, and `{caught!r}` came out.",
        seen=seen,
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
    try:
        response.content  # noqa: B018
    except httpx.ResponseNotRead as error:
        raise Wrong(
            "A response whose body was read.",
            happened="Whoever asks the response for its body gets none: `ResponseNotRead` is "
            "raised.",
        ) from error
    return response


async def _with_dead_connections(attempt, server, end, tries):
    """GET on a client whose idle connections all break; return what came out and what was seen."""
    url = f"{server.url}/{end}?nth=2"
    async with httpx.AsyncClient(verify=CONTEXT) as client:
        await asyncio.gather(*(client.get(url) for _ in range(DEAD)))
        before = settings_of(client)
        with server.ledger.watch() as seen:
            try:
                await _answer(attempt, client, "GET", url, tries)
            except (httpx.TransportError, TimeoutError) as error:
                return error, seen
        _expect_left_alone(client, before)
    expect(
        seen.requests > DEAD,
        "Each try goes out on the client that was passed in.",
        happened=f"It was answered at request {seen.requests}, and that client had {DEAD} dead "
        "connections to meet first: it was not asked again.",
        seen=seen,
    )
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
            ("post", 3, 1),
        ]:
            caught = None
            async with httpx.AsyncClient(verify=CONTEXT) as client:
                before = settings_of(client)
                with server.ledger.watch() as seen:
                    try:
                        await _answer(attempt, client, method, f"{server.url}/{end}", tries)
                    except (httpx.HTTPError, RuntimeError, TimeoutError) as error:
                        caught = error
                _expect_so_many(seen, method, tries, most)
                _expect_left_alone(client, before)
            expect(
                not isinstance(caught, TimeoutError),
                f"The exception of the last try comes out, and within {PATIENCE:g} s.",
                happened="It was sent as often as it may be, and the call went on.",
                seen=seen,
            )
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
    elif method == "post":
        expected = "What is no idempotent method, in whatever letters, is sent once."
        words = f"The method was `{method!r}`, and httpx sends it as POST. {got}."
    else:
        expected = f"{method} is idempotent: with tries={tries} it is sent {tries} times if none "
        expected += "is answered."
        endless = seen.requests > 20 * most
        words = f"{got}, and no end to it: that makes an outage worse." if endless else f"{got}."
    expect(seen.requests == most, expected, happened=words, seen=seen)


def serve():
    """A server whose faults take every method."""
    methods = [*IDEMPOTENT, *OTHERS]
    handlers = {
        "/close": close.without_answer,
        "/reset": reset.before,
        "/refuses": PlainTextResponse(status_code=503),
        "/moved": PlainTextResponse(status_code=302, headers={"location": "/echo"}),
        "/garbled": PlainTextResponse("no gzip", headers={"content-encoding": "gzip"}),
        "/echo": PlainTextResponse(),
    }
    return LocalServer(
        Starlette(
            routes=[Route(path, handler, methods=methods) for path, handler in handlers.items()]
        )
    )
