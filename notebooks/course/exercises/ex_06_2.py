"""A client for each event loop, for a library that does not know who runs it."""

import asyncio
import functools
import threading
import weakref

import httpx

from course.exercises.get_client_trial import check
from workbench.checking.record import Exercise, WrongAnswer


def make_get_client():
    """Return a function get_client() that gives the client of the running event loop.

    It gives an open httpx.AsyncClient: in one loop always the same, in another loop another. Who
    runs a loop may close its client, or forget to: once get_client() is called again, what the
    client of a closed loop holds is left to Python's garbage collector.
    """
    client = httpx.AsyncClient()

    def get_client():
        return client

    return get_client


def solution():
    """Return a function get_client() that gives the client of the running event loop.

    It gives an open httpx.AsyncClient: in one loop always the same, in another loop another. Who
    runs a loop may close its client, or forget to: once get_client() is called again, what the
    client of a closed loop holds is left to Python's garbage collector.
    """
    clients = {}

    def get_client():
        for loop in list(clients):
            if loop.is_closed():
                # too late for `aclose()`; Python frees the sockets
                clients.pop(loop, None)  # another thread may have come first
        loop = asyncio.get_running_loop()
        if loop not in clients or clients[loop].is_closed:
            clients[loop] = httpx.AsyncClient()
        return clients[loop]

    return get_client


# Right, too


def keeps_it_at_the_loop():
    def get_client():
        loop = asyncio.get_running_loop()
        client = getattr(loop, "client", None)
        if client is None or client.is_closed:
            client = loop.client = httpx.AsyncClient()
        return client

    return get_client


class RebuildsTheRegistry:
    """A class whose instances are called."""

    def __init__(self):
        self.clients = []

    def __call__(self):
        running = asyncio.get_running_loop()
        self.clients = [
            (loop, client)
            for loop, client in self.clients
            if not loop.is_closed() and not client.is_closed
        ]
        for loop, client in self.clients:
            if loop is running:
                return client
        client = httpx.AsyncClient()
        self.clients.append((running, client))
        return client


# Wrong


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
        if not hasattr(local, "client") or local.client.is_closed:
            local.client = httpx.AsyncClient()
        return local.client

    return get_client


def makes_one_for_each_call():
    def get_client():
        return httpx.AsyncClient()

    return get_client


def makes_one_for_each_task():
    clients = weakref.WeakKeyDictionary()

    def get_client():
        return clients.setdefault(asyncio.current_task(), httpx.AsyncClient())

    return get_client


def remembers_the_last_loop():
    last, client = None, None

    def get_client():
        nonlocal last, client
        if asyncio.get_running_loop() is not last:
            last, client = asyncio.get_running_loop(), httpx.AsyncClient()
        return client

    return get_client


def drops_them_all():
    clients = {}

    def get_client():
        loop = asyncio.get_running_loop()
        if any(known.is_closed() for known in clients):
            clients.clear()
        if loop not in clients or clients[loop].is_closed:
            clients[loop] = httpx.AsyncClient()
        return clients[loop]

    return get_client


def hands_out_a_closed_one():
    clients = {}

    def get_client():
        for loop in list(clients):
            if loop.is_closed():
                del clients[loop]
        return clients.setdefault(asyncio.get_running_loop(), httpx.AsyncClient())

    return get_client


def trusts_a_weak_dictionary():
    clients = weakref.WeakKeyDictionary()

    def get_client():
        loop = asyncio.get_running_loop()
        if loop not in clients or clients[loop].is_closed:
            clients[loop] = httpx.AsyncClient()
        return clients[loop]

    return get_client


def looks_only_when_it_makes_one():
    clients = {}

    def get_client():
        loop = asyncio.get_running_loop()
        if loop not in clients or clients[loop].is_closed:
            for other in [other for other in clients if other.is_closed()]:
                del clients[other]
            clients[loop] = httpx.AsyncClient()
        return clients[loop]

    return get_client


def closes_it_in_another_loop():
    clients = {}

    def get_client():
        running = asyncio.get_running_loop()
        for loop in list(clients):
            if loop.is_closed():
                running.create_task(clients.pop(loop).aclose())  # noqa: RUF006
        if running not in clients or clients[running].is_closed:
            clients[running] = httpx.AsyncClient()
        return clients[running]

    return get_client


def makes_it_with_async_def():
    client = httpx.AsyncClient()

    async def get_client():
        return client

    return get_client


def checks_no_certificate():
    clients = {}

    def get_client():
        for loop in [loop for loop in clients if loop.is_closed()]:
            del clients[loop]
        loop = asyncio.get_running_loop()
        if loop not in clients or clients[loop].is_closed:
            clients[loop] = httpx.AsyncClient(verify=False)
        return clients[loop]

    return get_client


def returns_the_client():
    return httpx.AsyncClient()


EXERCISE = Exercise(
    id="06-2",
    title="A client for each loop",
    task="You write a library. It does not know who runs it: a service with one event loop, or a "
    "script with many `asyncio.run(...)`. Repair `make_get_client`.",
    starter=make_get_client,
    hints=[
        "By which key has a client to be found again? `asyncio.get_running_loop()` gives it.",
        "A client that somebody has closed says so: `client.is_closed`.",
        "A dictionary from loop to client will do. It keeps them all, and a "
        "`weakref.WeakKeyDictionary` does so, too: an open connection refers to its loop. So at "
        "each call, drop what belongs to a loop that `is_closed()`.",
    ],
    wrong=[
        WrongAnswer(makes_it_on_first_use, "one for the whole process, closed"),
        WrongAnswer(makes_another_once_it_is_closed, "a client does not notice"),
        WrongAnswer(makes_one_for_each_thread, "one for each thread"),
        WrongAnswer(makes_one_for_each_call, "Two calls in one task gave two clients"),
        WrongAnswer(makes_one_for_each_task, "Two tasks of one loop were given two clients"),
        WrongAnswer(remembers_the_last_loop, "when its turn came again"),
        WrongAnswer(trusts_a_weak_dictionary, "Then another asked for its own"),
        WrongAnswer(looks_only_when_it_makes_one, "Then one that lives"),
        WrongAnswer(drops_them_all, "A third loop had run and ended"),
        WrongAnswer(hands_out_a_closed_one, "returned a client that is closed"),
        WrongAnswer(closes_it_in_another_loop, "Task exception was never retrieved"),
        WrongAnswer(makes_it_with_async_def, "an object of type `coroutine`"),
        WrongAnswer(checks_no_certificate, "This client trusts any certificate"),
        WrongAnswer(returns_the_client, "which cannot be called"),
    ],
    right=[keeps_it_at_the_loop, RebuildsTheRegistry],
    solution=solution,
    why="A connection belongs to an event loop, so a client is found by the loop itself. A client "
    "whose loop is closed can no longer be closed in order; dropping it lets Python free its "
    "sockets.",
    check=check,
)
