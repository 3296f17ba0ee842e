"""The storefront: answers the shop's pages with what the stock system says.

What the pages may rely on:

- Each answer comes within a second, good or bad. The catalogue begins by then.
- 404 means that there is no such product, 502 that the stock system failed, 504 that it
  was late, and 503 that all our connections to it are in use.
- The catalogue is passed on piece by piece: it is too large for our memory. If it breaks
  off, the page can tell.
- An order is sent to the stock system once. Whoever gets a 502 or a 504 looks before
  trying again.
- What the stock system sets for one customer, a cookie, is not sent for another.
- It can be stopped and started again in the same process, as our tests do.

What the stock system says of itself: it allows us ten connections, wants them to be used
again, and closes one that has been idle for a second or a little less.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, Field

STOCK_SYSTEM = os.environ["UPSTREAM_URL"]
ANSWER_WITHIN = 0.9  # seconds
TIMEOUT = httpx.Timeout(ANSWER_WITHIN, pool=0.5)
LIMITS = httpx.Limits(max_connections=10, max_keepalive_connections=10, keepalive_expiry=60)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    async with httpx.AsyncClient(
        base_url=STOCK_SYSTEM, timeout=TIMEOUT, limits=LIMITS, cookies=no_cookies
    ) as client:
        app.state.client = client
        yield


app = FastAPI(title="Storefront", lifespan=lifespan)


class Order(BaseModel):
    product: int
    pieces: int = Field(1, ge=1, le=100)


class Product(BaseModel):
    name: str
    cents: int


class Delivery(BaseModel):
    days: int


class Taken(BaseModel):
    number: int


@app.exception_handler(httpx.PoolTimeout)
async def no_connection_is_free(request: Request, error: httpx.PoolTimeout) -> JSONResponse:
    return JSONResponse({"detail": repr(error)}, status_code=503)


@app.exception_handler(httpx.TimeoutException)
async def stock_system_is_late(request: Request, error: httpx.TimeoutException) -> JSONResponse:
    return JSONResponse({"detail": repr(error)}, status_code=504)


@app.exception_handler(ValueError)  # what it said is not what we asked for
@app.exception_handler(httpx.HTTPError)
async def stock_system_failed(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": repr(error)}, status_code=502)


def require_found(response: httpx.Response) -> None:
    if response.status_code == 404:
        raise HTTPException(404, f"{response.request.url.path} does not exist")
    response.raise_for_status()


@app.get("/products/{number}")
async def product(number: int, request: Request) -> dict:
    response = await request.app.state.client.get(f"/products/{number}")
    require_found(response)
    found = Product.model_validate_json(response.content)
    return {"number": number, "name": found.name, "price": f"{found.cents / 100:.2f}"}


@app.get("/delivery/{number}")
async def delivery(number: int) -> dict:
    async with httpx.AsyncClient(base_url=STOCK_SYSTEM, timeout=TIMEOUT) as client:
        response = await client.get(f"/delivery/{number}")
    require_found(response)
    return {"number": number, "days": Delivery.model_validate_json(response.content).days}


@app.get("/stock/{number}")
async def stock(number: int, request: Request) -> dict:
    """Add up the movements, which come as one number a line."""
    client = request.app.state.client
    response = await client.send(client.build_request("GET", f"/stock/{number}"), stream=True)
    require_found(response)
    left = 0
    async for line in response.aiter_lines():
        left += int(line)
    await response.aclose()
    return {"number": number, "left": left}


@app.get("/reviews/{number}")
async def reviews(number: int, request: Request) -> dict:
    response = await request.app.state.client.get(f"/reviews/{number}")
    require_found(response)
    return {"number": number, "reviews": response.text.splitlines()}


@app.post("/orders/{basket}", status_code=201)
async def order(basket: int, order: Order, request: Request) -> dict:
    response = await request.app.state.client.post(f"/orders/{basket}", json=order.model_dump())
    response.raise_for_status()
    return {"basket": basket, "number": Taken.model_validate_json(response.content).number}


@app.get("/catalogue")
async def catalogue(request: Request) -> StreamingResponse:
    async with request.app.state.client.stream("GET", "/catalogue") as response:
        response.raise_for_status()
        return StreamingResponse(response.aiter_bytes(), media_type="text/csv")
