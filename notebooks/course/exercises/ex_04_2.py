"""Try again where it is safe, once, and nowhere else."""

import asyncio

import httpx

from workbench.checking.record import Exercise, Wrong, WrongAnswer, expect

MOST_TRIES = 5


async def send(client, method, url):
    """Send a request and return its response.

    If the connection broke and the method is safe to repeat, send the request once more.
    """
    return await client.request(method, url)


async def solution(client, method, url):
    """Send a request and return its response.

    If the connection broke and the method is safe to repeat, send the request once more.
    """
    try:
        return await client.request(method, url)
    except (httpx.RemoteProtocolError, httpx.NetworkError):
        if method not in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE"):
            raise
    return await client.request(method, url)


async def raises_the_time_limit(client, method, url):
    return await client.request(method, url, timeout=60)


async def repeats_everything(client, method, url):
    for _ in range(2):
        try:
            return await client.request(method, url)
        except httpx.TransportError:
            await asyncio.sleep(0.01)
    return await client.request(method, url)


async def knows_network_errors_only(client, method, url):
    try:
        return await client.request(method, url)
    except httpx.NetworkError:
        if method == "POST":
            raise
    return await client.request(method, url)


async def knows_protocol_errors_only(client, method, url):
    try:
        return await client.request(method, url)
    except httpx.RemoteProtocolError:
        if method == "POST":
            raise
    return await client.request(method, url)


async def hides_the_exception(client, method, url):
    try:
        return await client.request(method, url)
    except Exception:
        pass


async def never_gives_up(client, method, url):
    while True:
        try:
            return await client.request(method, url)
        except (httpx.RemoteProtocolError, httpx.ReadError):
            if method == "POST":
                raise


async def makes_a_client_of_its_own(client, method, url):
    transport = httpx.AsyncHTTPTransport(retries=3)
    async with httpx.AsyncClient(transport=transport) as own:
        return await own.request(method, url)


async def check(attempt, server):
    await _uses_the_client(attempt, server)
    await _repeats_a_get(attempt, server)
    async with httpx.AsyncClient() as client:
        await _gives_up(attempt, server, client)
        await _posts_once(attempt, server, client)


async def _uses_the_client(attempt, server):
    with server.ledger.watch() as seen:
        async with httpx.AsyncClient() as client:
            await attempt(client, "GET", server.url + "/echo")
            await attempt(client, "GET", server.url + "/echo")
    expect(
        seen.connections == 1,
        "The requests go out on the client that was passed in.",
        happened="They opened connections of their own: a client per call has nothing to reuse.",
        seen=seen,
    )


async def _repeats_a_get(attempt, server):
    """The second request of a connection breaks, once by a FIN and once by an RST."""
    broken = {}
    for end in ("close", "reset"):
        url = f"{server.url}/faults/{end}?nth=2"
        async with httpx.AsyncClient() as client:
            await client.get(url)
            try:
                response = await attempt(client, "GET", url)
            except httpx.TransportError as error:
                broken[end] = error
                continue
        expect(
            isinstance(response, httpx.Response),
            "A response.",
            happened=f"Your function returned `{response!r}`: the failure is hidden, and the "
            "caller has no answer.",
        )
    expected = "A GET is sent once more, and its caller gets the response."
    match broken:
        case {"close": _, "reset": _}:
            words = "No second try was made. No time limit had run out, either."
        case {"close": error}:
            words = f"`{error!r}` came through: it is a TransportError, but no NetworkError."
        case {"reset": error}:
            words = f"`{error!r}` came through: that is what an RST in place of a FIN looks like."
        case _:
            return
    raise Wrong(expected, happened=words)


async def _gives_up(attempt, server, client):
    """No try can succeed."""
    with server.ledger.watch() as seen:
        try:
            async with asyncio.timeout(1):
                await attempt(client, "GET", server.url + "/faults/close")
        except (httpx.TransportError, TimeoutError):
            pass
    expect(
        seen.requests <= MOST_TRIES,
        "If the second try fails as well, its exception comes out.",
        happened=f"The server was asked {seen.requests} times within a second, and there was no "
        "end to it: that makes an outage worse.",
    )


async def _posts_once(attempt, server, client):
    with server.ledger.watch() as seen:
        try:
            await attempt(client, "POST", server.url + "/faults/close")
            raised = False
        except httpx.RemoteProtocolError:
            raised = True
    expect(
        seen.requests == 1,
        "A POST is sent once.",
        happened=f"The server received it {seen.requests} times. It may have acted on each.",
        seen=seen,
    )
    expect(
        raised,
        "The exception of a POST comes out: its caller has to find out what became of it.",
        happened="It was hidden.",
        seen=seen,
    )


EXERCISE = Exercise(
    id="04-2",
    title="Try again, where it is safe",
    task="`send(client, method, url)` sends one request. When the connection breaks, by a FIN or "
    "by an RST, a GET is sent once more; a POST is not, for the server may have acted on it. An "
    "exception that is not cured comes out.",
    starter=send,
    hints=[
        "Which two exceptions has this lesson shown for a connection that breaks? Look at what "
        "their classes have in common, and at what they do not.",
        "After `except`, ask for the method first. `raise` without a name passes the exception on.",
        "The second try stands outside of the `try`, so that its own exception comes out.",
    ],
    wrong=[
        WrongAnswer(raises_the_time_limit, "No time limit had run out"),
        WrongAnswer(repeats_everything, "It may have acted on each"),
        WrongAnswer(knows_network_errors_only, "but no NetworkError"),
        WrongAnswer(knows_protocol_errors_only, "an RST in place of a FIN"),
        WrongAnswer(hides_the_exception, "the failure is hidden"),
        WrongAnswer(never_gives_up, "that makes an outage worse"),
        WrongAnswer(makes_a_client_of_its_own, "a client per call"),
    ],
    solution=solution,
    why="GET, HEAD, OPTIONS, PUT and DELETE are idempotent (RFC 9110, 9.2.2): sent twice, they "
    "mean the same as sent once. A POST does not, unless the service promises it, for example "
    "with an idempotency key.",
    check=check,
)
