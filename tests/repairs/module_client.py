"""A right repair: a client of the module, closed by the lifespan, with a queue in front of it."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

client = httpx.AsyncClient(
    base_url=os.environ["UPSTREAM_URL"],
    timeout=httpx.Timeout(0.9, pool=None),
    limits=httpx.Limits(max_connections=10, max_keepalive_connections=6, keepalive_expiry=0.5),
)
places = asyncio.Semaphore(10)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await client.aclose()


app = FastAPI(lifespan=lifespan)


@app.middleware("http")
async def keep_the_promise(request: Request, call_next) -> Response:
    """End what takes too long. A stream counts until it begins."""
    try:
        async with asyncio.timeout(0.9):
            return await call_next(request)
    except TimeoutError as error:
        return JSONResponse({"detail": repr(error)}, 504)


@app.exception_handler(httpx.HTTPError)
async def failed(request: Request, error: httpx.HTTPError) -> JSONResponse:
    if isinstance(error, httpx.HTTPStatusError) and error.response.status_code == 404:
        return JSONResponse({"detail": "not found"}, 404)
    late = isinstance(error, httpx.TimeoutException)
    return JSONResponse({"detail": repr(error)}, 504 if late else 502)


async def ask(method: str, path: str, json=None) -> httpx.Response:
    async with places:
        response = await client.request(method, path, json=json)
        return response.raise_for_status()


@app.get("/products/{number}")
async def product(number: int) -> dict:
    found = (await ask("GET", f"/products/{number}")).json()
    return {"name": found["name"], "price": f"{found['cents'] / 100:.2f}"}


@app.get("/delivery/{number}")
async def delivery(number: int) -> dict:
    return (await ask("GET", f"/delivery/{number}")).json()


@app.get("/stock/{number}")
async def stock(number: int) -> dict:
    request = client.build_request("GET", f"/stock/{number}")
    async with places:
        response = await client.send(request, stream=True)
        try:
            response.raise_for_status()
            return {"left": sum([int(line) async for line in response.aiter_lines()])}
        finally:
            await response.aclose()


@app.get("/reviews/{number}")
async def reviews(number: int) -> dict:
    return {"reviews": (await ask("GET", f"/reviews/{number}")).text.splitlines()}


@app.post("/orders/{basket}", status_code=201)
async def order(basket: int, order: dict) -> dict:
    return (await ask("POST", f"/orders/{basket}", json=order)).json()


@app.get("/catalogue")
async def catalogue() -> StreamingResponse:
    async def pieces() -> AsyncIterator[bytes]:
        async with places, client.stream("GET", "/catalogue") as response:
            async for piece in response.aiter_bytes():
                yield piece

    return StreamingResponse(pieces(), media_type="text/csv")
