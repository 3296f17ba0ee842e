"""No connection from the client's own pool."""

from course.guide.rows import Face, Read, Row

POOL = "05-the-pool-runs-dry.ipynb"

FACES = (
    Face(
        ("httpx.PoolTimeout",),
        r"",
        "what does the repr of the pool in use say at the first of them? "
        "`client._transport_for_url(url)._pool`: with a proxy or `mounts=` it is not "
        "`client._transport._pool`.",
        (
            Row(
                "leak",
                "as many requests active as connections, and none of your calls is under way",
                "Responses of `send(stream=True)` are left, neither read nor closed.",
                "`async with client.stream(...)`.",
                False,
                (POOL,),
            ),
            Row(
                "nested",
                "the same, and each call stands in its own `stream()` block",
                "Inside the block it asks the same client for another connection.",
                "Leave the block first, or ask another client.",
                False,
                (POOL,),
            ),
            Row(
                "cancelled",
                "connections active that no request has; after a double cancel with a request that "
                "is no call of yours",
                "Calls were cancelled at a bad moment (httpcore 1.0.9).",
                "A new client now. Then a semaphore in front, `asyncio.shield` around the request.",
                False,
                (POOL, "deeper/05-cancelled-requests.ipynb"),
            ),
            Row(
                "lost loop",
                "connections active that no request has, and `Event loop is closed` before",
                "An expired connection of a gone loop could not be closed, and left its place.",
                "One client per loop.",
                False,
                ("06-the-wrong-loop.ipynb",),
            ),
            Row(
                "load",
                "a queue, and an upstream is slow",
                "More calls than connections. One pool for all hosts: others starve too.",
                "A client per upstream, a semaphore in front of the slow one.",
                False,
                (POOL, "deeper/05-what-pool-bounds.ipynb"),
            ),
            Row(
                "fan-out",
                "a long queue, and the server has nothing to do",
                "Hundreds of calls in one `gather`: the pool's work stops the loop.",
                "A semaphore in front, no larger than the pool.",
                False,
                (POOL,),
                read=Read(POOL, "PoolTimeout('')", ("50 connections opened, 0 requests",)),
            ),
        ),
    ),
)
