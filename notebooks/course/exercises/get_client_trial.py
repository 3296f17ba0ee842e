"""The check of exercise 06-2: a client for each loop, whoever runs the loops and in what order."""

import asyncio
import gc
import threading

import httpx

from course.exercises.noted import expect_certificates_checked
from server.ledger import Seen
from workbench.checking.record import Wrong, expect, still_open

PROGRAMS = 3  # that run one after the other, and forget to close their client


async def check(attempt, server):
    get_client = attempt()
    expect(
        callable(get_client),
        "A function `get_client()`.",
        happened=f"It returned an object of type `{type(get_client).__name__}`, "
        "which cannot be called.",
    )
    await asyncio.to_thread(_in_one_loop, get_client)
    await asyncio.to_thread(_one_loop_after_another, get_client)
    await asyncio.to_thread(_two_loops_in_turn, get_client)
    await asyncio.to_thread(_closed_by_its_program, get_client, server.url + "/echo")
    asks = {
        "another asked for its own": _asked_by_another,
        "one that lives, and has its own already, asked for it again": _asked_by_one_that_lives,
    }
    for then, asked in asks.items():
        with server.ledger.watch() as seen:
            await asyncio.to_thread(asked, get_client, server.url + "/echo")
        await attempt.settle()
        _require_two_requests_each(seen)
        _require_none_left(seen, then)


def _client(get_client):
    client = get_client()
    if asyncio.iscoroutine(client):
        client.close()
    expect(
        isinstance(client, httpx.AsyncClient),
        "An `httpx.AsyncClient`.",
        happened=f"`get_client()` returned an object of type `{type(client).__name__}`.",
    )
    expect(
        not client.is_closed,
        "An open client.",
        happened="`get_client()` returned a client that is closed. The program in this event loop "
        "had called its `aclose()`, and asked again.",
    )
    expect_certificates_checked(client)
    return client


def _in_one_loop(get_client):
    """Ask twice in a task, and in two others."""

    async def ask():
        return _client(get_client)

    async def program():
        one, two = await asyncio.gather(ask(), ask())
        client = _client(get_client)
        expect(
            _client(get_client) is client,
            "In one event loop always the same client.",
            happened="Two calls in one task gave two clients: no connection is used again, and "
            "nobody knows which of them to close.",
        )
        expect(
            one is two is client,
            "In one event loop always the same client.",
            happened="Two tasks of one loop were given two clients.",
        )

    asyncio.run(program())


def _closed_by_its_program(get_client, url):
    """Close the client and ask again in the same loop."""

    async def program():
        for _ in range(2):
            await (client := _client(get_client)).get(url)
            await client.aclose()

    asyncio.run(program())


def _one_loop_after_another(get_client):
    """Ask in new loops, one after the other in one thread; no request is made."""

    async def ask():
        return _client(get_client)

    given = []
    for _ in range(PROGRAMS):
        client = asyncio.run(ask())
        if any(client is other for other in given):
            raise Wrong(
                "Another client in another event loop.",
                happened="A new event loop was given the client of an earlier one. "
                f"{_why(get_client)}",
            )
        given.append(client)


def _two_loops_in_turn(get_client):
    """Ask in two loops that live at the same time."""

    async def ask():
        return _client(get_client)

    with asyncio.Runner() as one, asyncio.Runner() as two:
        first, second = one.run(ask()), two.run(ask())
        expect(
            first is not second,
            "Another client in another event loop.",
            happened="Two loops that live at the same time were given one client.",
        )
        expect(
            (one.run(ask()), two.run(ask())) == (first, second),
            "In one event loop always the same client.",
            happened="Two loops ran in turn, and the first was given another client when its turn "
            "came again.",
        )
        asyncio.run(ask())
        expect(
            (one.run(ask()), two.run(ask())) == (first, second),
            "In one event loop always the same client.",
            happened="A third loop had run and ended, and one that still lives was given another "
            "client than before.",
        )


def _asked_by_another(get_client, url):
    with asyncio.Runner() as runner:
        _programs_that_forget(get_client, url, runner)


def _asked_by_one_that_lives(get_client, url):
    async def ask():
        _client(get_client)

    with asyncio.Runner() as runner:
        runner.run(ask())
        _programs_that_forget(get_client, url, runner)


def _programs_that_forget(get_client, url, runner):
    """Make two requests in each of several loops and close no client; then ask in the runner's."""
    logged = []

    async def program():
        asyncio.get_running_loop().set_exception_handler(lambda _, said: logged.append(said))
        await _client(get_client).get(url)
        await _client(get_client).get(url)

    async def ask():
        asyncio.get_running_loop().set_exception_handler(lambda _, said: logged.append(said))
        await _client(get_client).aclose()
        await asyncio.sleep(0)  # a turn for a task that `get_client` may have made

    for _ in range(PROGRAMS):
        asyncio.run(program())
    runner.run(ask())
    gc.collect()
    for said in logged:
        happened = f"The event loop says: {said['message']}: `{said.get('exception')!r}`."
        said.clear()  # the traceback refers to the connection
        raise Wrong(
            "A client whose loop is closed is left alone, not closed in another loop.",
            happened=happened,
        )


def _require_two_requests_each(seen: Seen) -> None:
    expect(
        seen.connections == PROGRAMS,
        f"{PROGRAMS} event loops, with two requests in each: {PROGRAMS} connections.",
        happened=f"There were {seen.connections}.",
        seen=seen,
    )


def _require_none_left(seen: Seen, then: str) -> None:
    left = len(still_open(seen))
    expect(
        not left,
        "A loop that is closed has no connection open once the garbage collector has run.",
        happened=f"{PROGRAMS} programs ended without closing their client. Then {then}, and of "
        f"{seen.connections} connections {left} were still open. (An open connection refers to "
        "its loop: whoever keeps the client keeps the loop, too.)",
        seen=seen,
    )


def _why(get_client):
    """Say what this answer goes by, found out by trying."""

    async def call():
        return get_client()

    with asyncio.Runner() as one, asyncio.Runner() as two:
        if one.run(call()) is not two.run(call()):
            return "It goes by something that a later loop has again, such as a loop's `id()`."
    elsewhere = []
    thread = threading.Thread(target=lambda: elsewhere.append(asyncio.run(call())))
    thread.start()
    thread.join()
    client = asyncio.run(call())
    if elsewhere[0] is not client:
        return "There is one for each thread, and a thread can run one loop after another."
    asyncio.run(client.aclose())
    if asyncio.run(call()) is not client:
        return (
            "There is a new one once the old one `is_closed`, but a client does not notice that "
            "its loop has ended."
        )
    return "There is one for the whole process, closed or not."
