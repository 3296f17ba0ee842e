"""Right repairs of the storefront, in the forms that people choose."""

from repairs.pieces import (
    DEADLINE,
    IMPORT_TASK,
    NO_DEADLINE,
    REQUEST,
    SOLVED,
    STOCK_DEADLINE,
    YIELD,
)
from repairs.repair import Repair

from course.capstone.edits import CATALOGUE

SENT = """\
@app.get("/catalogue")
async def catalogue(request: Request) -> StreamingResponse:
    client = request.app.state.client
    async with asyncio.timeout(ANSWER_WITHIN):
        response = await client.send(client.build_request("GET", "/catalogue"), stream=True)
    if response.status_code != 200:
        await response.aclose()
        response.raise_for_status()
"""
BY_TASK = (
    SENT
    + """\
    return StreamingResponse(
        response.aiter_bytes(),
        media_type="text/csv",
        background=BackgroundTask(response.aclose),
    )
"""
)
BY_GENERATOR = (
    SENT
    + """\

    async def pieces() -> AsyncIterator[bytes]:
        try:
            async for piece in response.aiter_bytes():
                yield piece
        finally:
            await response.aclose()

    return StreamingResponse(pieces(), media_type="text/csv")
"""
)
BY_STACK = """\
@app.get("/catalogue")
async def catalogue(request: Request) -> StreamingResponse:
    async with AsyncExitStack() as stack, asyncio.timeout(ANSWER_WITHIN):
        stream = request.app.state.client.stream("GET", "/catalogue")
        response = await stack.enter_async_context(stream)
        response.raise_for_status()
        close = BackgroundTask(stack.pop_all().aclose)
    return StreamingResponse(response.aiter_raw(), media_type="text/csv", background=close)
"""

IN_TIME = '''\
class InTime:
    """ASGI middleware: ends what does not begin in time."""

    def __init__(self, app) -> None:
        self.app = app

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(ANSWER_WITHIN) as deadline:

                async def begin(message) -> None:
                    deadline.reschedule(None)
                    await send(message)

                await self.app(scope, receive, begin)
        except TimeoutError as error:
            await JSONResponse({"detail": repr(error)}, 504)(scope, receive, send)


app.add_middleware(InTime)


class Order('''

ONE_HANDLER = """\
@app.exception_handler(TimeoutError)
@app.exception_handler(ValueError)
@app.exception_handler(httpx.HTTPError)
async def failed(request: Request, error: Exception) -> JSONResponse:
    match error:
        case httpx.PoolTimeout():
            status = 503
        case TimeoutError() | httpx.TimeoutException():
            status = 504
        case httpx.HTTPStatusError(response=httpx.Response(status_code=404)):
            status = 404
        case _:
            status = 502
    return JSONResponse({"detail": repr(error)}, status)


"""

OWNER = '''\
class Late(Exception):
    """The stock system was too slow."""


class StockSystem:
    """Owns the client, and bounds each exchange."""

    def __init__(self) -> None:
        self.client = httpx.AsyncClient(
            base_url=STOCK_SYSTEM,
            timeout=TIMEOUT,
            limits=LIMITS,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )
        self.stream = self.client.stream

    async def __aenter__(self) -> "StockSystem":
        await self.client.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.client.__aexit__(*exc_info)

    async def request(self, method: str, path: str, **options) -> httpx.Response:
        asked = self.client.request(method, path, **options)
        try:
            return await asyncio.wait_for(asked, ANSWER_WITHIN)
        except TimeoutError as error:
            raise Late from error


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with StockSystem() as app.state.client:
        yield
'''

TWO_CLIENTS = """\
        app.state.client = client
        async with httpx.AsyncClient(
            base_url=STOCK_SYSTEM,
            timeout=TIMEOUT,
            limits=httpx.Limits(max_connections=2, keepalive_expiry=0.5),
        ) as app.state.files:
            yield
"""

FIRST_PIECE = """\
@app.get("/catalogue")
async def catalogue(request: Request) -> StreamingResponse:
    stream = request.app.state.client.stream("GET", "/catalogue")
    async with AsyncExitStack() as stack:
        async with asyncio.timeout(ANSWER_WITHIN):
            response = await stack.enter_async_context(stream)
            response.raise_for_status()
            pieces = response.aiter_bytes()
            first = await anext(pieces, b"")
        passing = stack.pop_all()

    async def body() -> AsyncIterator[bytes]:
        async with passing:
            yield first
            async for piece in pieces:
                yield piece

    return StreamingResponse(body(), media_type="text/csv")
"""

REPEATING = """\
    client, tries = request.app.state.client, 3 if method == "GET" else 1
    async with asyncio.timeout(ANSWER_WITHIN):
        for left in reversed(range(tries)):
            try:
                response = await client.request(method, path, **options)
                if response.status_code < 500 or not left:
                    return response
            except httpx.TransportError:
                if not left:
                    raise
            await asyncio.sleep(0.05)
"""

LIFESPAN = SOLVED[SOLVED.index("@asynccontextmanager") : SOLVED.index("\n\napp = FastAPI")]
HANDLERS = SOLVED[SOLVED.index("@app.exception_handler") : SOLVED.index("async def ask")]

RIGHT = [
    Repair("the course's own", ()),
    Repair(
        "lifespan state, a dependency",
        (
            (
                YIELD,
                '        yield {"client": client}\n',
            ),
            ("request.app.state.client", "client"),
            ("async def ask(request: Request, method", "async def ask(client: Client, method"),
            ("request: Request) -> dict", "client: Client) -> dict"),
            ("opened_catalogue(request: Request)", "opened_catalogue(client: Client)"),
            ("await ask(request, ", "await ask(client, "),
            (
                "class Order(",
                "def client_of(request: Request) -> httpx.AsyncClient:\n"
                "    return request.state.client\n\n\n"
                "Client = Annotated[httpx.AsyncClient, Depends(client_of)]\n\n\n"
                "class Order(",
            ),
        ),
    ),
    Repair(
        "closed by a background task",
        (IMPORT_TASK, (CATALOGUE, BY_TASK), ("keepalive_expiry=0.5", "keepalive_expiry=0.8")),
    ),
    Repair("closed by the generator", ((CATALOGUE, BY_GENERATOR),)),
    Repair("a deadline for all, around the application", (*NO_DEADLINE, ("class Order(", IN_TIME))),
    Repair(
        "a module's client, bound by the lifespan, and places of its own",
        (
            (YIELD, "        yield\n"),
            (
                "    no_cookies =",
                "    global client, places\n    places = asyncio.Semaphore(8)\n    no_cookies =",
            ),
            ("request.app.state.client", "client"),
            (
                DEADLINE,
                "    async with asyncio.timeout(ANSWER_WITHIN), places:\n        return await",
            ),
            (STOCK_DEADLINE, "        asyncio.timeout(ANSWER_WITHIN),\n        places,\n"),
            ("max_keepalive_connections=10", "max_keepalive_connections=6"),
        ),
    ),
    Repair(
        "a class owns the client",
        (
            (LIFESPAN, OWNER),
            IMPORT_TASK,
            ("import asynccontextmanager", "import AsyncExitStack, asynccontextmanager"),
            (CATALOGUE, BY_STACK),
            (DEADLINE, "    return await"),
            (
                "@app.exception_handler(TimeoutError)\n",
                "@app.exception_handler(TimeoutError)\n@app.exception_handler(Late)\n",
            ),
            (
                "max_keepalive_connections=10, keepalive_expiry=0.5",
                "max_keepalive_connections=4, keepalive_expiry=0.3",
            ),
        ),
    ),
    Repair(
        "one handler that looks at the error",
        ((HANDLERS, ONE_HANDLER), ("require_found(response)", "response.raise_for_status()")),
    ),
    Repair(
        "a client for the catalogue, one for the rest",
        (
            ("max_connections=10, max_keepalive_connections=10", "max_connections=8"),
            (YIELD, TWO_CLIENTS),
            (
                'app.state.client.stream("GET", "/catalogue")',
                'app.state.files.stream("GET", "/catalogue")',
            ),
        ),
    ),
    Repair(
        "the first piece awaited, too",
        (
            (CATALOGUE, FIRST_PIECE),
            ("import asynccontextmanager", "import AsyncExitStack, asynccontextmanager"),
        ),
    ),
    Repair(
        "what may be repeated is, within the deadline",
        ((DEADLINE + REQUEST.removeprefix("        return await"), REPEATING),),
    ),
]
