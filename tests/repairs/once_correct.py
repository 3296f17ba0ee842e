"""Wrong repairs that the judge once called correct."""

from repairs.pieces import DEADLINE, EXPIRY, LIFESPAN, STOCK_DEADLINE, YIELD, generating
from repairs.repair import Repair

ONCE_CORRECT = [
    Repair(
        "keepalive_expiry=1.0",
        ((EXPIRY, "keepalive_expiry=1.0"),),
        ("requests lost after a pause",),
        "given up, and a little too late",
    ),
    Repair(
        "keepalive_expiry=1.1",
        ((EXPIRY, "keepalive_expiry=1.1"),),
        ("requests lost after a pause",),
        "given up, and a little too late",
    ),
    Repair(
        "max_connections=1000",
        (("max_connections=10,", "max_connections=1000,"),),
        ("connections at once",),
        "nothing limits the pool",
    ),
    Repair(
        "a deadline in one route only",
        (
            (DEADLINE, "    return await"),
            (STOCK_DEADLINE, ""),
            (
                '    response = await ask(request, "GET", f"/reviews/{number}")\n',
                "    async with asyncio.timeout(ANSWER_WITHIN):\n"
                '        response = await ask(request, "GET", f"/reviews/{number}")\n',
            ),
        ),
        ("longest answer",),
        "In time: /reviews, /catalogue. Not in time: /products",
    ),
    Repair(
        "a generator that swallows",
        (
            (
                "    return StreamingResponse(response.aiter_bytes(), ",
                "    async def pieces() -> AsyncIterator[bytes]:\n"
                "        try:\n"
                "            async for piece in response.aiter_bytes():\n"
                "                yield piece\n"
                "        except httpx.HTTPError:\n"
                "            pass\n\n"
                "    return StreamingResponse(pieces(), ",
            ),
        ),
        ("streaming answer",),
        "the page took what it had for all",
    ),
    Repair(
        "a generator that opens the stream",
        (
            generating(
                '        async with request.app.state.client.stream("GET", "/catalogue") as '
                "response:\n"
                "            response.raise_for_status()\n"
                "            async for piece in response.aiter_bytes():\n"
                "                yield piece\n\n"
            ),
        ),
        ("wrong statuses",),
        "on its way before the stock system answered",
    ),
    Repair(
        "a module's client, closed by the lifespan",
        (
            (LIFESPAN, ""),
            (
                YIELD,
                "    yield\n    await client.aclose()\n",
            ),
            ("    no_cookies =", "    app.state.client = client\n    no_cookies ="),
            (
                "\n\n@asynccontextmanager\nasync def lifespan(",
                "\nclient = httpx.AsyncClient(\n"
                "    base_url=STOCK_SYSTEM,\n"
                "    timeout=TIMEOUT,\n"
                "    limits=LIMITS,\n"
                "    cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),\n"
                ")\n\n\n@asynccontextmanager\nasync def lifespan(",
            ),
        ),
        ("requests lost after a restart", "wrong statuses"),
        "closed something that the second needs",
    ),
]
