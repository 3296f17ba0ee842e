"""Ownership: an object closes the client that it has made, and leaves alone one that was lent."""

from contextlib import AsyncExitStack

import httpx

from workbench.checking.record import Exercise, Wrong, WrongAnswer, expect, still_open


class Forecasts:
    """Forecasts of the weather service: `async with Forecasts(url) as forecasts: ...`.

    It uses the caller's open `client` or, without one, its own for as long as the block.
    """

    def __init__(self, url, client=None):
        self.url = url
        self.client = client or httpx.AsyncClient()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *exc_info):
        await self.client.aclose()

    async def of(self, city):
        response = await self.client.post(self.url + "/echo", json=city)
        return response.json()["json"]


class Solution:
    """Forecasts of the weather service: `async with Forecasts(url) as forecasts: ...`.

    It uses the caller's open `client` or, without one, its own for as long as the block.
    """

    def __init__(self, url, client=None):
        self.url = url
        self.client = client
        self.exits = AsyncExitStack()

    async def __aenter__(self):
        if self.client is None:
            self.client = await self.exits.enter_async_context(httpx.AsyncClient())
        return self

    async def __aexit__(self, *exc_info):
        await self.exits.__aexit__(*exc_info)

    async def of(self, city):
        response = await self.client.post(self.url + "/echo", json=city)
        return response.json()["json"]


class EntersWhatItWasLent(Forecasts):
    def __init__(self, url, client=None):
        self.url = url
        self.client = client or httpx.AsyncClient()

    async def __aenter__(self):
        await self.client.__aenter__()
        return self

    async def __aexit__(self, *exc_info):
        await self.client.__aexit__(*exc_info)


class ClosesNothing(Forecasts):
    async def __aexit__(self, *exc_info):
        pass


class AlwaysHasItsOwn(Forecasts):
    def __init__(self, url, client=None):
        self.url = url
        self.client = httpx.AsyncClient()


class ClosesAfterSuccessOnly(Forecasts):
    def __init__(self, url, client=None):
        self.url = url
        self.own = client is None
        self.client = client or httpx.AsyncClient()

    async def __aexit__(self, exc_type, exc, traceback):
        if self.own and exc is None:
            await self.client.aclose()


class HasOneForEachCall(Forecasts):
    def __init__(self, url, client=None):
        self.url = url
        self.client = client

    async def __aexit__(self, *exc_info):
        pass

    async def of(self, city):
        if self.client:
            response = await self.client.post(self.url + "/echo", json=city)
        else:
            async with httpx.AsyncClient() as client:
                response = await client.post(self.url + "/echo", json=city)
        return response.json()["json"]


class SwallowsWhatIsRaised(Forecasts):
    def __init__(self, url, client=None):
        self.url = url
        self.own = client is None
        self.client = client or httpx.AsyncClient()

    async def __aexit__(self, *exc_info):
        if self.own:
            await self.client.aclose()
        return True


class ClosesWhatItWasLent(Forecasts):
    async def __aenter__(self):
        self.exits = AsyncExitStack()
        self.exits.push_async_callback(self.client.aclose)
        return self

    async def __aexit__(self, *exc_info):
        await self.exits.aclose()


class Stumble(Exception):
    """What the check raises inside the block."""


async def check(attempt, server):
    with server.ledger.watch() as seen:
        async with attempt(server.url) as forecasts:
            await _ask(forecasts, "Bonn", "Kiel")
        await attempt.settle()
    opened, left = seen.connections, still_open(seen)
    expect(
        opened == 1,
        "Without a client of the caller, it has one of its own: two questions, one connection.",
        happened=f"The server saw {opened} connections. A client for each call shares nothing.",
        seen=seen,
    )
    expect(
        not left,
        "At the end of the block it closes the client that it has made.",
        happened="Its connection is still open. Nobody else knows of that client, so nobody else "
        "can close it.",
        seen=seen,
    )
    await _check_exception(attempt, server)
    await _check_lent(attempt, server)


async def _check_exception(attempt, server):
    raised = None
    with server.ledger.watch() as seen:
        try:
            async with attempt(server.url) as forecasts:
                await _ask(forecasts, "Bonn")
                raise Stumble
        except Stumble as error:
            raised = error
        await attempt.settle()
    expect(
        raised is not None,
        "What is raised in the block comes out of it.",
        happened="The exception is gone: an `__aexit__` that returns something true swallows it.",
        seen=seen,
    )
    expect(
        not still_open(seen),
        "It closes its own client however the block ends.",
        happened="An exception in the block, and its connection is still open.",
        seen=seen,
    )


async def _check_lent(attempt, server):
    async with httpx.AsyncClient() as lent:
        await lent.get(server.url + "/echo")
        with server.ledger.watch() as seen:
            try:
                async with attempt(server.url, client=lent) as forecasts:
                    await _ask(forecasts, "Bonn")
            except RuntimeError as error:
                if "open a client instance more than once" not in str(error):
                    raise
                raise Wrong(
                    "It uses the client that it is given, which is open already.",
                    happened=f"`{error!r}`: your class entered a client that somebody else has "
                    "entered. Entering is the owner's part, as closing is.",
                ) from error
        expect(
            not lent.is_closed,
            "The caller's client is still open after the block: it belongs to the caller.",
            happened="Your class closed the client that it was lent, and the caller's next request "
            "fails.",
            seen=seen,
        )
        expect(
            seen.connections == 0 and seen.requests == 1,
            "With a client of the caller, it uses that one: its connection is open already.",
            happened="The client that it was given was not used: the question came over another "
            "connection.",
            seen=seen,
        )


async def _ask(forecasts, *cities):
    for city in cities:
        answer = await forecasts.of(city)
        expect(answer == city, f"The answer on {city}.", happened=f"It returned `{answer!r}`.")


EXERCISE = Exercise(
    id="08-1",
    title="Whose client is it?",
    task="`Forecasts` takes a client of the caller, or has one of its own. Repair it: what belongs "
    "to it, it closes; what belongs to the caller, it leaves as it is.",
    starter=Forecasts,
    hints=[
        "Two cases. In which of them may `__aexit__` close the client?",
        "Find out in `__init__` or in `__aenter__` whether a client was given, and keep that.",
        "An `AsyncExitStack` can be empty. Enter a client into it only if you have made that "
        "client, and leave the stack in `__aexit__` in any case.",
    ],
    wrong=[
        WrongAnswer(EntersWhatItWasLent, "Entering is the owner's part"),
        WrongAnswer(ClosesNothing, "Nobody else knows of that client"),
        WrongAnswer(AlwaysHasItsOwn, "was not used"),
        WrongAnswer(ClosesAfterSuccessOnly, "An exception in the block, and"),
        WrongAnswer(HasOneForEachCall, "A client for each call"),
        WrongAnswer(SwallowsWhatIsRaised, "swallows it"),
        WrongAnswer(ClosesWhatItWasLent, "closed the client that it was lent"),
    ],
    solution=Solution,
    why="Whoever makes a client closes it. The stack holds the client that your class has made, "
    "and nothing if it was given one.",
    check=check,
)
