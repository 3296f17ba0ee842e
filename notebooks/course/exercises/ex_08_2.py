"""`Limits` from the load: Little's law, room for a burst, and no connection thrown away."""

import asyncio
import itertools
import math
import ssl

import httpx

from server.local import LocalServer
from workbench.checking.record import Exercise, Wrong, WrongAnswer, expect

# requests per second, seconds each, seconds until the server closes an idle connection
LOADS = [(20, 0.25, 30), (6, 0.5, 5)]
_numbers = itertools.count(1)


def limits_for(rate, seconds, server_keeps):
    """Return the httpx.Limits of a client for this load.

    rate: requests per second. seconds: how long each takes. server_keeps: after so many seconds
    the server closes an idle connection.

    The client may use twice as many connections as are under way on average, and no more. It keeps
    them all for the next burst, and it gives an idle one up before the server does.
    """
    return httpx.Limits(max_connections=rate)


def solution(rate, seconds, server_keeps):
    """Return the httpx.Limits of a client for this load.

    rate: requests per second. seconds: how long each takes. server_keeps: after so many seconds
    the server closes an idle connection.

    The client may use twice as many connections as are under way on average, and no more. It keeps
    them all for the next burst, and it gives an idle one up before the server does.
    """
    most = math.ceil(2 * rate * seconds)
    return httpx.Limits(
        max_connections=most,
        max_keepalive_connections=most,
        keepalive_expiry=server_keeps / 2,
    )


def takes_the_defaults(rate, seconds, server_keeps):
    return httpx.Limits(
        max_connections=100, max_keepalive_connections=20, keepalive_expiry=server_keeps / 2
    )


def has_no_room_for_a_burst(rate, seconds, server_keeps):
    most = math.ceil(rate * seconds)
    return httpx.Limits(
        max_connections=most, max_keepalive_connections=most, keepalive_expiry=server_keeps / 2
    )


def takes_the_rate(rate, seconds, server_keeps):
    return httpx.Limits(
        max_connections=rate, max_keepalive_connections=rate, keepalive_expiry=server_keeps / 2
    )


def divides(rate, seconds, server_keeps):
    most = math.ceil(2 * rate / seconds)
    return httpx.Limits(
        max_connections=most, max_keepalive_connections=most, keepalive_expiry=server_keeps / 2
    )


def limits_the_idle_ones_only(rate, seconds, server_keeps):
    most = math.ceil(2 * rate * seconds)
    return httpx.Limits(max_keepalive_connections=most, keepalive_expiry=server_keeps / 2)


def keeps_the_average(rate, seconds, server_keeps):
    average = math.ceil(rate * seconds)
    return httpx.Limits(
        max_connections=2 * average,
        max_keepalive_connections=average,
        keepalive_expiry=server_keeps / 2,
    )


def leaves_the_expiry_out(rate, seconds, server_keeps):
    most = math.ceil(2 * rate * seconds)
    return httpx.Limits(max_connections=most, max_keepalive_connections=most)


def expires_when_the_server_does(rate, seconds, server_keeps):
    most = math.ceil(2 * rate * seconds)
    return httpx.Limits(
        max_connections=most, max_keepalive_connections=most, keepalive_expiry=server_keeps
    )


async def check(attempt, server):
    context = ssl.create_default_context()
    for load in LOADS:
        await _check_load(attempt, server, context, *load)


async def _check_load(attempt, server, context, rate, seconds, server_keeps):
    limits = attempt(rate, seconds, server_keeps)
    expect(
        isinstance(limits, httpx.Limits),
        "An `httpx.Limits`.",
        happened=f"It returned an object of type `{type(limits).__name__}`.",
    )
    average = math.ceil(rate * seconds)
    load = f"{rate} requests per second of {seconds} s each: {average} are under way on average"
    async with httpx.AsyncClient(verify=context, limits=limits, timeout=30) as client:
        with server.ledger.watch() as seen:
            at_once = await _burst(client, server, 2 * average + 1)
        expect(
            at_once >= 2 * average,
            f"{load}. In a burst, {2 * average} reach the server at the same time.",
            happened=f"{at_once} did, and the others stood in the pool's queue.",
            seen=seen,
        )
        expect(
            at_once == 2 * average,
            f"{load}. At most {2 * average} connections.",
            happened="One more request came, and it was given one more connection. "
            + _too_many(limits),
            seen=seen,
        )
        with server.ledger.watch() as seen:
            await _burst(client, server, 2 * average)
        expect(
            seen.connections == 0,
            "The second burst finds the connections of the first.",
            happened=f"It opened {seen.connections} anew: after the first burst the client kept "
            f"{limits.max_keepalive_connections} and closed the others.",
            seen=seen,
        )
    expiry = limits.keepalive_expiry
    expect(
        expiry is not None and 0 < expiry < server_keeps,
        f"An idle connection is given up before the server closes it after {server_keeps} s.",
        happened=f"`keepalive_expiry` is {expiry}. In the time between, a request can be sent on a "
        "connection that the server is closing.",
    )


async def _burst(client, server, size):
    """Send so many requests at once; return how many of them the server held at the same time."""
    gate = f"burst-{next(_numbers)}"
    url = f"{server.url}/faults/hold?gate={gate}"
    tasks = [asyncio.create_task(client.get(url)) for _ in range(size)]
    limit = client._transport._pool._max_connections  # there is no public way to ask
    together = min(size, limit)
    try:
        await server.gates.reached(gate, together, timeout=20)
    finally:
        server.gates.open(gate)
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise Wrong("Each request is answered.", happened=f"`{outcome!r}`") from outcome
    return together


def _too_many(limits):
    if limits.max_connections is None:
        return (
            "Where `max_connections` is left out, it is not httpx's default that counts. It is "
            "`None`: there is no limit."
        )
    return f"The limit is {limits.max_connections}."


EXERCISE = Exercise(
    id="08-2",
    title="Limits from the load",
    task="`limits_for` is told the load. Return the `httpx.Limits`: twice the connections that are "
    "under way on average and no more, all of them kept, and given up before the server does.",
    starter=limits_for,
    hints=[
        "Little's law: requests per second × seconds each. The result may be no whole number, and "
        "half a connection is of no use: `math.ceil`.",
        "`httpx.Limits` has three fields. What you leave out is not httpx's default.",
        "All are kept if `max_keepalive_connections` is as large as `max_connections`. For the "
        "expiry, half of the server's time will do.",
    ],
    wrong=[
        WrongAnswer(takes_the_defaults, "The limit is 100."),
        WrongAnswer(has_no_room_for_a_burst, "stood in the pool's queue"),
        WrongAnswer(takes_the_rate, "The limit is 20."),
        WrongAnswer(divides, "The limit is 160."),
        WrongAnswer(limits_the_idle_ones_only, "there is no limit."),
        WrongAnswer(keeps_the_average, "closed the others"),
        WrongAnswer(leaves_the_expiry_out, "`keepalive_expiry` is 5.0"),
        WrongAnswer(expires_when_the_server_does, "`keepalive_expiry` is 30"),
    ],
    solution=solution,
    why="Rate times time is what is under way. Twice that is room for a burst, and a connection "
    "that is kept need not be opened again.",
    check=check,
    serve=lambda: LocalServer(timeout_keep_alive=60),
)
