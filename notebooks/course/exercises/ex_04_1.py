"""A client that gives its idle connections up before the server does."""

import asyncio
from dataclasses import dataclass

import httpx

from server.ledger import clock
from server.local import LocalServer
from server.wire import Link
from workbench.checking.record import Exercise, WrongAnswer, expect

# The parts of a whole: how far into the last round trip before the server's time-out the request
# leaves, and the latest at which it tells anything.
INTO_THE_WINDOW, TOO_LATE = 0.15, 0.5
LATE = 0.03  # seconds that a pause may be too long
TRIES = 3  # on a machine that is too busy to keep a pause

# httpcore's names of two steps
CONNECTS, SENDS = "connection.connect_tcp.started", "http11.send_request_headers.started"


def make_client(server_timeout, round_trip):
    """Return an httpx.AsyncClient for a server that closes idle connections after server_timeout.

    Both are in seconds. No request may be sent on a connection that the server closes before the
    request arrives. Requests that follow each other quickly share one connection; where the round
    trip is far shorter than server_timeout, also those that are half a server_timeout apart.
    """
    return httpx.AsyncClient()


def solution(server_timeout, round_trip):
    """Return an httpx.AsyncClient for a server that closes idle connections after server_timeout.

    Both are in seconds. No request may be sent on a connection that the server closes before the
    request arrives. Requests that follow each other quickly share one connection; where the round
    trip is far shorter than server_timeout, also those that are half a server_timeout apart.
    """
    expiry = 0.8 * (server_timeout - round_trip)
    limits = httpx.Limits(
        max_connections=100, max_keepalive_connections=20, keepalive_expiry=expiry
    )
    return httpx.AsyncClient(limits=limits)


def raises_the_time_limit(server_timeout, round_trip):
    return httpx.AsyncClient(timeout=60)


def mounts_one_that_expires_a_little_earlier(server_timeout, round_trip):
    limits = httpx.Limits(keepalive_expiry=server_timeout - 0.01)
    return httpx.AsyncClient(mounts={"all://": httpx.AsyncHTTPTransport(limits=limits)})


def takes_two_round_trips_off(server_timeout, round_trip):
    expiry = server_timeout - 2 * round_trip
    return httpx.AsyncClient(limits=httpx.Limits(keepalive_expiry=expiry))


def retries_in_the_transport(server_timeout, round_trip):
    return httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(retries=3))


def expires_with_the_server(server_timeout, round_trip):
    return httpx.AsyncClient(limits=httpx.Limits(keepalive_expiry=server_timeout))


def takes_a_share(server_timeout, round_trip):
    return httpx.AsyncClient(limits=httpx.Limits(keepalive_expiry=0.7 * server_timeout))


def takes_half_of_the_round_trip_off(server_timeout, round_trip):
    expiry = server_timeout - round_trip / 2
    return httpx.AsyncClient(limits=httpx.Limits(keepalive_expiry=expiry))


def takes_a_small_constant(server_timeout, round_trip):
    return httpx.AsyncClient(limits=httpx.Limits(keepalive_expiry=0.1))


def keeps_nothing_alive(server_timeout, round_trip):
    return httpx.AsyncClient(limits=httpx.Limits(max_keepalive_connections=0))


def makes_a_client_that_cannot_await(server_timeout, round_trip):
    return httpx.Client(limits=httpx.Limits(keepalive_expiry=server_timeout / 10))


class SendsAgain(httpx.AsyncHTTPTransport):
    async def handle_async_request(self, request):
        try:
            return await super().handle_async_request(request)
        except httpx.RemoteProtocolError:
            return await super().handle_async_request(request)


def sends_again_in_the_transport(server_timeout, round_trip):
    return httpx.AsyncClient(transport=SendsAgain())


def subtracts_a_round_trip(server_timeout, round_trip):
    expiry = server_timeout - 1.1 * round_trip
    return httpx.AsyncClient(limits=httpx.Limits(max_connections=50, keepalive_expiry=expiry))


def gives_the_limits_to_a_transport(server_timeout, round_trip):
    limits = httpx.Limits(keepalive_expiry=(server_timeout - round_trip) * 0.6)
    return httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(limits=limits))


@dataclass
class Place:
    """A server, and how far away it is; both in seconds."""

    server_timeout: float
    one_way: float
    far: bool = True

    @property
    def round_trip(self):
        return 2 * self.one_way

    @property
    def name(self):
        return (
            f"a server_timeout of {self.server_timeout} s and a round trip of {self.round_trip} s"
        )


# What is right in one of them by a constant, or by a share of either, is wrong in another.
PLACES = (
    Place(server_timeout=1.6, one_way=0.1, far=False),
    Place(server_timeout=0.7, one_way=0.25),
    Place(server_timeout=1.2, one_way=0.2),
)


async def check(attempt, server):
    results = await asyncio.gather(
        *(_try_in(attempt, place) for place in PLACES), return_exceptions=True
    )
    for result in results:
        if isinstance(result, BaseException):
            raise result


async def _try_in(attempt, place):
    client = attempt(place.server_timeout, place.round_trip)
    expect(
        isinstance(client, httpx.AsyncClient),
        "An `httpx.AsyncClient`.",
        happened=f"Your function returned an object of type `{type(client).__name__}`.",
    )
    with (
        LocalServer(timeout_keep_alive=place.server_timeout) as server,
        Link(server.url, place.one_way) as link,
    ):
        async with client:
            await _shares(client, server, link, place, 0)
            if not place.far:
                await _shares(client, server, link, place, place.server_timeout / 2)
            await _gives_up_first(client, server, link, place)


async def _shares(client, server, link, place, pause):
    """Two requests with this pause between them share a connection."""
    with server.ledger.watch() as seen:
        for _ in range(TRIES):
            await client.get(link.url + "/echo")
            began, steps = clock(), []
            await asyncio.sleep(pause)
            late = clock() - began > pause + LATE
            await client.get(link.url + "/echo", extensions={"trace": _noting(steps)})
            if not late:
                break
    expect(
        CONNECTS not in steps or late,
        "Requests that follow each other within the given time share one connection.",
        happened=f"With {place.name}, the second of two requests, with {_seconds(pause)} between "
        "them, opened a connection of its own: "
        + (
            "the client gave up one that was good for longer."
            if pause
            else "nothing is stale where nothing is kept, and every call pays for connecting."
        ),
        seen=seen,
    )


def _noting(steps):
    async def trace(name, info):
        steps.append(name)

    return trace


async def _gives_up_first(client, server, link, place):
    """A request in the last round trip before the server's time-out gets a new connection."""
    steps = []
    away = (1 - INTO_THE_WINDOW) * place.round_trip
    with server.ledger.watch() as seen:
        for _ in range(TRIES):
            await client.get(link.url + "/echo")
            began = clock()
            await asyncio.sleep(place.server_timeout - away)
            late = clock() - began > place.server_timeout - TOO_LATE * place.round_trip
            if not late:
                break
        try:
            await client.get(link.url + "/echo", extensions={"trace": _noting(steps)})
            words = "went out"
        except httpx.TransportError as error:
            words = f"raised `{error!r}`"
    sent = steps.count(SENDS)
    expect(
        sent == 1,
        "A request is sent once, on a connection that is alive.",
        happened=f"One request was sent {sent} times: first on the dead connection. That "
        "would be a second order, had the server acted on the first.",
        seen=seen,
    )
    expect(
        CONNECTS in steps or late,
        "No request on a connection that the server closes before it arrives.",
        happened=f"With {place.name}, a request {_seconds(place.server_timeout - away)} after the "
        f"last answer {words} on the old connection. {_advice(client, link.url, place)}",
        seen=seen,
    )


def _seconds(pause):
    return f"{pause:.2g} s" if pause else "no pause"


def _advice(client, url, place):
    """Say why this client reused the connection, as far as its settings tell."""
    # httpx has no public way to read these settings back.
    pool = getattr(client._transport_for_url(httpx.URL(url)), "_pool", None)
    if pool is None:
        return ""
    expiry = pool._keepalive_expiry
    default = expiry == httpx.Limits().keepalive_expiry
    if pool._retries and default:
        return "`retries=` repeats connecting, and connecting was not what failed."
    if client.timeout != httpx.Timeout(5.0) and default:
        return "Nothing took too long, so another time limit changes nothing."
    if expiry is None or expiry > place.server_timeout:
        return "The client keeps an idle connection for longer than the server does."
    if expiry == place.server_timeout:
        return "Client and server give up at the same moment, and the news needs time to travel."
    return f"Your limit of {expiry:.3g} s is below the server's, but not by a round trip."


EXERCISE = Exercise(
    id="04-1",
    title="Give up first",
    task="`make_client(server_timeout, round_trip)` returns a client for a server that closes idle "
    "connections after `server_timeout` seconds, a `round_trip` away. Change it so that no request "
    "is sent on a connection that the server closes before the request arrives. Requests that "
    "follow each other quickly still share a connection. The check tries three servers.",
    starter=make_client,
    hints=[
        "Two clocks run on an idle connection, the server's and the client's. Which one must be "
        "the first to run out?",
        "The client's clock is `keepalive_expiry`, and `httpx.Limits` takes it. Name the two "
        "other limits as well: what is not named is lifted.",
        "The server's clock starts half a round trip before the client's, and a request travels "
        "for another half. So subtract a whole round trip, and leave a margin.",
    ],
    wrong=[
        WrongAnswer(raises_the_time_limit, "Nothing took too long"),
        WrongAnswer(retries_in_the_transport, "`retries=` repeats connecting"),
        WrongAnswer(expires_with_the_server, "give up at the same moment"),
        WrongAnswer(takes_a_share, "Your limit of 0.49 s is below"),
        WrongAnswer(takes_half_of_the_round_trip_off, "Your limit of 1.5 s is below"),
        WrongAnswer(takes_a_small_constant, "with 0.8 s between them"),
        WrongAnswer(keeps_nothing_alive, "0.2 s, the second of two requests, with no pause"),
        WrongAnswer(takes_two_round_trips_off, "0.5 s, the second of two requests, with no pause"),
        WrongAnswer(mounts_one_that_expires_a_little_earlier, "Your limit of 1.59 s is below"),
        WrongAnswer(makes_a_client_that_cannot_await, "an object of type `Client`"),
        WrongAnswer(sends_again_in_the_transport, "One request was sent 2 times"),
    ],
    right=[subtracts_a_round_trip, gives_the_limits_to_a_transport],
    solution=solution,
    why="The client gives the connection up while the server still holds it, so a request can "
    "not meet the FIN of the server's time-out, if each body is read as it comes: the client's "
    "clock starts only when it is read. The two other limits are httpx's defaults: "
    "`Limits(keepalive_expiry=...)` alone would leave them unlimited.",
    check=check,
)
