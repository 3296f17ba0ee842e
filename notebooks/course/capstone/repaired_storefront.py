"""The storefront: answers the shop's pages with what the stock system says.

What the pages may rely on:

- Each answer comes within 0.9 seconds, good or bad. The catalogue begins by then.
- 404 means that there is no such product, 502 that the stock system failed, and 504
  that it was late.
- The catalogue is passed on piece by piece: it is too large for our memory.
- An order is sent to the stock system once. Whoever gets a 502 or a 504 looks before
  trying again.

What the stock system says of itself: it allows us ten connections, and it closes one
that has been idle for a second.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, Field
from starlette.background import BackgroundTask

STOCK_SYSTEM = os.environ["UPSTREAM_URL"]
ANSWER_WITHIN = 0.9  # seconds
LIMITS = httpx.Limits(max_connections=10, max_keepalive_connections=10, keepalive_expiry=0.5)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with httpx.AsyncClient(
        base_url=STOCK_SYSTEM, timeout=ANSWER_WITHIN, limits=LIMITS
    ) as client:
        app.state.client = client
        yield


app = FastAPI(title="Storefront", lifespan=lifespan)


class Order(BaseModel):
    product: int
    pieces: int = Field(1, ge=1, le=100)


@app.exception_handler(TimeoutError)
@app.exception_handler(httpx.TimeoutException)
async def stock_system_is_late(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": repr(error)}, status_code=504)


@app.exception_handler(httpx.HTTPError)
async def stock_system_failed(request: Request, error: httpx.HTTPError) -> JSONResponse:
    return JSONResponse({"detail": repr(error)}, status_code=502)


async def ask(request: Request, method: str, path: str, **options) -> httpx.Response:
    async with asyncio.timeout(ANSWER_WITHIN):
        return await request.app.state.client.request(method, path, **options)


def require_found(response: httpx.Response) -> None:
    if response.status_code == 404:
        raise HTTPException(404, f"{response.request.url.path} does not exist")
    response.raise_for_status()


@app.get("/products/{number}")
async def product(number: int, request: Request) -> dict:
    response = await ask(request, "GET", f"/products/{number}")
    require_found(response)
    found = response.json()
    return {"number": number, "name": found["name"], "price": f"{found['cents'] / 100:.2f}"}


@app.get("/delivery/{number}")
async def delivery(number: int, request: Request) -> dict:
    response = await ask(request, "GET", f"/delivery/{number}")
    require_found(response)
    return {"number": number, "days": response.json()["days"]}


@app.get("/stock/{number}")
async def stock(number: int, request: Request) -> dict:
    """Add up the movements, which come as one number a line."""
    left = 0
    async with (
        asyncio.timeout(ANSWER_WITHIN),
        request.app.state.client.stream("GET", f"/stock/{number}") as response,
    ):
        require_found(response)
        async for line in response.aiter_lines():
            left += int(line)
    return {"number": number, "left": left}


@app.get("/reviews/{number}")
async def reviews(number: int, request: Request) -> dict:
    response = await ask(request, "GET", f"/reviews/{number}")
    require_found(response)
    return {"number": number, "reviews": response.text.splitlines()}


@app.post("/orders/{basket}", status_code=201)
async def order(basket: int, order: Order, request: Request) -> dict:
    response = await ask(request, "POST", f"/orders/{basket}", json=order.model_dump())
    response.raise_for_status()
    return {"basket": basket, "number": response.json()["number"]}


@app.get("/catalogue")
async def catalogue(request: Request) -> StreamingResponse:
    client = request.app.state.client
    response = await client.send(client.build_request("GET", "/catalogue"), stream=True)
    if response.is_error:
        await response.aclose()
        response.raise_for_status()
    return StreamingResponse(
        response.aiter_bytes(),
        media_type="text/csv",
        background=BackgroundTask(response.aclose),
    )
