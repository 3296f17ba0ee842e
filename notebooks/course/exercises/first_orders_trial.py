"""The check of exercise 05-what-a-stream-holds-1: lists, their details, and a pool of one place.

`ex_05_what_a_stream_holds_1.py` uses it. It asks that file's server, with a client of its own.
"""

import asyncio

import httpx

from course.exercises.closing_trial import all_in
from course.exercises.ended import check_cancelled
from workbench.checking.record import expect

FEW = 2  # lines of the list that has an end
MISSING = 7  # the order that is in the list and nowhere else
FAILING = (
    ("/closed", 1, "the list was answered with 503"),
    ("/all", MISSING + 2, "a detail was answered with 404"),
    ("/torn", 2, "a detail's connection was closed"),
)
PATIENCE = 4.0  # seconds for one call


async def check(attempt, server):
    asked = []

    async def note(request):
        asked.append(request)

    limits = httpx.Limits(max_connections=1)
    given = httpx.Timeout(30, pool=1)
    async with httpx.AsyncClient(
        verify=False,
        limits=limits,
        timeout=given,
        event_hooks={"request": [note]},
    ) as client:
        with server.ledger.watch() as seen:
            await _details(attempt, server, client, "/all", 3, 3)
            await _details(attempt, server, client, "/few", 5, FEW)
            await _details(attempt, server, client, "/late", FEW, FEW)
        expect(
            len(asked) == seen.requests,
            "All requests by the client that your function is given.",
            happened="Some were made by another client.",
            seen=seen,
        )
        expect(
            client.timeout == given,
            "The client's limits are the caller's, and stay as they are.",
            happened=f"It came back with `{client.timeout}`, and was lent with `{given}`.",
        )
        for path, n, what in FAILING:
            await _raises(attempt, server, client, path, n, what)
        await check_cancelled(lambda: attempt(client, server.url + "/all", 1))
    await attempt.require_nothing_left()


async def _details(attempt, server, client, path, n, count):
    expected = f"The details of the first {count} orders."
    with server.ledger.watch() as seen:
        result, raised = await _bounded(attempt(client, server.url + path, n))
    expect(
        not isinstance(raised, TimeoutError),
        expected,
        happened=f"Your function had not ended after {PATIENCE:g} s. "
        + (
            "All numbers that it needs had come, and it waited for one more."
            if path == "/late"
            else "What does it wait for?"
        ),
        seen=seen,
    )
    expect(
        not isinstance(raised, httpx.PoolTimeout),
        expected,
        happened="`PoolTimeout`: the only place in the pool was taken by the list's stream.",
        seen=seen,
    )
    if raised is not None:
        raise raised
    attempt.require_request(seen)
    expect(
        result == [{"order": number} for number in range(1, count + 1)],
        expected,
        happened=f"It returned `{result!r}`."[:200],
        seen=seen,
    )
    expect(
        not client.is_closed,
        "The client is the caller's, and stays open.",
        happened="Your function has closed it.",
        seen=seen,
    )
    await _place_is_free(server, client, seen)


async def _place_is_free(server, client, seen, after=""):
    _, raised = await _bounded(client.get(server.url + "/all/1"))
    expect(
        raised is None,
        "When it is over, the place in the pool is free.",
        happened=f"{after}The next request of the same client ended with `{raised!r}`.",
        seen=seen,
    )


async def _bounded(call):
    """Return what the call returned and what it raised; TimeoutError after `PATIENCE`."""
    running = asyncio.ensure_future(call)
    await asyncio.wait({running}, timeout=PATIENCE)
    if not running.done():
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return None, TimeoutError()
    raised = running.exception()
    return (None, raised) if raised else (running.result(), None)


async def _raises(attempt, server, client, path, n, what):
    kind = httpx.RemoteProtocolError if path == "/torn" else httpx.HTTPStatusError
    with server.ledger.watch() as seen:
        result, raised = await _bounded(attempt(client, server.url + path, n))
        pending = attempt.pending
    expect(
        any(isinstance(error, kind) for error in all_in(raised)),
        f"An `{kind.__name__}`, by itself or in an ExceptionGroup, where {what}.",
        happened=f"`{raised!r}` was raised, where {what}."
        if raised
        else f"Nothing was raised, where {what}; {_kinds(result)} was returned.",
        seen=seen,
    )
    expect(
        not pending,
        "When it is over, none of its requests is under way.",
        happened=f"It had raised, where {what}, and a task still ran: `{next(iter(pending), '')}`.",
        seen=seen,
    )
    await _place_is_free(server, client, seen, f"It had raised, where {what}. ")


def _kinds(result):
    if not isinstance(result, list):
        return f"an object of type `{type(result).__name__}`"
    if any(isinstance(one, Exception) for one in result):
        return "a list with an exception in it"
    return f"a list of {len(result)}"
