"""Wrong repairs: a right one with one thing done as people do it."""

from repairs.pieces import (
    CLIENT,
    DELIVERY,
    LIFESPAN,
    LONG_IDLE,
    OWN,
    REQUEST,
    SOLVED,
    STOCK_DEADLINE,
    STREAM,
    YIELD,
    as_it_was,
    retrying,
)
from repairs.repair import Repair, endpoint

from course.capstone.edits import CATALOGUE

TEMPTING = [
    Repair(
        "timeout=60",
        (("ANSWER_WITHIN = 0.9", "ANSWER_WITHIN = 60"),),
        ("longest answer",),
        "no answer within 3 s",
    ),
    Repair(
        "a retry around everything",
        retrying("True"),
        ("orders sent more than once",),
        "the customer pays",
    ),
    Repair(
        "a retry for GET alone",
        retrying('request.method == "GET"'),
        ("requests lost after a pause",),
        "the order did not get through",
    ),
    Repair(
        "retries=3",
        (
            LONG_IDLE,
            (CLIENT, f"{CLIENT}, transport=httpx.AsyncHTTPTransport(retries=3, limits=LIMITS)"),
        ),
        ("requests lost after a pause",),
        "requests lost after a pause     4 of 4",
    ),
    Repair(
        "errors swallowed",
        (("status_code=502)", "status_code=200)"),),
        ("wrong statuses",),
        "1 x POST /orders/N: 200",
    ),
    Repair(
        "a client per call",
        (
            (
                REQUEST,
                f"        async with {OWN} as client:\n"
                "            return await client.request(method, path, **options)\n",
            ),
            (
                STREAM,
                f"        {OWN} as client,\n"
                '        client.stream("GET", f"/stock/{number}") as response,\n',
            ),
        ),
        ("connections opened under load", "connections at once"),
        "none of them was used again",
    ),
    Repair(
        "max_connections=1000, and the leak as it was",
        (("max_connections=10,", "max_connections=1000,"), as_it_was("stock")),
        ("longest answer", "connections at once", "connections held at the end"),
        "last asked for /stock",
    ),
    Repair(
        "awaited outside of the block",
        (
            (
                DELIVERY,
                f"    async with {OWN} as client:\n"
                '        asked = asyncio.create_task(client.get(f"/delivery/{number}"))\n'
                "    response = await asked\n",
            ),
        ),
        ("requests lost under load", "requests lost after a restart", "wrong statuses"),
        "11 x GET /delivery/N: 500",
    ),
    Repair(
        "500 for everything",
        (("status_code=502)", "status_code=500)"), ("status_code=504)", "status_code=500)")),
        ("wrong statuses",),
        '1 x POST /orders/N: 500 {"detail"',
    ),
    Repair(
        "502 for everything",
        (("status_code=504)", "status_code=502)"),),
        ("wrong statuses",),
        "one says failed, the other late",
    ),
    Repair(
        "a TimeoutError that nobody expects",
        (("@app.exception_handler(TimeoutError)\n", ""),),
        ("wrong statuses",),
        "raised by the service: TimeoutError",
    ),
    Repair(
        "the whole catalogue in memory",
        (
            (
                CATALOGUE,
                '@app.get("/catalogue")\n'
                "async def catalogue(request: Request) -> StreamingResponse:\n"
                '    response = await ask(request, "GET", "/catalogue")\n'
                "    response.raise_for_status()\n"
                '    return StreamingResponse(iter([response.content]), media_type="text/csv")\n',
            ),
        ),
        ("streaming answer",),
        "waits in vain",
    ),
    Repair(
        "a client that nobody closes",
        (
            (
                f"{LIFESPAN}        app.state.client = client\n        yield\n",
                f"    app.state.client = httpx.AsyncClient(\n        {CLIENT}\n    )\n    yield\n",
            ),
        ),
        ("sockets left after shutdown",),
        "nobody has closed them",
    ),
    Repair(
        "one at a time",
        (
            (
                "    async with asyncio.timeout(ANSWER_WITHIN):\n",
                "    async with one_at_a_time():\n",
            ),
            (
                "async def ask(",
                "@asynccontextmanager\n"
                "async def one_at_a_time() -> AsyncIterator[None]:\n"
                "    async with app.state.place, asyncio.timeout(ANSWER_WITHIN):\n"
                "        yield\n\n\n"
                "async def ask(",
            ),
            (YIELD, f"        app.state.place = asyncio.Semaphore(1)\n{YIELD}"),
            (STOCK_DEADLINE, "        one_at_a_time(),\n"),
        ),
        ("requests lost under load", "requests lost beside slow ones", "longest answer"),
        "one waits for the other",
    ),
    Repair(
        "a small pool",
        (("max_connections=10,", "max_connections=4,"), ("pool=0.5", "pool=0.3")),
        ("requests lost beside slow ones", "wrong statuses"),
        "x GET /products/N: 503",
    ),
    Repair(
        "an order in a task that nobody awaits",
        (
            (
                endpoint("order", SOLVED),
                '@app.post("/orders/{basket}", status_code=201)\n'
                "async def order(basket: int, order: Order, request: Request) -> dict:\n"
                '    sending = ask(request, "POST", f"/orders/{basket}", json=order.model_dump())\n'
                "    task = asyncio.create_task(sending)\n"
                "    task.add_done_callback(lambda task: task.exception())\n"
                '    return {"basket": basket, "number": order.product}',
            ),
        ),
        ("wrong statuses",),
        "1 x POST /orders/N: 201",
    ),
]
