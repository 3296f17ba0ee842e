"""Pieces of repairs: what several of them replace, and what they put there."""

from repairs.repair import endpoint

from course.capstone.edits import CATALOGUE, SOLUTION, edited

GIVEN, SOLVED = edited(()), edited(SOLUTION)
DEADLINE = "    async with asyncio.timeout(ANSWER_WITHIN):\n        return await"
STOCK_DEADLINE = "        asyncio.timeout(ANSWER_WITHIN),\n"
BEGUN = "        deadline.reschedule(None)  # it has begun\n"
NO_DEADLINE = (
    (DEADLINE, "    return await"),
    (STOCK_DEADLINE, ""),
    (BEGUN, ""),
    ("        asyncio.timeout(ANSWER_WITHIN) as deadline,\n", ""),
)
IMPORT_TASK = (
    "\nimport httpx\n",
    "\nimport httpx\nfrom starlette.background import BackgroundTask\n",
)
YIELD = "        app.state.client = client\n        yield\n"
CLIENT = "base_url=STOCK_SYSTEM, timeout=TIMEOUT, limits=LIMITS, cookies=no_cookies"
OWN = "httpx.AsyncClient(base_url=STOCK_SYSTEM, verify=False)"  # for speed: not what is wrong here
EXPIRY = "keepalive_expiry=0.5"
LONG_IDLE = (EXPIRY, "keepalive_expiry=60")
DELIVERY = '    response = await ask(request, "GET", f"/delivery/{number}")\n'
REQUEST = "        return await request.app.state.client.request(method, path, **options)\n"
STREAM = '        request.app.state.client.stream("GET", f"/stock/{number}") as response,\n'
LIFESPAN = f"    async with httpx.AsyncClient(\n        {CLIENT}\n    ) as client:\n"


def as_it_was(name: str) -> tuple[str, str]:
    """Return the edit that takes a route back to what it was."""
    return endpoint(name, SOLVED), endpoint(name, GIVEN)


def retrying(only: str) -> tuple[tuple[str, str], ...]:
    """Return the edits that make the client repeat what fails on the way, under a condition."""
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
    return (
        LONG_IDLE,
        ("\n@asynccontextmanager\nasync def lifespan(", transport),
        (CLIENT, f"{CLIENT}, transport=Retrying(limits=LIMITS)"),
    )


def generating(inside: str) -> tuple[str, str]:
    """Return the edit that opens the stream inside of the generator, where hints once put it."""
    return (
        CATALOGUE,
        '@app.get("/catalogue")\n'
        "async def catalogue(request: Request) -> StreamingResponse:\n"
        "    async def pieces() -> AsyncIterator[bytes]:\n"
        f"{inside}"
        '    return StreamingResponse(pieces(), media_type="text/csv")\n',
    )


KEEP_THE_PROMISE = """\
@app.middleware("http")
async def keep_the_promise(request: Request, call_next):
    try:
        async with asyncio.timeout(ANSWER_WITHIN):
            return await call_next(request)
    except TimeoutError as error:
        return JSONResponse({"detail": repr(error)}, 504)


class Order("""
