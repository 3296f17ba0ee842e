"""Wrong repairs that were found by trying what developers would post."""

from repairs.pieces import (
    BEGUN,
    CLIENT,
    DEADLINE,
    IMPORT_TASK,
    KEEP_THE_PROMISE,
    NO_DEADLINE,
    SOLVED,
    STOCK_DEADLINE,
    YIELD,
)
from repairs.repair import Repair, endpoint

from course.capstone.edits import CATALOGUE

HEAD_ALONE = """\
@app.get("/stock/{number}")
async def stock(number: int, request: Request) -> dict:
    client = request.app.state.client
    async with asyncio.timeout(ANSWER_WITHIN):
        wanted = client.build_request("GET", f"/stock/{number}")
        response = await client.send(wanted, stream=True)
    try:
        require_found(response)
        left = sum([int(line) async for line in response.aiter_lines()])
    finally:
        await response.aclose()
    return {"number": number, "left": left}"""

QUEUED = """\
async def queued(response: httpx.Response) -> AsyncIterator[bytes]:
    queue = asyncio.Queue(4)

    async def read() -> None:
        async for piece in response.aiter_bytes():
            await queue.put(piece)
        await queue.put(None)

    reading = asyncio.create_task(read())
    reading.add_done_callback(lambda task: task.cancelled() or task.exception())
    while (piece := await queue.get()) is not None:
        yield piece


"""

FOUND = [
    Repair(
        "a deadline by a middleware for HTTP",
        (*NO_DEADLINE, ("class Order(", KEEP_THE_PROMISE)),
        ("streaming answer",),
        "as if all were well",
    ),
    Repair(
        "a deadline around the whole catalogue",
        (
            (
                BEGUN,
                "",
            ),
        ),
        ("streaming answer",),
        "each piece came soon after the one before",
    ),
    Repair(
        "a semaphore of the module",
        (
            ("class Order(", "PLACES = asyncio.Semaphore(10)\n\n\nclass Order("),
            (DEADLINE, DEADLINE.replace("WITHIN)", "WITHIN), PLACES")),
            (STOCK_DEADLINE, STOCK_DEADLINE + "        PLACES,\n"),
        ),
        ("requests lost after a restart", "wrong statuses"),
        "belongs to its event loop",
    ),
    Repair(
        "a queue in front of the deadline",
        (
            (YIELD, f"        app.state.places = asyncio.Semaphore(10)\n{YIELD}"),
            (DEADLINE, DEADLINE.replace("with ", "with app.state.places, ")),
            (STOCK_DEADLINE, "        app.state.places,\n" + STOCK_DEADLINE),
        ),
        ("longest answer",),
        "a deadline counts that",
    ),
    Repair(
        "redirects followed",
        ((CLIENT, f"{CLIENT}, follow_redirects=True"),),
        ("wrong statuses",),
        "led to a page for people",
    ),
    Repair(
        "a refused catalogue left open",
        (
            (
                CATALOGUE,
                '@app.get("/catalogue")\n'
                "async def catalogue(request: Request) -> StreamingResponse:\n"
                "    client = request.app.state.client\n"
                "    async with asyncio.timeout(ANSWER_WITHIN):\n"
                '        wanted = client.build_request("GET", "/catalogue")\n'
                "        response = await client.send(wanted, stream=True)\n"
                "    response.raise_for_status()\n"
                "    close = BackgroundTask(response.aclose)\n"
                "    return StreamingResponse(\n"
                '        response.aiter_bytes(), media_type="text/csv", background=close\n'
                "    )\n",
            ),
            IMPORT_TASK,
        ),
        ("connections held at the end",),
        "last asked for /catalogue",
    ),
    Repair(
        "another client for the catalogue, with ten connections of its own",
        (
            (
                YIELD,
                "        app.state.client = client\n"
                "        async with httpx.AsyncClient(\n"
                "            base_url=STOCK_SYSTEM, timeout=TIMEOUT, limits=LIMITS\n"
                "        ) as app.state.files:\n"
                "            yield\n",
            ),
            (
                'app.state.client.stream("GET", "/catalogue")',
                'app.state.files.stream("GET", "/catalogue")',
            ),
        ),
        ("connections at once",),
        "There is more than one pool",
    ),
    Repair(
        "the jar left out",
        ((CLIENT, CLIENT.removesuffix(", cookies=no_cookies")),),
        ("cookies of others sent",),
        "carried the cookie that an order had got",
    ),
    Repair(
        "a longer deadline",
        (("ANSWER_WITHIN = 0.9", "ANSWER_WITHIN = 1.5"),),
        ("longest answer",),
        "1 x POST /orders/N: 504, but late",
    ),
    Repair(
        "a deadline for the head alone",
        ((endpoint("stock", SOLVED), HEAD_ALONE),),
        ("longest answer",),
        "Not in time: /stock.",
    ),
    Repair(
        "impatience",
        (("ANSWER_WITHIN = 0.9", "ANSWER_WITHIN = 0.2"),),
        ("requests lost after a pause", "streaming answer"),
        "the page was told that it was late",
    ),
    Repair(
        "JSON that is none",
        (("@app.exception_handler(ValueError)  # what it said is not what we asked for\n", ""),),
        ("wrong statuses",),
        "raised by the service: pydantic",
    ),
    Repair(
        "is_error for what is no catalogue",
        (
            (
                "        response.raise_for_status()\n        deadline",
                "        if response.is_error:\n"
                "            response.raise_for_status()\n"
                "        deadline",
            ),
        ),
        ("wrong statuses",),
        "A 302 is no error to httpx",
    ),
    Repair(
        "a catalogue without a deadline",
        ((BEGUN, ""), ("        asyncio.timeout(ANSWER_WITHIN) as deadline,\n", "")),
        ("longest answer",),
        "Not in time: /catalogue.",
    ),
    Repair(
        "a queue whose reader dies",
        (
            ("response.aiter_bytes(), media", "queued(response), media"),
            ('@app.get("/catalogue")\n', QUEUED + '@app.get("/catalogue")\n'),
        ),
        ("streaming answer",),
        "the page still waits",
    ),
    Repair(
        "503 for an order that failed",
        (
            (
                '    response.raise_for_status()\n    return {"basket": basket',
                "    if response.is_server_error:\n"
                '        raise HTTPException(503, "the stock system failed")\n'
                '    response.raise_for_status()\n    return {"basket": basket',
            ),
        ),
        ("wrong statuses",),
        "1 x POST /orders/N: 503",
    ),
]
