"""A function that gets a client of either library, and tells its errors from all others."""

import asyncio
import contextlib
import importlib
import itertools
import ssl
from functools import partial

import httpx
import httpx2
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from course.exercises.ended import check_cancelled
from server.faults import close
from server.local import LocalServer
from server.wire import SilentListener, refused
from workbench.checking.record import Exercise, WrongAnswer, expect

LIBRARIES = (httpx, httpx2)
TEXTS = {"/sunny": "sunny", "/busy": "busy", "/rain": "rain, 8 °C", "/empty": ""}


async def text_or_none(client, url):
    """GET url and return the response's text, or None if no response came.

    client: an httpx.AsyncClient or an httpx2.AsyncClient. No response came when the client
    raises its library's TransportError. Whatever else is raised comes out.
    """
    raise NotImplementedError


async def solution(client, url):
    """GET url and return the response's text, or None if no response came.

    client: an httpx.AsyncClient or an httpx2.AsyncClient. No response came when the client
    raises its library's TransportError. Whatever else is raised comes out.
    """
    try:
        response = await client.get(url)
    except (httpx.TransportError, httpx2.TransportError):
        return None
    return response.text


def catching(name, *errors):
    """Return an answer that takes these exceptions, and no others, for "no response came"."""

    async def text_or_none(client, url):
        try:
            return (await client.get(url)).text
        except errors:
            return None

    text_or_none.__name__ = name
    return text_or_none


async def raises_for_status(client, url):
    try:
        return (await client.get(url)).raise_for_status().text
    except (httpx.TransportError, httpx2.TransportError):
        return None


async def makes_a_client_of_its_own(client, url):
    async with httpx2.AsyncClient(timeout=client.timeout.read) as own:
        return await solution(own, url)


async def returns_an_empty_text(client, url):
    text = await solution(client, url)
    return "" if text is None else text


async def takes_an_empty_text_for_none(client, url):
    return await solution(client, url) or None


async def closes_the_client_that_failed(client, url):
    text = await solution(client, url)
    if text is None:
        await client.aclose()
    return text


async def decodes_it_itself(client, url):
    try:
        return (await client.get(url)).content.decode()
    except (httpx.TransportError, httpx2.TransportError):
        return None


async def returns_the_response(client, url):
    try:
        return await client.get(url)
    except (httpx.TransportError, httpx2.TransportError):
        return None


async def returns_nothing(client, url):
    return None


async def suppresses_both(client, url):
    with contextlib.suppress(httpx.TransportError, httpx2.TransportError):
        return (await client.get(url)).text


async def asks_the_client_for_its_library(client, url):
    library = importlib.import_module(type(client).__module__)
    try:
        async with client.stream("GET", url) as response:
            await response.aread()
            return response.text
    except library.TransportError:
        return None


async def check(attempt, server):
    context = ssl.create_default_context()
    clients = [partial(_client, library, context) for library in LIBRARIES]
    for client in clients:
        await _answered(attempt, server, client)
    with refused() as port, SilentListener() as silent:
        urls = (server.url + "/close", port.url, silent.url)
        came = [[await _fresh(attempt, client, url) for url in urls] for client in clients]
    _expect_none(*came)
    for client in clients:
        await _other_errors(attempt, server, client)
    async with clients[0]() as client:
        await check_cancelled(lambda: attempt(client, server.url + "/sunny"))


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
        came = await _call(attempt, client, url)
        expect(
            not client.is_closed,
            "The client is the caller's, and stays open.",
            happened="No response came, and your function has closed the client.",
        )
    return came


def _expect_none(of_httpx, of_httpx2):
    """A connection closed, refused, silent: None, in either library."""
    escaped = [[_shown(one) for one in came if one is not None] for came in (of_httpx, of_httpx2)]
    words = ", ".join(dict.fromkeys(itertools.chain(*escaped)))
    if not escaped[0]:
        happened = f"It is so with an httpx client. Out of an httpx2 client came {words}."
    elif not escaped[1]:
        happened = f"It is so with an httpx2 client. Out of an httpx client came {words}."
    else:
        happened = f"A server closed the connection, one refused, one was silent. Out came {words}."
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


def _serve():
    rain = TEXTS["/rain"].encode("iso-8859-1")
    answers = {
        **{path: PlainTextResponse(text) for path, text in TEXTS.items()},
        "/rain": Response(rain, media_type="text/plain; charset=iso-8859-1"),
        "/busy": PlainTextResponse("busy", status_code=503),
        "/garbled": PlainTextResponse("no gzip", headers={"content-encoding": "gzip"}),
        "/close": close.without_answer,
    }
    return LocalServer(Starlette(routes=[Route(path, app) for path, app in answers.items()]))


BOTH = (httpx.TransportError, httpx2.TransportError)
# What is caught, and the words that this earns.
CAUGHT = [
    (catching("knows_httpx_alone", httpx.TransportError), "It is so with an httpx client"),
    (catching("knows_httpx2_alone", httpx2.TransportError), "It is so with an httpx2 client"),
    (catching("catches_everything", Exception), "which is a mistake in the program"),
    (
        catching("catches_what_the_libraries_raise", httpx.HTTPError, httpx2.HTTPError),
        "which says gzip and is none",
    ),
    (
        catching("catches_network_errors", httpx.NetworkError, httpx2.NetworkError),
        "Out came `httpx.RemoteProtocolError`, `httpx.ReadTimeout`",
    ),
    (
        catching("catches_timeouts_alone", httpx.TimeoutException, httpx2.TimeoutException),
        "Out came `httpx.RemoteProtocolError`, `httpx.ConnectError`",
    ),
    (
        catching(
            "forgets_timeouts",
            *(httpx.NetworkError, httpx.ProtocolError),
            *(httpx2.NetworkError, httpx2.ProtocolError),
        ),
        "came `httpx.ReadTimeout`",
    ),
    (catching("catches_a_cancellation", *BOTH, asyncio.CancelledError), "and it swallowed that"),
]

EXERCISE = Exercise(
    id="00-httpx2-1",
    title="Whichever library the client is from",
    task="`text_or_none(client, url)` gets a client of httpx or of httpx2. It returns the text of "
    "the response, or `None` if no response came, which is when the client raises the "
    "`TransportError` of its library. All that is raised besides comes out.",
    starter=text_or_none,
    hints=[
        "The same name is another class in each library: which of them does your `except` clause "
        "name?",
        "An `except` clause takes a tuple of classes.",
        "`TransportError` is a base class of timeouts, network errors and protocol errors. "
        "`HTTPError` is one of more than these.",
    ],
    wrong=[
        *(WrongAnswer(answer, says) for answer, says in CAUGHT),
        WrongAnswer(raises_for_status, "`httpx.HTTPStatusError` came out"),
        WrongAnswer(makes_a_client_of_its_own, "Its connection was not used"),
        WrongAnswer(returns_an_empty_text, "Out came `''`"),
        WrongAnswer(takes_an_empty_text_for_none, "The server answered ''"),
        WrongAnswer(closes_the_client_that_failed, "has closed the client"),
        WrongAnswer(decodes_it_itself, "can't decode byte"),
        WrongAnswer(returns_the_response, "an object of type `Response` came out"),
        WrongAnswer(returns_nothing, "No request was made"),
    ],
    right=[suppresses_both, asks_the_client_for_its_library],
    solution=solution,
    why="httpx2 has httpx's names, and classes of its own: nothing of httpx is a base class of "
    "them. Until the last caller has moved, both stand in the clause.",
    check=check,
    serve=_serve,
)
