"""Try again where it is safe, as often as was asked for, and nowhere else."""

import asyncio

import httpx

from course.exercises.send_trial import IDEMPOTENT, OTHERS, check, serve
from workbench.checking.record import Exercise, WrongAnswer


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
    if method.upper() in ("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"):
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
            if method.upper() in once or attempt == tries - 1:
                raise


async def compares_the_method_as_it_is_written(client, method, url, tries):
    for left in reversed(range(tries)):
        try:
            return await client.request(method, url)
        except httpx.TransportError:
            if method in ("POST", "PATCH") or not left:
                raise


async def tries_again_what_it_cannot_read(client, method, url, tries):
    return await tried(client, method, url, tries, httpx.HTTPError)


async def asks_a_fresh_client(client, method, url, tries):
    try:
        return await client.request(method, url)
    except httpx.TransportError:
        if tries == 1 or method.upper() in OTHERS:
            raise
    async with httpx.AsyncClient() as fresh:
        return await solution(fresh, method, url, tries - 1)


async def follows_redirects(client, method, url, tries):
    return await client.request(method, url, follow_redirects=True)


async def returns_it_unread(client, method, url, tries):
    async with client.stream(method, url) as response:
        return response


async def sets_a_header_of_the_client_s(client, method, url, tries):
    for left in reversed(range(tries)):
        try:
            return await client.request(method, url)
        except httpx.TransportError:
            if method.upper() in OTHERS or not left:
                raise
            client.headers["connection"] = "close"


async def closes_the_client_that_failed(client, method, url, tries):
    try:
        return await solution(client, method, url, tries)
    except httpx.TransportError:
        await client.aclose()
        raise


async def pauses_after_the_last_try(client, method, url, tries):
    error = None
    for _ in range(tries if method.upper() not in OTHERS else 1):
        try:
            return await client.request(method, url)
        except httpx.TransportError as caught:
            error = caught
            await asyncio.sleep(1.2)
    raise error


async def goes_on_when_it_is_cancelled(client, method, url, tries):
    return await asyncio.shield(solution(client, method, url, tries))


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
    return await tried(client, method, url, tries, (httpx.TransportError, asyncio.CancelledError))


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
        WrongAnswer(repeats_bad_answers, "here a 503"),
        WrongAnswer(follows_redirects, "here a 302"),
        WrongAnswer(tries_again_what_it_cannot_read, "and no TransportError"),
        WrongAnswer(returns_it_unread, "`ResponseNotRead` is raised"),
        WrongAnswer(asks_a_fresh_client, "It was answered at request 2"),
        WrongAnswer(sets_a_header_of_the_client_s, "its `headers` are others"),
        WrongAnswer(closes_the_client_that_failed, "the client was closed"),
        WrongAnswer(pauses_after_the_last_try, "It was sent as often as it may be"),
        WrongAnswer(goes_on_when_it_is_cancelled, "a task still ran that nobody waited for"),
        WrongAnswer(compares_the_method_as_it_is_written, "httpx sends it as POST"),
    ],
    right=[counts_down, keeps_the_error],
    solution=solution,
    why="GET, HEAD, OPTIONS, TRACE, PUT and DELETE are idempotent (RFC 9110, 9.2.2): sent twice, "
    "they are meant to have the effect of one. A POST or a PATCH is not, unless the service "
    "promises it, for example with an idempotency key. Each failure takes one dead connection "
    "away, so several tries may be needed where several were idle.",
    check=check,
    serve=serve,
)
