"""A client that gives its idle connections up before the server does."""

import httpx

from course.exercises.crossing import cross_the_fin
from server.local import LocalServer
from server.wire import Link
from workbench.checking.record import Exercise, Wrong, WrongAnswer, expect

# uvicorn hands its time-out to `loop.call_later`, which takes fractions of a second, too.
SERVER_TIMEOUT = 0.6
ONE_WAY = 0.15


def make_client(server_timeout, round_trip):
    """Return an httpx.AsyncClient for a server that closes idle connections after server_timeout.

    Both are in seconds. No request may be sent on a connection that the server has closed, and
    requests that follow each other quickly share one connection.
    """
    return httpx.AsyncClient()


def solution(server_timeout, round_trip):
    """Return an httpx.AsyncClient for a server that closes idle connections after server_timeout.

    Both are in seconds. No request may be sent on a connection that the server has closed, and
    requests that follow each other quickly share one connection.
    """
    expiry = 0.8 * (server_timeout - round_trip)
    limits = httpx.Limits(
        max_connections=100, max_keepalive_connections=20, keepalive_expiry=expiry
    )
    return httpx.AsyncClient(limits=limits)


def raises_the_time_limit(server_timeout, round_trip):
    return httpx.AsyncClient(timeout=60)


def retries_in_the_transport(server_timeout, round_trip):
    return httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(retries=3))


def expires_with_the_server(server_timeout, round_trip):
    return httpx.AsyncClient(limits=httpx.Limits(keepalive_expiry=server_timeout))


def expires_a_little_before(server_timeout, round_trip):
    return httpx.AsyncClient(limits=httpx.Limits(keepalive_expiry=0.95 * server_timeout))


def keeps_nothing_alive(server_timeout, round_trip):
    return httpx.AsyncClient(limits=httpx.Limits(max_keepalive_connections=0))


async def check(attempt, server):
    with Link(server.url, ONE_WAY) as link:
        client = attempt(SERVER_TIMEOUT, 2 * ONE_WAY)
        expect(
            isinstance(client, httpx.AsyncClient),
            "An `httpx.AsyncClient`.",
            happened=f"Your function returned an object of type `{type(client).__name__}`.",
        )
        async with client:
            with server.ledger.watch() as quick:
                await client.get(server.url + "/echo")
                await client.get(server.url + "/echo")
            expect(
                quick.connections == 1,
                "Requests that follow each other quickly share one connection.",
                happened="Each of two requests opened a connection of its own: nothing is stale "
                "where nothing is kept, and every call pays for connecting.",
                seen=quick,
            )
            try:
                await cross_the_fin(client, server, link)
            except httpx.TransportError as error:
                raise Wrong(
                    "No request on a connection that the server has closed.",
                    happened=f"`{error!r}` for a request that left while the FIN was under way. "
                    + _advice(client),
                ) from error


def _advice(client):
    """Say why this client reused the connection, as far as its settings tell."""
    # httpx has no public way to read these settings back.
    pool = getattr(client._transport, "_pool", None)
    expiry = getattr(pool, "_keepalive_expiry", None)
    if getattr(pool, "_retries", 0):
        return "`retries=` repeats connecting, and connecting was not what failed."
    if client.timeout != httpx.Timeout(5.0):
        return "Nothing took too long, so a longer time limit changes nothing."
    if expiry is None or expiry > SERVER_TIMEOUT:
        return "The client keeps an idle connection for longer than the server does."
    if expiry == SERVER_TIMEOUT:
        return "Client and server give up at the same moment, and the news needs time to travel."
    return "Your limit is below the server's, but not by a round trip."


EXERCISE = Exercise(
    id="04-1",
    title="Give up first",
    task="`make_client(server_timeout, round_trip)` returns a client for a server that closes idle "
    "connections after `server_timeout` seconds, a `round_trip` away. Change it so that no request "
    "is sent on a connection that the server has closed. Requests that follow each other quickly "
    "still share a connection.",
    starter=make_client,
    hints=[
        "Two clocks run on an idle connection, the server's and the client's. Which one must be "
        "the first to run out?",
        "The client's clock is `keepalive_expiry`, and `httpx.Limits` takes it.",
        "The server's clock starts half a round trip before the client's, and a request travels "
        "for another half. So subtract a whole round trip, and leave a margin.",
    ],
    wrong=[
        WrongAnswer(raises_the_time_limit, "Nothing took too long"),
        WrongAnswer(retries_in_the_transport, "`retries=` repeats connecting"),
        WrongAnswer(expires_with_the_server, "give up at the same moment"),
        WrongAnswer(expires_a_little_before, "but not by a round trip"),
        WrongAnswer(keeps_nothing_alive, "every call pays for connecting"),
    ],
    solution=solution,
    why="The client gives the connection up while the server still holds it, so a request can "
    "never meet the server's FIN. The two other limits are httpx's defaults: "
    "`Limits(keepalive_expiry=...)` alone would leave them unlimited.",
    check=check,
    serve=lambda: LocalServer(timeout_keep_alive=SERVER_TIMEOUT),
)
