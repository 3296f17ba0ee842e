"""The check of exercise 06-1: jobs in one loop, over one connection, with nothing left."""

import asyncio
import contextlib
import importlib
from typing import ClassVar
from unittest import mock

import httpx

from workbench.checking.record import Wrong, expect, still_open

JOBS = [{"job": number} for number in range(1, 5)]
TWINS = [JOBS[1], JOBS[1], {}]
NO_JSON = {"job": {1, 2}}  # a set: httpx cannot write it, and raises TypeError
PATCHES = ("nest_asyncio", "nest_asyncio2")


class NotedClient(httpx.AsyncClient):
    """A client that notes how it was made, and whether its closing came to its end."""

    made: ClassVar[list["NotedClient"]] = []  # kept, so that none is thrown away with its sockets

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.limits = kwargs.get("limits", httpx.Limits())
        self.closing_ended = False
        self.made.append(self)

    async def aclose(self):
        await super().aclose()
        self.closing_ended = True

    async def __aexit__(self, *exc_info):
        await super().__aexit__(*exc_info)
        self.closing_ended = True


async def check(attempt, server):
    made = NotedClient.made = []
    given = list(JOBS)
    with _no_patch() as applied, mock.patch.object(httpx, "AsyncClient", NotedClient):
        try:
            answers = await asyncio.to_thread(attempt, server.url, given)
        except RuntimeError as error:
            _require_no_patch(applied)
            if str(error) != "Event loop is closed":
                raise
            raise Wrong(
                f"The answers to {len(JOBS)} jobs.", happened=f"`{error!r}`: {_why(made)}"
            ) from error
        _require_no_patch(applied)
        await attempt.settle()
        attempt.require_request()
        expect(
            given == JOBS,
            "The list of jobs is the caller's, and is left as it was.",
            happened=f"It had {len(JOBS)} jobs before, and has {len(given)} now.",
        )
        _require_answers(answers, attempt.seen, made)
        await attempt.require_nothing_left()
        await _with_a_job_that_fails(attempt, server)
        with server.ledger.watch() as seen:
            answers = await asyncio.to_thread(attempt, server.url, TWINS)
        expect(
            (answers, seen.requests, seen.connections) == (TWINS, len(TWINS), 1),
            "Called again with three jobs, two that are alike and an empty one, it does the same.",
            happened=f"It returned `{answers!r}`, with {seen.requests} posts on "
            f"{seen.connections} connections.",
            seen=seen,
        )
        await attempt.require_nothing_left()
        await _with_another_answer(attempt)
        await _with_an_answer_without_json(attempt)
        await _with_a_connection_that_breaks(attempt)


async def _with_another_answer(attempt):
    """What a server answers need not be what it was sent."""
    with _answering(lambda request: httpx.Response(200, json={"json": "done"}, request=request)):
        answers = await asyncio.to_thread(attempt, "http://jobs", JOBS[:1])
    expect(
        answers == ["done"],
        'The "json" of each answer.',
        happened=f'A server answered "done", and `{answers!r}` was returned.',
    )


async def _with_an_answer_without_json(attempt):
    def busy(request):
        return httpx.Response(503, json={"error": "busy"}, request=request)

    with _answering(busy):
        try:
            answers = await asyncio.to_thread(attempt, "http://jobs", JOBS[:1])
        except Exception:
            return  # the task leaves open which: `KeyError`, or that of `raise_for_status()`
    raise Wrong(
        'The "json" of each answer, or an exception where there is none.',
        happened=f'A server answered 503, without "json", and `{answers!r}` was returned.',
    )


async def _with_a_connection_that_breaks(attempt):
    tries = []

    def breaks(request):
        tries.append(request)
        raise httpx.ReadError("the connection broke", request=request)

    raised = None
    with _answering(breaks):
        try:
            answers = await asyncio.to_thread(attempt, "http://jobs", JOBS[:1])
        except httpx.ReadError as error:
            raised = error
    expect(
        len(tries) == 1,
        "Each job is posted once, also one whose connection breaks: it may have been carried out.",
        happened=f"The connection broke, and the job was posted {len(tries)} times.",
    )
    expect(
        raised is not None,
        "What a job raises comes through.",
        happened="The connection broke, httpx raised `ReadError`, and your function returned "
        f"`{None if raised else answers!r}`.",
    )


@contextlib.contextmanager
def _answering(answer):
    """Have httpx's transports send nothing, and give what `answer(request)` gives or raises."""

    async def answering(transport, request):
        return answer(request)

    sending = mock.patch.object(httpx.HTTPTransport, "handle_request", lambda _, r: answer(r))
    sending_async = mock.patch.object(httpx.AsyncHTTPTransport, "handle_async_request", answering)
    with sending, sending_async:
        yield


def _require_answers(answers, seen, made):
    expect(
        answers == JOBS,
        'The "json" of each answer, in the order of the jobs.',
        happened=f"It returned `{answers!r}`.",
    )
    _require_posts(seen)
    expect(
        seen.requests >= len(JOBS),
        "Each job is posted by itself.",
        happened=f"{len(JOBS)} jobs came in fewer posts: {seen.requests}.",
    )
    expect(
        seen.requests == len(JOBS),
        "Each job is posted once.",
        happened=f"The server received {seen.requests} posts for {len(JOBS)} jobs. A "
        "request whose answer could not be read had arrived all the same, and was sent again.",
    )
    expect(
        seen.connections == 1,
        "All jobs share one connection.",
        happened=_no_reuse(made, seen),
    )
    expect(
        not still_open(seen),
        "The client is closed at the end.",
        happened="The connection is still open. `aclose()` has to be awaited, in the event loop in "
        "which the client was used; `async with` does that.",
    )
    expect(
        not any(client.is_closed and not client.closing_ended for client in made),
        "Its closing is awaited.",
        happened="Closing the client was begun and never came to its end. A task that nobody "
        "waits for is cancelled when its loop ends.",
    )


def _require_posts(seen):
    methods = [event.method for event in seen.events if event.kind == "request"]
    others = [method for method in methods if method != "POST"]
    first = others[0] if others else ""
    expect(
        not others,
        "Each job is posted, and nothing else is asked.",
        happened=f"The server received {len(others)} other requests, the first a {first}.",
        seen=seen,
    )


async def _with_a_job_that_fails(attempt, server):
    with server.ledger.watch() as seen:
        try:
            answers = await asyncio.to_thread(attempt, server.url, [JOBS[0], NO_JSON, JOBS[1]])
        except TypeError:
            pass
        except Exception as error:
            raise Wrong(
                "What a job raises comes through.",
                happened=f"A job raised `TypeError`, and what came was `{error!r}`: "
                "`except TypeError` would not catch it.",
            ) from error
        else:
            raise Wrong(
                "What a job raises comes through.",
                happened="One of three jobs cannot be written as JSON, and httpx raised "
                f"`TypeError`. Your function returned {len(answers or ())} answers and raised "
                "nothing.",
                seen=seen,
            )
    await attempt.settle()
    expect(
        not still_open(seen),
        "Nothing is left open, also when a job raises an exception.",
        happened="A job raised `TypeError`. It came through, and the connection is still open.",
        seen=seen,
    )
    await attempt.require_nothing_left(seen)


@contextlib.contextmanager
def _no_patch():
    """Keep asyncio as it is, and give what stands for `nest_asyncio.apply` and its fork's."""
    with contextlib.ExitStack() as stack:
        applied = []
        for name in PATCHES:
            with contextlib.suppress(ImportError):
                module = importlib.import_module(name)
                applied.append(stack.enter_context(mock.patch.object(module, "apply")))
        yield applied


def _require_no_patch(applied):
    expect(
        not any(apply.called for apply in applied),
        "asyncio as it is.",
        happened="Your function called the `apply()` of nest_asyncio. That replaces `asyncio.run` "
        "and more for the whole process. (The check did not let it happen.)",
    )


def _why(made):
    if any(client.limits.keepalive_expiry != 5.0 for client in made):
        return (
            "`keepalive_expiry` decides when httpx gives an idle connection up. It does not make a "
            "connection work in another event loop."
        )
    return "a connection was used in an event loop, and it belongs to another that has ended."


def _no_reuse(made, seen):
    there_were = f"There were {seen.connections}"
    if len(made) > 1:
        return f"{there_were}: your function made {len(made)} clients."
    if _at_once(seen) > 1:
        return f"{there_were}: your jobs went out at once, and each needs a connection meanwhile."
    return f"{there_were}: the connection of a job was not kept for the next one."


def _at_once(seen):
    """The most connections that were open at one time."""
    open_now, most = 0, 0
    for event in seen.events:
        open_now += {"opened": 1, "closed": -1}.get(event.kind, 0)
        most = max(most, open_now)
    return most
