"""What an app of exercise 09-1 is tried on: it is started, asked, stopped, and started again.

`ex_09_1.py` calls it. It runs the app on a port of this machine, and notes the httpx clients that
are made meanwhile.
"""

import contextlib
import functools
import json
from unittest import mock

import httpx
from fastapi import FastAPI

from server.app import create_app
from server.local import LocalServer
from server.wire import refused
from workbench.checking.record import expect
from workbench.serving import serve

REQUESTS = 5


async def check(attempt, server):
    clients = Clients()
    with clients.noted():
        app = attempt(server.url)
        expect(
            isinstance(app, FastAPI),
            "A FastAPI app.",
            happened=f"It returned an object of type `{type(app).__name__}`.",
        )
        starts = []
        for when in ("the first start", "the second start"):
            starts.append(await start(app, server, clients, when))
            require_answers(starts[-1])
            require_sharing(starts[-1])
            require_the_upstreams(starts[-1], server.app)
        for started in starts:
            require_closed(started)
        await require_failure(attempt)


class Upstream:
    """The course's own application; no two of its answers on /echo are the same.

    answers: their bodies, as they were sent.
    """

    def __init__(self):
        self.answers = []
        self._app = create_app()

    async def __call__(self, scope, receive, send):
        async def noting(message):
            if message["type"] == "http.response.body":
                self.answers.append(message["body"])
            await send(message)

        if scope["type"] == "http":  # /echo answers with the headers, so with this one
            number = b"%d" % len(self.answers)
            scope = {**scope, "headers": [*scope["headers"], (b"x-number", number)]}
        await self._app(scope, receive, noting)


def serve_upstream():
    """Return the server of the check."""
    return LocalServer(Upstream())


class Clients:
    """The httpx clients that are made in a block, in order.

    told_to_close: those whose `aclose` was called. Noted on the classes themselves, since an answer
    may know them by a name of its own.
    """

    def __init__(self):
        self.made = []
        self.told_to_close = []

    @contextlib.contextmanager
    def noted(self):
        """Note clients while the block runs; at its end forget what they hold."""
        with contextlib.ExitStack() as stack:
            for kind in (httpx.AsyncClient, httpx.Client):
                self._note(stack, kind, "__init__", self.made)
            self._note(stack, httpx.AsyncClient, "aclose", self.told_to_close)
            try:
                yield
            finally:
                # FastAPI keeps every route's function in a cache, and with it what that refers to.
                # A client that was not closed would keep its sockets until the process ends.
                for client in self.made:
                    vars(client).clear()

    @staticmethod
    def _note(stack, kind, name, notes):
        original = getattr(kind, name)

        @functools.wraps(original)
        def noting(client, *args, **kwargs):
            notes.append(client)
            return original(client, *args, **kwargs)

        stack.enter_context(mock.patch.object(kind, name, noting))


class Started:
    """One start of an app: what its caller got, what the upstream saw, the clients that it made.

    when: which start, in words. left: the clients, also those of earlier starts, that were open
    when the app said that it has stopped: nobody waits for a close that is under way then.
    """

    def __init__(self, clients, when):
        self.when = when
        self.clients = clients
        self.left = []
        self._before = len(clients.made)

    def noting(self, app):
        """Return the ASGI app, with `left` noted when it has stopped."""

        async def noted(scope, receive, send):
            async def noting_send(message):
                if message["type"] == "lifespan.shutdown.complete":
                    self.left = [client for client in self.clients.made if not client.is_closed]
                await send(message)

            await app(scope, receive, noting_send if scope["type"] == "lifespan" else send)

        return noted

    async def ask(self, service):
        """Send the requests, one after the other."""
        self.responses = [await service.caller.get("/echo") for _ in range(REQUESTS)]
        since = self.clients.made[self._before :]
        self.made = [client for client in since if client is not service.caller]
        self.errors = service.errors


async def start(app, server, clients, when):
    """Start the app, ask it, stop it, and return what came of it as `Started`."""
    started = Started(clients, when)
    with server.ledger.watch() as started.seen:
        async with serve(started.noting(app)) as service:
            await started.ask(service)
    return started


def require_answers(started):
    """Raise `Wrong` unless each request was answered by 200 and the JSON of the upstream."""
    bad = [each.status_code for each in started.responses if each.status_code != 200]
    problem = str(started.errors[0]) if started.errors else f"status {(bad or [200])[0]}"
    named = f"`{started.errors[0]!r}`" if started.errors else problem
    if bad:
        for error in started.errors:  # its traceback holds a client and its sockets
            error.__traceback__ = error.__context__ = None
    expect(
        not bad,
        f"Each request is answered with 200, also in {started.when}.",
        happened=f"In {started.when} {len(bad)} of {REQUESTS} were not: {named}. "
        + _meaning(problem, started.when, len(bad)),
        seen=started.seen,
    )
    other = [response.text for response in started.responses if not _is_echo(response)]
    expect(
        not other,
        "The JSON of the upstream's /echo, each time.",
        happened=f"In {started.when} an answer was `{(other or [''])[0][:60]}`.",
        seen=started.seen,
    )


def _is_echo(response):
    try:
        echoed = response.json()
    except json.JSONDecodeError:
        return False
    return isinstance(echoed, dict) and echoed.get("method") == "GET"


def _meaning(problem, when, failed):
    if "instance" in problem:
        return "A client can be entered once. Here each request enters it."
    if "Event loop is closed" in problem and when == "the first start":
        return "A connection was used in an event loop, and it belongs to another that has ended."
    if "Event loop is closed" in problem:
        return (
            "The client was made once and lives on in the second start, with a connection of "
            "the first one's event loop."
        )
    if "has been closed" in problem and when == "the second start":
        return "A closed client stays closed. Each start needs a new one."
    if "has been closed" in problem and failed < REQUESTS:
        return "The client was closed after a request, and others were to come."
    if "has been closed" in problem:
        return (
            "The client was closed before the service took its first request: the `yield` "
            "stands outside its block."
        )
    return "See the lines of your routes and dependencies."


def require_sharing(started):
    """Raise `Wrong` unless each request asked the upstream, all on one connection."""
    seen = started.seen
    none = f"No request was made to the upstream; the service answered {REQUESTS} times."
    fewer = f"The upstream saw {seen.requests} for {REQUESTS}: an answer was given more than once."
    expect(
        seen.requests >= REQUESTS,
        f"{REQUESTS} requests to the service make {REQUESTS} requests to the upstream.",
        happened=fewer if seen.requests else none,
        seen=seen,
    )
    made = len(started.made)
    if made >= REQUESTS:
        meaning = "each request made a client of its own"
    elif made > 1:
        meaning = f"the service made {made} clients"
    else:
        meaning = "its client keeps no connection for the next request"
    expect(
        seen.connections == 1,
        f"{REQUESTS} requests, one after the other, share one connection.",
        happened=f"The upstream saw {seen.connections} connections: {meaning}.",
        seen=seen,
    )


def require_the_upstreams(started, upstream):
    """Raise `Wrong` unless each answer is one of the upstream's own, and each another one."""
    theirs = [json.loads(body) for body in upstream.answers]
    given = []
    for response in started.responses:
        echoed = response.json()
        expect(
            echoed in theirs,
            "The JSON of the upstream's /echo, as it is.",
            happened=f"In {started.when} an answer was `{response.text[:60]}`, which the upstream "
            "did not give: your service has made it up, or a part of it.",
            seen=started.seen,
        )
        expect(
            echoed not in given,
            "To each request what the upstream answers to it.",
            happened=f"In {started.when} the upstream was asked each time, and an earlier answer "
            "of its was handed out again.",
            seen=started.seen,
        )
        given.append(echoed)


def require_closed(started):
    """Raise `Wrong` if the app had stopped and a client was open."""
    told = any(client in started.clients.told_to_close for client in started.left)
    how = "`aclose()` was called, and nothing awaited it before the lifespan ended"
    expect(
        not started.left,
        "The client is closed when the service stops.",
        happened="The service had stopped, and its client was open: "
        f"{how if told else 'nothing closed it'}.",
        seen=started.seen,
    )


async def require_failure(attempt):
    """Raise `Wrong` if a service answers as if all were well where its upstream does not."""
    with refused() as nobody:
        async with serve(attempt(nobody.url)) as service:
            response = await service.caller.get("/echo")
    for error in service.errors:  # its traceback holds a client and its sockets
        error.__traceback__ = error.__context__ = None
    expect(
        response.is_error,
        "An error's status where the upstream does not answer.",
        happened=f"Nobody listened at the upstream's address, and the service answered "
        f"{response.status_code} with `{response.text[:60]}`.",
    )
