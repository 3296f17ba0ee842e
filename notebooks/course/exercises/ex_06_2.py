"""A client for each event loop, for a library that does not know who runs it."""

import asyncio
import contextlib
import functools
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import httpx

from workbench.checking.record import Exercise, Wrong, WrongAnswer, expect


def make_get_client():
    """Return a function get_client() that gives the client of the running event loop.

    It gives an open httpx.AsyncClient: in one loop always the same, in another loop another. Who
    runs the loop may close it, or forget to.
    """
    client = httpx.AsyncClient()

    def get_client():
        return client

    return get_client


def solution():
    """Return a function get_client() that gives the client of the running event loop.

    It gives an open httpx.AsyncClient: in one loop always the same, in another loop another. Who
    runs the loop may close it, or forget to.
    """
    clients = weakref.WeakKeyDictionary()

    def get_client():
        loop = asyncio.get_running_loop()
        if loop not in clients:
            clients[loop] = httpx.AsyncClient()
        return clients[loop]

    return get_client


def makes_it_on_first_use():
    @functools.cache
    def get_client():
        return httpx.AsyncClient()

    return get_client


def makes_another_once_it_is_closed():
    client = httpx.AsyncClient()

    def get_client():
        nonlocal client
        if client.is_closed:
            client = httpx.AsyncClient()
        return client

    return get_client


def makes_one_for_each_thread():
    local = threading.local()

    def get_client():
        if not hasattr(local, "client"):
            local.client = httpx.AsyncClient()
        return local.client

    return get_client


def makes_one_for_each_call():
    def get_client():
        return httpx.AsyncClient()

    return get_client


def keeps_nothing_alive():
    client = httpx.AsyncClient(limits=httpx.Limits(max_keepalive_connections=0))

    def get_client():
        return client

    return get_client


async def check(attempt, server):
    get_client = attempt()
    await asyncio.to_thread(_two_programs, get_client, server.url + "/echo")
    await attempt.settle()
    expect(
        attempt.seen.connections == 2,
        "Two event loops, with two requests in each: two connections.",
        happened=f"There were {attempt.seen.connections}.",
    )


def _two_programs(get_client, url):
    """Use the client in two event loops, one after the other in the same thread."""

    async def program(earlier=None):
        client, same = get_client(), get_client()
        expect(
            isinstance(client, httpx.AsyncClient),
            "An `httpx.AsyncClient`.",
            happened=f"`get_client()` returned an object of type `{type(client).__name__}`.",
        )
        expect(
            client is same,
            "In one event loop always the same client.",
            happened="Two calls in one loop gave two clients, so there is no reuse, and nobody "
            "knows which of them to close.",
        )
        if client is earlier:
            return client
        await client.get(url)
        await client.get(url)
        if earlier is not None:
            await client.aclose()
        return client

    first = asyncio.run(program())
    if asyncio.run(program(first)) is first:
        raise Wrong(
            "Another client in another event loop.",
            happened=f"The second loop was given the client of the first. {_why(get_client)}",
        )


def _why(get_client):
    """Say what this answer goes by, found out by trying."""

    async def call():
        return get_client()

    client = asyncio.run(call())
    with ThreadPoolExecutor(1) as another_thread:
        if another_thread.submit(asyncio.run, call()).result() is not client:
            return "There is one for each thread, and a thread can run one loop after another."
    # The client's own loop is gone, so closing it may fail; it is marked as closed all the same.
    with contextlib.suppress(RuntimeError):
        asyncio.run(client.aclose())
    if asyncio.run(call()) is not client:
        return (
            "There is a new one once the old one `is_closed`, but a client does not notice that "
            "its loop has ended."
        )
    if client._transport._pool._max_keepalive_connections == 0:  # there is no public way to ask
        return "It keeps no connection alive, so nothing fails, and nothing is reused in any loop."
    return "There is one for the whole process."


EXERCISE = Exercise(
    id="06-2",
    title="A client for each loop",
    task="You write a library. It does not know who runs it: a service with one event loop, or a "
    "script with many `asyncio.run(...)`. Repair `make_get_client`.",
    starter=make_get_client,
    hints=[
        "What has to be the key by which a client is found again?",
        "`asyncio.get_running_loop()` gives the loop. A dictionary from loop to client will do.",
        "`weakref.WeakKeyDictionary` forgets a loop that nobody refers to any more. (An open "
        "connection refers to its loop. One that is never closed keeps it.)",
    ],
    wrong=[
        WrongAnswer(makes_it_on_first_use, "one for the whole process"),
        WrongAnswer(makes_another_once_it_is_closed, "a client does not notice"),
        WrongAnswer(makes_one_for_each_thread, "one for each thread"),
        WrongAnswer(makes_one_for_each_call, "Two calls in one loop gave two clients"),
        WrongAnswer(keeps_nothing_alive, "It keeps no connection alive"),
    ],
    solution=solution,
    why="A connection belongs to an event loop, so the loop is what a client is to be found by.",
    check=check,
)
