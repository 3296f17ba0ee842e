"""`Limits` that throw no connection away: as many kept as allowed, and given up in time."""

import asyncio
import itertools
import ssl

import httpx

from server.local import LocalServer
from workbench.checking.record import Exercise, Wrong, WrongAnswer, expect

# connections at most, seconds until the server closes an idle one, seconds of the round trip
CASES = [(8, 60, 0.2), (3, 9, 4.5), (24, 20, 4.0)]
MANY, LONG = 1000, 600  # connections, that no one opens here, and seconds
SHORT = 3  # requests, one by one
_numbers = itertools.count(1)


def limits_for(at_once, server_keeps, round_trip):
    """Return the httpx.Limits: at most `at_once` connections, and one that comes free is kept,
    for half of `server_keeps` (seconds until the server closes an idle one) or longer, but given
    up a `round_trip` (seconds) or more before the server closes it.
    """
    return httpx.Limits(max_connections=at_once)


def solution(at_once, server_keeps, round_trip):
    """Return the httpx.Limits: at most `at_once` connections, and one that comes free is kept,
    for half of `server_keeps` (seconds until the server closes an idle one) or longer, but given
    up a `round_trip` (seconds) or more before the server closes it.
    """
    return httpx.Limits(
        max_connections=at_once,
        max_keepalive_connections=at_once,
        keepalive_expiry=server_keeps - round_trip,
    )


def _limits(most, kept, expiry):
    return httpx.Limits(
        max_connections=most, max_keepalive_connections=kept, keepalive_expiry=expiry
    )


def takes_the_defaults(at_once, server_keeps, round_trip):
    return _limits(100, 20, server_keeps - round_trip)


def keeps_the_default_20(at_once, server_keeps, round_trip):
    return _limits(at_once, 20, server_keeps - round_trip)


def keeps_a_quarter(at_once, server_keeps, round_trip):
    return _limits(at_once, at_once // 4, server_keeps - round_trip)


def keeps_one_too_few(at_once, server_keeps, round_trip):
    return _limits(at_once, at_once - 1, server_keeps - round_trip)


def keeps_100_in_any_case(at_once, server_keeps, round_trip):
    return _limits(at_once, 100, server_keeps - round_trip)


def limits_the_kept_ones_only(at_once, server_keeps, round_trip):
    expiry = server_keeps - round_trip
    return httpx.Limits(max_keepalive_connections=at_once, keepalive_expiry=expiry)


def halves_it(at_once, server_keeps, round_trip):
    most = at_once // 2
    return _limits(most, most, server_keeps - round_trip)


def leaves_the_expiry_out(at_once, server_keeps, round_trip):
    return httpx.Limits(max_connections=at_once, max_keepalive_connections=at_once)


def writes_a_number_of_its_own(at_once, server_keeps, round_trip):
    return _limits(at_once, at_once, 4.9)


def expires_when_the_server_does(at_once, server_keeps, round_trip):
    return _limits(at_once, at_once, server_keeps)


def takes_off_a_tenth(at_once, server_keeps, round_trip):
    return _limits(at_once, at_once, 0.9 * server_keeps)


def takes_each_server_to_be_near(at_once, server_keeps, round_trip):
    return _limits(at_once, at_once, server_keeps - 0.2)


def cuts_to_whole_seconds(at_once, server_keeps, round_trip):
    return _limits(at_once, at_once, int(server_keeps - round_trip))


def has_half_a_minute_at_most(at_once, server_keeps, round_trip):
    return _limits(at_once, at_once, min(server_keeps - round_trip, 30))


def has_two_at_least(at_once, server_keeps, round_trip):
    return _limits(max(at_once, 2), at_once, server_keeps - round_trip)


def has_no_expiry(at_once, server_keeps, round_trip):
    return _limits(at_once, at_once, None)


def returns_nothing(at_once, server_keeps, round_trip):
    _limits(at_once, at_once, server_keeps - round_trip)


def sets_no_limit_to_what_is_kept(at_once, server_keeps, round_trip):
    return httpx.Limits(max_connections=at_once, keepalive_expiry=server_keeps / 2)


def leaves_a_margin(at_once, server_keeps, round_trip):
    expiry = max(server_keeps / 2, server_keeps - 2 * round_trip)
    return httpx.Limits(
        max_connections=at_once, max_keepalive_connections=at_once + 1, keepalive_expiry=expiry
    )


async def check(attempt, server):
    context = ssl.create_default_context()
    for at_once, server_keeps, round_trip in CASES:
        limits = attempt(at_once, server_keeps, round_trip)
        expect(
            isinstance(limits, httpx.Limits),
            "An `httpx.Limits`.",
            happened=f"It returned an object of type `{type(limits).__name__}`.",
        )
        _check_expiry(limits.keepalive_expiry, server_keeps, round_trip)
        async with httpx.AsyncClient(verify=context, limits=limits, timeout=30) as client:
            await _check_most(client, server, at_once)
            await _check_kept(client, server, at_once)
    _check_many(attempt(MANY, LONG, 0.2))
    _check_one(attempt(1, LONG, 0.2))


def _check_expiry(expiry, server_keeps, round_trip):
    case = f"The server closes an idle connection after {server_keeps} s, {round_trip} s away."
    expect(
        expiry is not None and expiry <= server_keeps - round_trip,
        f"{case} It is given up before, by a round trip at least.",
        happened=f"`keepalive_expiry` is {expiry}. A request that is sent at the last moment meets "
        "the server's close on its way.",
    )
    expect(
        expiry >= server_keeps / 2,
        f"{case} It is kept for half of that time or longer.",
        happened=f"`keepalive_expiry` is {expiry}: it is given up sooner, and opened anew.",
    )


def _check_one(limits):
    expect(
        limits.max_connections == 1,
        "At most 1 connection, where 1 is allowed.",
        happened=f"`max_connections` is {limits.max_connections}.",
    )


def _check_many(limits):
    _check_expiry(limits.keepalive_expiry, LONG, 0.2)
    kept = limits.max_keepalive_connections
    expect(
        kept is None or kept >= MANY,
        f"Where {MANY} connections are allowed, each is kept when it comes free.",
        happened=f"`max_keepalive_connections` is {kept}.",
    )


async def _check_most(client, server, at_once):
    with server.ledger.watch() as seen:
        together = await _burst(client, server, at_once + 1)
    expect(
        together >= at_once,
        f"{at_once} connections: so many requests reach the server at the same time.",
        happened=f"{together} did, and the others stood in the pool's queue.",
        seen=seen,
    )
    expect(
        together == at_once,
        f"At most {at_once} connections.",
        happened="One more request came, and it was given one more connection. "
        + _too_many(client),
        seen=seen,
    )


async def _check_kept(client, server, at_once):
    """Short requests, one by one, while all connections but one are in use."""
    with server.ledger.watch() as seen:
        await _burst(client, server, at_once - 1, short=SHORT)
    expect(
        seen.connections == 0,
        f"{at_once - 1} requests are under way, {SHORT} short ones come one by one, and each finds "
        f"a connection of the {at_once} that are open already.",
        happened=f"The client opened {seen.connections} anew. `max_keepalive_connections` counts "
        "the connections in use, too.",
        seen=seen,
    )


async def _burst(client, server, size, short=0):
    """Send so many requests at once; return how many of them the server held at the same time.

    short: how many others are sent meanwhile, one after the other.
    """
    gate = f"burst-{next(_numbers)}"
    url = f"{server.url}/faults/hold?gate={gate}"
    tasks = [asyncio.create_task(client.get(url)) for _ in range(size)]
    together = min(size, _most(client))
    try:
        await server.gates.reached(gate, together, timeout=20)
        for _ in range(short):
            await client.get(server.url + "/echo")
    finally:
        server.gates.open(gate)
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise Wrong("Each request is answered.", happened=f"`{outcome!r}`") from outcome
    return together


def _most(client):
    return client._transport._pool._max_connections  # there is no public way to ask


def _too_many(client):
    most = _most(client)
    if most > 1000:
        return (
            "Where `max_connections` is left out, it is not httpx's default that counts. It is "
            "`None`: there is no limit."
        )
    return f"The limit is {most}."


EXERCISE = Exercise(
    id="08-2",
    title="Limits that throw nothing away",
    task="`limits_for` is told how many connections there may be, when the server closes an idle "
    "one, and how far away it is. Return the `httpx.Limits`: no more connections than that, each "
    "kept when it comes free, for half of the server's time or longer, and given up a round trip "
    "or more before the server closes it.",
    starter=limits_for,
    hints=[
        "`httpx.Limits` has three fields. A number of connections that you leave out is not "
        "httpx's default, but `None`; the expiry is 5 seconds then.",
        "The pool compares `max_keepalive_connections` with all that it holds. So how large must "
        "it be if nothing is ever to be one too many?",
        "The request needs its time to the server, and the server's close needs its time to you: "
        "subtract the round trip from the server's time.",
    ],
    wrong=[
        WrongAnswer(takes_the_defaults, "The limit is 100."),
        WrongAnswer(keeps_the_default_20, "23 requests are under way"),
        WrongAnswer(keeps_a_quarter, "opened 8 anew"),
        WrongAnswer(keeps_one_too_few, "opened 3 anew"),
        WrongAnswer(keeps_100_in_any_case, "`max_keepalive_connections` is 100."),
        WrongAnswer(limits_the_kept_ones_only, "there is no limit."),
        WrongAnswer(halves_it, "stood in the pool's queue"),
        WrongAnswer(leaves_the_expiry_out, "`keepalive_expiry` is 5.0"),
        WrongAnswer(writes_a_number_of_its_own, "`keepalive_expiry` is 4.9"),
        WrongAnswer(expires_when_the_server_does, "`keepalive_expiry` is 60"),
        WrongAnswer(takes_off_a_tenth, "`keepalive_expiry` is 8.1"),
        WrongAnswer(takes_each_server_to_be_near, "`keepalive_expiry` is 8.8"),
        WrongAnswer(cuts_to_whole_seconds, "`keepalive_expiry` is 4: it is given up sooner"),
        WrongAnswer(has_half_a_minute_at_most, "`keepalive_expiry` is 30: it is given up sooner"),
        WrongAnswer(has_two_at_least, "`max_connections` is 2."),
        WrongAnswer(has_no_expiry, "`keepalive_expiry` is None"),
        WrongAnswer(returns_nothing, "type `NoneType`"),
    ],
    right=[sets_no_limit_to_what_is_kept, leaves_a_margin],
    solution=solution,
    why="The pool closes idle connections when it holds more than it may keep, those in use "
    "included. Where it may keep all that it may open, there is never one too many. What "
    "you give up a round trip before the server does, you do not send on while it closes.",
    check=check,
    serve=lambda: LocalServer(timeout_keep_alive=60),
)
