"""An async context manager written as a class: what it opens, it closes, whatever happens."""

import httpx

from workbench.checking.record import Exercise, Wrong, WrongAnswer, expect, still_open


class OpenClient:
    """`async with OpenClient(url) as client:` gives an httpx.AsyncClient with this base_url."""

    def __init__(self, url):
        self.url = url

    async def __aenter__(self):
        raise NotImplementedError

    async def __aexit__(self, exc_type, exc, traceback):
        raise NotImplementedError


class Solution:
    """`async with OpenClient(url) as client:` gives an httpx.AsyncClient with this base_url."""

    def __init__(self, url):
        self.url = url

    async def __aenter__(self):
        self.client = httpx.AsyncClient(base_url=self.url)
        return self.client

    async def __aexit__(self, exc_type, exc, traceback):
        await self.client.aclose()


class ReturnsNothing:
    def __init__(self, url):
        self.url = url

    async def __aenter__(self):
        self.client = httpx.AsyncClient(base_url=self.url)

    async def __aexit__(self, exc_type, exc, traceback):
        await self.client.aclose()


class ReturnsItself:
    def __init__(self, url):
        self.url = url

    async def __aenter__(self):
        self.client = httpx.AsyncClient(base_url=self.url)
        return self

    async def __aexit__(self, exc_type, exc, traceback):
        await self.client.aclose()


class NeverCloses:
    def __init__(self, url):
        self.url = url

    async def __aenter__(self):
        self.client = httpx.AsyncClient(base_url=self.url)
        return self.client

    async def __aexit__(self, exc_type, exc, traceback):
        pass


class ForgetsToAwaitTheClosing:
    def __init__(self, url):
        self.url = url

    async def __aenter__(self):
        self.client = httpx.AsyncClient(base_url=self.url)
        return self.client

    async def __aexit__(self, exc_type, exc, traceback):
        self.client.aclose()


class SwallowsTheException:
    def __init__(self, url):
        self.url = url

    async def __aenter__(self):
        self.client = httpx.AsyncClient(base_url=self.url)
        return self.client

    async def __aexit__(self, exc_type, exc, traceback):
        await self.client.aclose()
        return True


class ClosesOnlyAfterSuccess:
    def __init__(self, url):
        self.url = url

    async def __aenter__(self):
        self.client = httpx.AsyncClient(base_url=self.url)
        return self.client

    async def __aexit__(self, exc_type, exc, traceback):
        if exc_type is None:
            await self.client.aclose()


class PlainMethods:
    def __init__(self, url):
        self.url = url

    def __aenter__(self):
        self.client = httpx.AsyncClient(base_url=self.url)
        return self.client

    def __aexit__(self, exc_type, exc, traceback):
        self.client.aclose()


class SyncProtocol:
    def __init__(self, url):
        self.url = url

    def __enter__(self):
        self.client = httpx.AsyncClient(base_url=self.url)
        return self.client

    def __exit__(self, exc_type, exc, traceback):
        self.client.aclose()


class Stumble(Exception):
    """What the check raises inside the block."""


async def check(attempt, server):
    _expect_the_protocol(attempt.answer)
    async with attempt(server.url) as client:
        expect(
            isinstance(client, httpx.AsyncClient),
            "What `__aenter__` returns is what `as client` names: an `httpx.AsyncClient`.",
            happened="It is the context manager itself, which cannot send anything."
            if type(client) is attempt.answer
            else f"It is an object of type `{type(client).__name__}`.",
        )
        response = await client.get("/echo")
        expect(
            response.status_code == 200,
            "Status 200.",
            happened=f"The status was {response.status_code}.",
        )
    await attempt.settle()
    expect(
        not still_open(attempt.seen),
        "`__aexit__` closes the client: opened, request, response, closed by the client.",
        happened="The block is over and the connection is open: `aclose()` was called and not "
        "awaited, so it never ran."
        if any("aclose" in warning for warning in attempt.warnings)
        else "The block is over and the connection is open: nobody closed the client.",
    )
    with server.ledger.watch() as seen:
        came_out = False
        try:
            async with attempt(server.url) as client:
                await client.get("/echo")
                raise Stumble("raised inside the block")
        except Stumble:
            came_out = True
        await attempt.settle()
    expect(
        not still_open(seen),
        "The client is closed also when the block raises: that is what `__aexit__` is for.",
        happened="An exception left the block, and the connection stayed open.",
        seen=seen,
    )
    if not came_out:
        raise Wrong(
            "An exception of the block comes out of it.",
            happened="It disappeared: `__aexit__` returned something true, and that means "
            '"I have dealt with it".',
            seen=seen,
        )


def _expect_the_protocol(answer):
    missing = [name for name in ("__aenter__", "__aexit__") if not hasattr(answer, name)]
    expect(
        not missing,
        "`async with` calls `__aenter__` and `__aexit__`; `__enter__` and `__exit__` are for a "
        "plain `with`.",
        happened=f"Your class has no {' and no '.join(f'`{name}`' for name in missing)}.",
    )


EXERCISE = Exercise(
    id="02-1",
    title="Write an async context manager",
    task="""\
Write the class `OpenClient`, so that `async with OpenClient(url) as client:` gives an
`httpx.AsyncClient` with `base_url=url` for the block and closes it after the block, also when the
block raises. The exception itself must still come out.""",
    starter=OpenClient,
    hints=[
        "What `__aenter__` returns is what `as client` names. Keep the client on `self` as well: "
        "`__aexit__` needs it.",
        "`__aexit__` is called in every case; its three arguments are `None` when the block went "
        "well. Closing is the same in both cases.",
        "`client.aclose()` is `async def`, so it is awaited. Return nothing from `__aexit__`: "
        "something true would swallow the exception.",
    ],
    wrong=[
        WrongAnswer(ReturnsNothing, "an object of type `NoneType`"),
        WrongAnswer(ReturnsItself, "It is the context manager itself"),
        WrongAnswer(NeverCloses, "nobody closed the client"),
        WrongAnswer(ForgetsToAwaitTheClosing, "called and not awaited, so it never ran"),
        WrongAnswer(SwallowsTheException, "`__aexit__` returned something true"),
        WrongAnswer(ClosesOnlyAfterSuccess, "the connection stayed open"),
        WrongAnswer(PlainMethods, "`__aenter__` and `__aexit__` are `async def`"),
        WrongAnswer(SyncProtocol, "Your class has no `__aenter__`"),
    ],
    solution=Solution,
    why="`__aexit__` runs however the block ends, so closing there needs no `try`; and as it "
    "returns None, an exception goes on its way.",
    check=check,
)
