"""The check of exercise 00-httpx2-1: what a function does with a client of either library.

`ex_00_httpx2_1.py` uses it. It asks the server that `serve` makes, and two ports of its own.
"""

import itertools
import ssl
from functools import partial

import httpx
import httpx2
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from course.exercises.ended import check_cancelled_with_its_tasks
from course.exercises.ownership import settings_of
from server.faults import close
from server.local import LocalServer
from server.wire import SilentListener, refused
from workbench.checking.record import expect

LIBRARIES = (httpx, httpx2)
TEXTS = {
    "/sunny": "sunny\n",
    "/busy": "busy",
    "/rain": "rain, 8 °C",
    "/empty": "",
    "/moved": "moved",
}


async def check(attempt, server):
    context = ssl.create_default_context()
    clients = [partial(_client, library, context) for library in LIBRARIES]
    for client in clients:
        await _answered(attempt, server, client)
    with refused() as port, SilentListener() as silent:
        urls = (server.url + "/close", port.url, silent.url, "weather:sunny")
        with server.ledger.watch() as seen:
            came = [[await _fresh(attempt, client, url) for url in urls] for client in clients]
    _expect_none(*came)
    expect(
        seen.requests == len(clients),
        "A request is sent once, also where no response comes.",
        happened="The server closed the connection without an answer, and for each of "
        f"{len(clients)} calls your function has sent it {seen.requests / len(clients):g} times.",
        seen=seen,
    )
    for client in clients:
        await _other_errors(attempt, server, client)
    async with clients[0]() as client:
        await check_cancelled_with_its_tasks(
            attempt, lambda: attempt(client, server.url + "/sunny")
        )


def _client(library, context):
    return library.AsyncClient(verify=context, timeout=library.Timeout(10, read=0.5))


async def _answered(attempt, server, make):
    """What is answered is returned, whatever its status, and is asked for on the client."""
    async with make() as client:
        for path, text in TEXTS.items():
            with server.ledger.watch() as seen:
                came = await _call(attempt, client, server.url + path)
            attempt.require_request(seen)
            expect(
                seen.requests == 1,
                "What is answered is asked for once, and no redirect is followed that the client "
                "does not follow.",
                happened=f"The server saw {seen.requests} requests for one call.",
                seen=seen,
            )
            expect(
                came == text,
                "The text of the response that came, of a 503 as well.",
                happened=f"The server answered {text!r}, and {_shown(came)} came out.",
                seen=seen,
            )
            expect(
                all(event.kind != "closed" for event in seen.events),
                "The request goes out on the client that was passed in.",
                happened="Its connection was not used: another one was opened, and closed.",
                seen=seen,
            )


async def _fresh(attempt, make, url):
    async with make() as client:
        before = settings_of(client)
        came = await _call(attempt, client, url)
        expect(
            not client.is_closed,
            "The client is the caller's, and stays open.",
            happened="No response came, and your function has closed the client.",
        )
        changed = [name for name, value in settings_of(client).items() if value != before[name]]
        expect(
            not changed,
            "The client is the caller's, and stays as it is.",
            happened=f"After the call its `{', '.join(changed)}` are others.",
        )
    return came


def _expect_none(of_httpx, of_httpx2):
    """A connection closed, refused, silent, a url of no protocol: None, in either library."""
    escaped = [[_shown(one) for one in came if one is not None] for came in (of_httpx, of_httpx2)]
    words = ", ".join(dict.fromkeys(itertools.chain(*escaped)))
    if not escaped[0]:
        happened = f"It is so with an httpx client. Out of an httpx2 client came {words}."
    elif not escaped[1]:
        happened = f"It is so with an httpx2 client. Out of an httpx client came {words}."
    else:
        happened = (
            "A server closed the connection, one refused, one was silent, and one url was not of "
            f"HTTP. Out came {words}."
        )
    expected = "`None` where no response came, of either library's client."
    expect(not any(escaped), expected, happened=happened)


async def _other_errors(attempt, server, make):
    """A client that is closed, a response that cannot be decoded: what is raised comes out."""
    async with make() as client:
        pass
    came = await _call(attempt, client, server.url + "/sunny")
    expect(
        isinstance(came, RuntimeError),
        "What is not a TransportError comes out.",
        happened="The client was closed, which is a mistake in the program that calls. "
        f"RuntimeError was raised, and {_shown(came)} came out.",
    )
    came = await _fresh(attempt, make, server.url + "/garbled")
    expect(
        isinstance(came, httpx.DecodingError | httpx2.DecodingError),
        "What is not a TransportError comes out.",
        happened="A response came, which says gzip and is none. DecodingError was raised, and "
        f"{_shown(came)} came out.",
    )


async def _call(attempt, client, url):
    """Return what came out of a call: its result, or what it raised."""
    try:
        return await attempt(client, url)
    except (NotImplementedError, httpx.StreamError, httpx2.StreamError):
        raise
    except (httpx.HTTPError, httpx2.HTTPError, RuntimeError) as error:
        return error


def _shown(came):
    if isinstance(came, Exception):
        return f"`{type(came).__module__}.{type(came).__name__}`"
    if came is None or isinstance(came, str):
        return f"`{came!r}`"
    return f"an object of type `{type(came).__name__}`"


def serve():
    rain = TEXTS["/rain"].encode("iso-8859-1")
    answers = {
        **{path: PlainTextResponse(text) for path, text in TEXTS.items()},
        "/rain": Response(rain, media_type="text/plain; charset=iso-8859-1"),
        "/busy": PlainTextResponse("busy", status_code=503),
        "/moved": PlainTextResponse("moved", status_code=302, headers={"location": "/sunny"}),
        "/garbled": PlainTextResponse("no gzip", headers={"content-encoding": "gzip"}),
        "/close": close.without_answer,
    }
    return LocalServer(Starlette(routes=[Route(path, app) for path, app in answers.items()]))
