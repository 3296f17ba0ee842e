"""What an answer to exercise 08-1 is tried on: whose client it is, and how its block ends.

`ex_08_1.py` has it as its check. It talks to the check's own server, and to a port that refuses.
"""

import httpx

from course.exercises.ended import clients_made, tries_of
from course.exercises.noted import expect_certificates_checked
from course.exercises.stumbles import ERRORS as STUMBLES
from server.wire import refused
from workbench.checking.record import Wrong, expect

ERRORS = (*STUMBLES.values(), httpx.ReadTimeout, GeneratorExit)
SETTINGS = {  # of a lent client's owner
    "cookies": {"session": "anna"},
    "headers": {"X-Team": "weather"},
    "params": {"unit": "C"},
    "auth": ("anna", "secret"),
    "timeout": 30,
    "follow_redirects": True,
}


async def check(attempt, server):
    with clients_made() as made:
        await _check_own(attempt, server, made)
        if attempt.blocked:
            return  # a synchronous client, and the report says so: what follows would not fit it
        await _check_two(attempt, server)
        for kind in ERRORS:
            await _check_exception(attempt, server, made, kind)
        await _check_lent(attempt, server, made, {})
        await _check_lent(attempt, server, made, SETTINGS)
        for kind in ERRORS:
            await _check_lent_exception(attempt, server, kind)
        await _check_refused(attempt)
        await _check_answer(attempt)


async def _check_own(attempt, server, made):
    with server.ledger.watch() as seen:
        async with attempt(server.url) as forecasts:
            await _ask(forecasts, "Bonn", "Kiel")
        left_open = _still_open(made)
        await _require_no_task(attempt)
    attempt.require_request(seen)
    if attempt.blocked:
        return
    expect(
        seen.connections == 1,
        "Without a client of the caller, it has one of its own: two questions, one connection.",
        happened=f"The server saw {seen.connections} connections. A client for each call shares "
        "nothing.",
        seen=seen,
    )
    expect(
        not left_open,
        "At the end of the block it closes the client that it has made.",
        happened=_what_is_open(made, forecasts),
        seen=seen,
    )
    await attempt.require_nothing_left(seen)
    expect_certificates_checked(*made)
    async with attempt(server.url):
        pass
    expect(
        not _still_open(made),
        "It closes its own client, also one that was asked nothing.",
        happened="A block ended in which no question was asked, and its client was open.",
    )


def _still_open(made):
    return [client for client in made if not client.is_closed]


def _what_is_open(made, forecasts):
    if not _still_open(made):
        return "The block was over, and it was closed some turns of the event loop later."
    if len(made) > 1:
        closed = sum(client.is_closed for client in made)
        return f"It made {len(made)} clients, and closed {closed}."
    if not any(value is made[0] for value in _held_by(forecasts)):
        return (
            "It has let go of its client, and not closed it: then it is up to the garbage "
            "collector when the connection is closed."
        )
    return (
        "The block is over, and its client is open, with its connection. Nobody else knows of that "
        "client, so nobody else can close it."
    )


def _held_by(forecasts):
    names = {*getattr(forecasts, "__dict__", {}), *getattr(type(forecasts), "__slots__", ())}
    return [getattr(forecasts, name, None) for name in names]


async def _check_two(attempt, server):
    async with attempt(server.url) as outer:
        async with attempt(server.url) as inner:
            await _ask(inner, "Bonn")
        try:
            await _ask(outer, "Kiel")
        except RuntimeError as error:
            raise Wrong(
                "Two of them at the same time have a client each.",
                happened=f"`{error!r}`: the block of one was over, and with its client the other's "
                "was closed.",
            ) from error


async def _check_exception(attempt, server, made, kind):
    raised = kind("raised in the block")
    with server.ledger.watch() as seen:
        caught = None
        try:
            async with attempt(server.url) as forecasts:
                await _ask(forecasts, "Bonn")
                raise raised
        except kind as error:
            caught = error
        left_open = _still_open(made)
        await _require_no_task(attempt)
    _expect_the_same(caught, raised, "without a client of the caller")
    expect(
        not left_open,
        "It closes its own client however the block ends.",
        happened=f"`{kind.__name__}` in the block, and its client was open when that was over.",
        seen=seen,
    )
    await attempt.require_nothing_left(seen)


async def _check_lent(attempt, server, made, settings):
    async with httpx.AsyncClient(**settings) as lent:
        await lent.get(server.url + "/echo")
        before = settings_of(lent)
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
            await _require_no_task(attempt)
        how = ", with cookies and other settings of its owner's" if settings else ""
        _expect_open(lent, seen, "the block", how)
        expect(
            seen.connections == 0 and seen.requests == 1,
            "With a client of the caller, it uses that one: its connection is open already.",
            happened="The client that it was given was not used: the question came over another "
            "connection.",
            seen=seen,
        )
        after = settings_of(lent)
        changed = [name for name, value in after.items() if value != before[name]]
        expect(
            not changed,
            "What belongs to the caller is left as it was.",
            happened=f"The client that it was lent came back with other `{', '.join(changed)}`, "
            "and the caller's next request is sent with them.",
        )
        expect(
            all(client.is_closed for client in made if client is not lent),
            "With a client of the caller, it needs none of its own.",
            happened="It made one all the same, and did not close it.",
        )


async def _check_lent_exception(attempt, server, kind):
    raised = kind("raised in the block")
    async with httpx.AsyncClient() as lent:
        caught = None
        with server.ledger.watch() as seen:
            try:
                async with attempt(server.url, client=lent) as forecasts:
                    await _ask(forecasts, "Bonn")
                    raise raised
            except kind as error:
                caught = error
        _expect_the_same(caught, raised, "with a client of the caller")
        _expect_open(lent, seen, f"a block that ended with `{kind.__name__}`")


async def _check_refused(attempt):
    """A question that fails: the error comes out of `of`, whoever the client belongs to."""
    async with httpx.AsyncClient() as lent:
        with refused() as endpoint:
            for client in (None, lent):
                async with attempt(endpoint.url, client=client) as forecasts:
                    try:
                        answer = await forecasts.of("Bonn")
                    except httpx.ConnectError:
                        continue
                    raise Wrong(
                        "A question that nobody answers raises httpx's error.",
                        happened=f"No server was there, and `of` returned `{answer!r}`.",
                    )


async def _check_answer(attempt):
    """What the server says is handed on, and a question that broke is not asked again."""
    meanwhile = {}

    def rains(request):
        meanwhile.update(settings_of(lent))
        return httpx.Response(200, json={"json": "rain"})

    async with httpx.AsyncClient(transport=httpx.MockTransport(rains), **SETTINGS) as lent:
        before = settings_of(lent)
        async with attempt("http://weather", client=lent) as forecasts:
            answer = await forecasts.of("Bonn")
    expect(
        answer == "rain",
        "What the server answers.",
        happened=f'The server answered "rain" on Bonn, and `of` returned `{answer!r}`.',
    )
    changed = [name for name in meanwhile if meanwhile[name] != before[name]]
    expect(
        not changed,
        "What belongs to the caller is left as it was, at any time.",
        happened=f"While a question was under way, the lent client had other "
        f"`{', '.join(changed)}`: whoever else uses it meanwhile gets that, too.",
    )
    hail = httpx.MockTransport(lambda request: httpx.Response(503, json={"json": "hail"}))
    async with httpx.AsyncClient(transport=hail) as lent:
        async with attempt("http://weather", client=lent) as forecasts:
            try:
                answer = await forecasts.of("Bonn")
            except Exception:
                answer = "hail"  # the task leaves open what comes of an error status
    expect(
        answer == "hail",
        "What the server answers, or an exception where that is an error: nothing made up.",
        happened=f'The server answered 503 and "hail" on Bonn, and `of` returned `{answer!r}`.',
    )

    async def ask():
        async with attempt("http://weather") as forecasts:
            await forecasts.of("Bonn")

    tries = await tries_of(ask)
    expect(
        tries == 1,
        "A question is sent once: a POST that broke may have been carried out.",
        happened=f"Its connection broke, and it was sent {tries} times.",
    )


async def _ask(forecasts, *cities):
    for city in cities:
        answer = await forecasts.of(city)
        expect(answer == city, f"The answer on {city}.", happened=f"It returned `{answer!r}`.")


async def _require_no_task(attempt):
    """Raise `Wrong` if a task of the answer still runs; to be called straight after its block."""
    pending = attempt.pending
    await attempt.settle()
    expect(
        not pending,
        "The client is closed when the block is over.",
        happened="It was over, and a task still ran that nobody waited for: "
        f"`{next(iter(pending), '')}`.",
    )


def _expect_the_same(caught, raised, ownership):
    expect(
        caught is raised,
        "What is raised in the block comes out of it.",
        happened=f"`{type(raised).__name__}` was raised in it, {ownership}, and is gone: an "
        "`__aexit__` that returns something true swallows it.",
    )


def _expect_open(lent, seen, block, how=""):
    expect(
        not lent.is_closed,
        "The caller's client is still open after the block: it belongs to the caller.",
        happened=f"Your class closed the client that it was lent{how}, after {block}, and the "
        "caller's next request fails.",
        seen=seen,
    )


def settings_of(client):
    """Return what a client's owner has set and can see, to be compared."""
    return {
        "auth": client.auth,
        "base_url": client.base_url,
        "cookies": dict(client.cookies),
        "event_hooks": {kind: list(hooks) for kind, hooks in client.event_hooks.items()},
        "follow_redirects": client.follow_redirects,
        "headers": dict(client.headers),
        "params": str(client.params),
        "timeout": client.timeout,
    }
