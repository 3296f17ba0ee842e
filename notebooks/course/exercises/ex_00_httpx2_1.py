"""A function that gets a client of either library, and tells its errors from all others."""

import asyncio
import contextlib
import importlib

import httpx
import httpx2

from course.exercises.text_or_none_trial import check, serve
from workbench.checking.record import Exercise, WrongAnswer


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


async def follows_redirects(client, url):
    try:
        return (await client.get(url, follow_redirects=True)).text
    except (httpx.TransportError, httpx2.TransportError):
        return None


async def strips_the_text(client, url):
    text = await solution(client, url)
    return text and text.strip()


async def asks_three_times(client, url):
    for _ in range(3):
        if (text := await solution(client, url)) is not None:
            return text


async def sets_a_time_limit_of_its_own(client, url):
    client.timeout = 1
    return await solution(client, url)


async def leaves_the_request_running(client, url):
    asking = asyncio.create_task(client.get(url))
    await asyncio.wait({asking})
    if isinstance(asking.exception(), (httpx.TransportError, httpx2.TransportError)):
        return None
    return asking.result().text


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


async def chooses_by_the_class_of_the_client(client, url):
    of_httpx = isinstance(client, httpx.AsyncClient)
    outcome = await asyncio.gather(client.get(url), return_exceptions=True)
    match outcome:
        case [httpx.TransportError()] if of_httpx:
            return None
        case [httpx2.TransportError()] if not of_httpx:
            return None
        case [Exception() as error]:
            raise error
        case [response]:
            return response.text


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
        catching(
            "forgets_urls_of_no_protocol",
            *(httpx.TimeoutException, httpx.NetworkError, httpx.ProtocolError),
            *(httpx2.TimeoutException, httpx2.NetworkError, httpx2.ProtocolError),
        ),
        "not of HTTP. Out came `httpx.UnsupportedProtocol`",
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
        WrongAnswer(follows_redirects, "saw 2 requests for one call"),
        WrongAnswer(strips_the_text, "and `'sunny'` came out"),
        WrongAnswer(asks_three_times, "your function has sent it 3 times"),
        WrongAnswer(sets_a_time_limit_of_its_own, "its `timeout` are others"),
        WrongAnswer(leaves_the_request_running, "a task still ran that nobody waited for"),
        WrongAnswer(returns_nothing, "No request was made"),
    ],
    right=[
        suppresses_both,
        asks_the_client_for_its_library,
        chooses_by_the_class_of_the_client,
    ],
    solution=solution,
    why="httpx2 has httpx's names, and classes of its own: nothing of httpx is a base class of "
    "them. Until the last caller has moved, both stand in the clause.",
    check=check,
    serve=serve,
)
