"""Tempting wrong repairs of the storefront.

Each is the right one of `course.capstone` with one thing done as people do it. The text that is
replaced, and what stands there instead, are given in pairs.
"""

from dataclasses import dataclass
from pathlib import Path

from course.capstone.help import REPAIRED
from course.capstone.working_copy import ORIGINAL

REQUEST = "        return await request.app.state.client.request(method, path, **options)\n"
STREAM = '        request.app.state.client.stream("GET", f"/stock/{number}") as response,\n'
CLIENT = "base_url=STOCK_SYSTEM, timeout=ANSWER_WITHIN, limits=LIMITS"
LONG_IDLE = ("keepalive_expiry=0.5", "keepalive_expiry=60")


@dataclass(frozen=True)
class Repair:
    """A wrong repair. red: the lines that it leaves red. says: words that only it earns."""

    name: str
    edits: tuple[tuple[str, str], ...]
    red: tuple[str, ...]
    says: str

    def write(self, folder: Path) -> Path:
        """Write it into a folder and return its path."""
        source = REPAIRED.read_text(encoding="utf-8")
        for old, new in self.edits:
            assert source.count(old) >= 1, f"{self.name}: {old!r} is not in the repaired service"
            source = source.replace(old, new)
        path = folder / "my_storefront.py"
        path.write_text(source, encoding="utf-8")
        return path


def endpoint(name: str, path: Path) -> str:
    """Return the source of an endpoint, from its decorator to the end."""
    source = path.read_text(encoding="utf-8")
    start = source.rindex("@app.", 0, source.index(f"async def {name}("))
    rest = source[start:].split("\n\n\n")
    return rest[0].rstrip("\n")


def retrying(only: str) -> tuple[str, str]:
    """Return the edit that makes the client repeat what fails on the way, under a condition."""
    transport = f"""
class Retrying(httpx.AsyncHTTPTransport):
    async def handle_async_request(self, request):
        for _ in range(10):
            try:
                return await super().handle_async_request(request)
            except (httpx.RemoteProtocolError, httpx.ReadError):
                if not ({only}):
                    raise
        return await super().handle_async_request(request)


@asynccontextmanager
async def lifespan("""
    return "\n@asynccontextmanager\nasync def lifespan(", transport


WRONG = [
    Repair(
        "timeout=60",
        (("ANSWER_WITHIN = 0.9", "ANSWER_WITHIN = 60"),),
        ("longest answer",),
        "no answer within 4 s",
    ),
    Repair(
        "a retry around everything",
        (LONG_IDLE, retrying("True"), (CLIENT, f"{CLIENT}, transport=Retrying(limits=LIMITS)")),
        ("orders sent more than once",),
        "the customer pays",
    ),
    Repair(
        "a retry for GET alone",
        (
            LONG_IDLE,
            retrying('request.method == "GET"'),
            (CLIENT, f"{CLIENT}, transport=Retrying(limits=LIMITS)"),
        ),
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
        "2 x GET /products/N: 502",
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
                # Unverified, so that it is the connections that tell, and not the certificates.
                "        async with httpx.AsyncClient(\n"
                "            base_url=STOCK_SYSTEM, verify=False\n"
                "        ) as client:\n"
                "            return await client.request(method, path, **options)\n",
            ),
            (
                STREAM,
                "        httpx.AsyncClient(base_url=STOCK_SYSTEM, verify=False) as client,\n"
                '        client.stream("GET", f"/stock/{number}") as response,\n',
            ),
        ),
        ("connections opened under load",),
        "none of them was used again",
    ),
    Repair(
        "max_connections=1000",
        (
            ("max_connections=10,", "max_connections=1000,"),
            (endpoint("stock", REPAIRED), endpoint("stock", ORIGINAL)),
        ),
        ("connections held at the end",),
        "last asked for /stock",
    ),
    Repair(
        "awaited outside of the block",
        (
            (
                '    response = await ask(request, "GET", f"/delivery/{number}")\n',
                "    async with httpx.AsyncClient(base_url=STOCK_SYSTEM) as client:\n"
                '        asked = asyncio.create_task(client.get(f"/delivery/{number}"))\n'
                "    response = await asked\n",
            ),
        ),
        ("requests lost under load", "wrong statuses"),
        "Cannot send a request, as the client has been closed.",
    ),
    Repair(
        "500 for everything",
        (("status_code=502)", "status_code=500)"), ("status_code=504)", "status_code=500)")),
        ("wrong statuses",),
        "1 x POST /orders/N: 500",
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
                endpoint("catalogue", REPAIRED),
                '@app.get("/catalogue")\n'
                "async def catalogue(request: Request) -> StreamingResponse:\n"
                '    response = await ask(request, "GET", "/catalogue")\n'
                '    return StreamingResponse(iter([response.content]), media_type="text/csv")',
            ),
        ),
        ("streaming answer",),
        "waits in vain",
    ),
    Repair(
        "a client that nobody closes",
        (
            (
                f"    async with httpx.AsyncClient(\n        {CLIENT}\n    ) as client:\n"
                "        app.state.client = client\n        yield\n",
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
                "PLACE = asyncio.Semaphore(1)\n\n\n"
                "@asynccontextmanager\n"
                "async def one_at_a_time() -> AsyncIterator[None]:\n"
                "    async with PLACE, asyncio.timeout(ANSWER_WITHIN):\n"
                "        yield\n\n\n"
                "async def ask(",
            ),
            ("        asyncio.timeout(ANSWER_WITHIN),\n", "        one_at_a_time(),\n"),
        ),
        ("longest answer",),
        "x GET /products/N: 200, but late",
    ),
    Repair(
        "a small pool",
        (
            ("max_connections=10,", "max_connections=4,"),
            ("timeout=ANSWER_WITHIN,", "timeout=httpx.Timeout(ANSWER_WITHIN, pool=0.3),"),
        ),
        ("requests lost beside slow ones",),
        "3 x GET /products/N: 504",
    ),
    Repair(
        "an order in a task that nobody awaits",
        (
            (
                endpoint("order", REPAIRED),
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
