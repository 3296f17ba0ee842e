"""A repair as edits of the one text, `services/storefront.py`, and the course's own repair.

`help.py` shows it to the learner as a difference; the tests write it, and others, into files.
"""

from collections.abc import Iterable

from course.capstone.working_copy import ORIGINAL

Edit = tuple[str, str]  # the text that is replaced, and what stands there instead


def edited(edits: Iterable[Edit], text: str | None = None) -> str:
    """Return a text, by default the storefront's, after these edits, one after the other.

    Raises `ValueError` for an edit whose first part does not stand in the text.
    """
    text = ORIGINAL.read_text(encoding="utf-8") if text is None else text
    for old, new in edits:
        if old not in text:
            raise ValueError(f"{old!r} does not stand in the text")
        text = text.replace(old, new)
    return text


ASK = '''\
async def ask(request: Request, method: str, path: str, **options) -> httpx.Response:
    """Return the stock system's whole answer. Raises `TimeoutError` if that takes too long."""
    async with asyncio.timeout(ANSWER_WITHIN):
        return await request.app.state.client.request(method, path, **options)


'''

STOCK = """\
    left = 0
    async with (
        asyncio.timeout(ANSWER_WITHIN),
        request.app.state.client.stream("GET", f"/stock/{number}") as response,
    ):
        require_found(response)
        async for line in response.aiter_lines():
            left += int(line)
    return {"number": number, "left": left}
"""

CATALOGUE = '''\
async def opened_catalogue(request: Request) -> AsyncIterator[httpx.Response]:
    """Hand out the answer with its body still to come. Close it when that has been passed on."""
    async with (
        asyncio.timeout(ANSWER_WITHIN) as deadline,
        request.app.state.client.stream("GET", "/catalogue") as response,
    ):
        response.raise_for_status()
        deadline.reschedule(None)  # it has begun
        yield response


@app.get("/catalogue")
async def catalogue(
    response: Annotated[httpx.Response, Depends(opened_catalogue)],
) -> StreamingResponse:
    return StreamingResponse(response.aiter_bytes(), media_type="text/csv")
'''

SOLUTION: tuple[Edit, ...] = (
    ("import os\n", "import asyncio\nimport os\n"),
    (
        "import CookieJar, DefaultCookiePolicy\n",
        "import CookieJar, DefaultCookiePolicy\nfrom typing import Annotated\n",
    ),
    (
        "import FastAPI, HTTPException, Request\n",
        "import Depends, FastAPI, HTTPException, Request\n",
    ),
    ("keepalive_expiry=60", "keepalive_expiry=0.5"),
    (
        "@app.exception_handler(httpx.TimeoutException)\n"
        "async def stock_system_is_late(request: Request, error: httpx.TimeoutException)",
        "@app.exception_handler(TimeoutError)\n"
        "@app.exception_handler(httpx.TimeoutException)\n"
        "async def stock_system_is_late(request: Request, error: Exception)",
    ),
    ("def require_found(", ASK + "def require_found("),
    (
        'await request.app.state.client.get(f"/products/{number}")',
        'await ask(request, "GET", f"/products/{number}")',
    ),
    (
        "async def delivery(number: int) -> dict:\n"
        "    async with httpx.AsyncClient(base_url=STOCK_SYSTEM, timeout=TIMEOUT) as client:\n"
        '        response = await client.get(f"/delivery/{number}")\n',
        "async def delivery(number: int, request: Request) -> dict:\n"
        '    response = await ask(request, "GET", f"/delivery/{number}")\n',
    ),
    (
        "    client = request.app.state.client\n"
        '    response = await client.send(client.build_request("GET", f"/stock/{number}"), '
        "stream=True)\n"
        "    require_found(response)\n"
        "    left = 0\n"
        "    async for line in response.aiter_lines():\n"
        "        left += int(line)\n"
        "    await response.aclose()\n"
        '    return {"number": number, "left": left}\n',
        STOCK,
    ),
    (
        'await request.app.state.client.get(f"/reviews/{number}")',
        'await ask(request, "GET", f"/reviews/{number}")',
    ),
    (
        'await request.app.state.client.post(f"/orders/{basket}", json=order.model_dump())',
        'await ask(request, "POST", f"/orders/{basket}", json=order.model_dump())',
    ),
    (
        '@app.get("/catalogue")\n'
        "async def catalogue(request: Request) -> StreamingResponse:\n"
        '    async with request.app.state.client.stream("GET", "/catalogue") as response:\n'
        "        response.raise_for_status()\n"
        '        return StreamingResponse(response.aiter_bytes(), media_type="text/csv")\n',
        CATALOGUE,
    ),
)
