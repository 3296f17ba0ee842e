"""The check of exercise 05-1: whether each response gives its connection back, whatever it says.

`ex_05_1.py` uses it. It talks to the check's own server, with one client.
"""

import asyncio
import inspect

import httpx

from course.exercises.ended import check_cancelled
from workbench.checking.blame import codes_of
from workbench.checking.record import Wrong, expect

CONNECTIONS = 2
ROUNDS = 3  # more of each kind than there are connections
SIZES = (12345, 67, 0)  # bytes, in turn
LIMITS = {"connect": 5.0, "read": 1.0, "write": 5.0, "pool": 0.2}  # seconds
SLOW = 50  # turns of the event loop, more than `attempt` waits for what is under way
LONGEST = 0.5  # what a longer limit for the pool is cut to, so that nobody waits for it


class SlowToClose(httpx.AsyncByteStream):
    """A response's body that takes some turns of the event loop to close, as one behind TLS."""

    def __init__(self, stream):
        self.stream = stream
        self.closed = False

    async def __aiter__(self):
        async for piece in self.stream:
            yield piece

    async def aclose(self):
        for _ in range(SLOW):
            await asyncio.sleep(0)
        await self.stream.aclose()
        self.closed = True


async def check(attempt, server):
    _require_public_names(attempt.answer)
    asked, bodies = [], []

    async def note(request):
        asked.append(request.extensions["timeout"].get("pool"))
        request.extensions["timeout"]["pool"] = min(asked[-1] or LONGEST, LONGEST)

    async def slow_down(response):
        response.stream = SlowToClose(response.stream)
        bodies.append(response.stream)

    client = httpx.AsyncClient(
        limits=httpx.Limits(max_connections=CONNECTIONS),
        timeout=httpx.Timeout(**LIMITS),
        event_hooks={"request": [note], "response": [slow_down]},
    )

    async def ask(path, kind):
        asked.clear()
        bodies.clear()
        with server.ledger.watch() as seen:
            outcome = await _ask(attempt, client, asked, server.url + path, kind, seen)
        await _require_no_later_close(bodies)
        return outcome

    try:
        for _ in range(ROUNDS):
            for size in SIZES:
                await _check_size(ask, f"/bytes?size={size}", size)
                await _check_missing(ask)
        for _ in range(ROUNDS):
            await _check_no_length(ask)
        for _ in range(ROUNDS):
            await _check_failing(ask)
        await _check_refusing(ask)
        await _check_size(ask, f"/bytes?size={SIZES[0]}", SIZES[0])
        await _check_size(ask, "/faults/headers-only", 10)
        await check_cancelled(lambda: attempt(client, server.url + "/echo"))
    finally:
        await client.aclose()


def _require_public_names(answer):
    """Raise `Wrong` for names that httpx keeps to itself: another version may have others."""
    client = httpx.AsyncClient(verify=False)
    parts = (client, client._transport, client._transport._pool)
    private = {name for part in parts for name in dir(part) if name.startswith("_")}
    named = [
        f"`{name}`"
        for code in codes_of(answer)
        for name in _names_in(code)
        if name in private and not name.startswith("__")
    ]
    expect(
        not named,
        "It gets by with httpx's public names: what begins with `_` is another in another version.",
        happened=f"It names {', '.join(dict.fromkeys(named))}, and was not run.",
    )


def _names_in(code):
    inner = [each for each in code.co_consts if inspect.iscode(each)]
    return [*code.co_names, *(name for each in inner for name in _names_in(each))]


async def _ask(attempt, client, asked, url, kind, seen):
    """Call the answer; return its result and what it raised, of which one is None."""
    size = raised = None
    before = _settings_of(client)
    try:
        size = await attempt(client, url)
    except httpx.PoolTimeout as error:
        raise Wrong(
            "The client works as before, however often it is asked.",
            happened=f"`{error!r}` for {kind}: {_why(client, asked)}",
            seen=seen,
        ) from error
    except (Exception, asyncio.CancelledError) as error:
        raised = error
    pending = attempt.pending
    now = _settings_of(client)
    changed = [f"`{name}`" for name in before if now[name] != before[name]]
    expect(
        not changed,
        "The client has the settings that it came with: others may be using it.",
        happened=f"Your function changed the client's {', '.join(changed)}, for all who use it.",
    )
    if not asked:
        attempt.require_request(seen)
    expect(
        asked,
        "The requests are made with the client that was given.",
        happened="Your function made a client of its own, or asked in another way. The one that "
        "was given was asked for nothing.",
    )
    expect(
        not client.is_closed,
        "The client is left open: it came from outside, and others may be using it.",
        happened="Your function closed the client. Its own to close is the response.",
    )
    expect(
        not pending,
        "The response is closed when your function is over.",
        happened="It was over, and a task still ran that nobody waited for: "
        f"`{next(iter(pending), '')}`.",
    )
    return size, raised


def _settings_of(client):
    hooks = {event: list(called) for event, called in client.event_hooks.items()}
    return {"timeout": client.timeout, "headers": client.headers.copy(), "event_hooks": hooks}


async def _require_no_later_close(bodies):
    """Raise `Wrong` if a body that is open now gets closed by itself in a moment."""
    still_open = [body for body in bodies if not body.closed]
    for _ in range(2 * SLOW):
        await asyncio.sleep(0)
    expect(
        not any(body.closed for body in still_open),
        "The response is closed when your function is over.",
        happened="It was closed some turns of the event loop later: by a callback, or because "
        "CPython collected the block that nobody had left.",
    )


async def _check_size(ask, path, expected):
    size, raised = await ask(path, "a file that is there")
    if isinstance(raised, httpx.ReadTimeout):
        raise Wrong(
            "The size, as soon as the headers are there.",
            happened="It waited for the body. This server sends none, and a large file takes long.",
        ) from raised
    if raised is not None:
        raise raised
    expect(
        type(size) is int and size == expected,
        f"`{expected}`, as an int, for a file that is there.",
        happened=f"It returned `{size!r}`.",
    )


async def _check_missing(ask):
    size, raised = await ask("/status?code=404", "a missing file")
    expect(
        size is raised is None,
        "`None` for a missing file.",
        happened=f"It raised `{raised!r}`." if raised else f"It returned `{size!r}`.",
    )


async def _check_no_length(ask):
    """A file without Content-Length: any error will do, and so will None."""
    size, _ = await ask("/drip?pieces=2&gap=0", "a file without Content-Length")
    expect(
        size is None,
        "No size for a file without Content-Length: an exception, or `None`.",
        happened=f"It returned `{size!r}`, which no header said.",
    )


async def _check_failing(ask):
    _, raised = await ask("/faults/reset", "a reset connection")
    expect(
        raised is not None,
        "What fails is raised: only a missing file is `None`.",
        happened="A connection was reset, and it returned as for a missing file.",
    )


async def _check_refusing(ask):
    """A server that has the file and cannot give it: its words' length will do, or any error."""
    size, raised = await ask("/status?code=503", "a server that is not ready")
    expect(
        raised is not None or size is not None,
        "What fails is raised: only a missing file is `None`.",
        happened="The server answered 503, not ready, and it returned as for a missing file.",
    )


def _why(client, asked):
    if len(asked) > 1:
        return (
            f"your function asked {len(asked)} times, and the pool was as dry the last time as the "
            "first. Nothing comes back by itself."
        )
    if asked and (asked[-1] is None or asked[-1] > LIMITS["pool"]):
        return "it was ready to wait longer for a connection, and none would ever have come back."
    # Private: the pool alone knows which responses are still open.
    waiting = client._transport._pool._requests
    still_open = sorted({request.request.url.target.decode() for request in waiting})
    return (
        f"the response of `{', '.join(still_open)}` is still open. The pool itself holds on to it, "
        "so neither `del` nor the garbage collector closes it."
    )
