"""A right repair: the client in lifespan state, handed out by a dependency."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, TypedDict

import httpx
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

ANSWER_WITHIN = 0.9


class State(TypedDict):
    client: httpx.AsyncClient


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[State]:
    limits = httpx.Limits(max_connections=10, max_keepalive_connections=10, keepalive_expiry=0.5)
    base = os.environ["UPSTREAM_URL"]
    async with httpx.AsyncClient(base_url=base, timeout=ANSWER_WITHIN, limits=limits) as client:
        yield {"client": client}


def client_of(request: Request) -> httpx.AsyncClient:
    return request.state.client


Client = Annotated[httpx.AsyncClient, Depends(client_of)]
app = FastAPI(lifespan=lifespan)


class Order(BaseModel):
    product: int
    pieces: int = Field(1, ge=1, le=100)


@asynccontextmanager
async def promised() -> AsyncIterator[None]:
    """An answer in time, and the stock system's failures under their right names."""
    try:
        async with asyncio.timeout(ANSWER_WITHIN):
            yield
    except (TimeoutError, httpx.TimeoutException) as error:
        raise HTTPException(504, repr(error)) from error
    except httpx.HTTPStatusError as error:
        if error.response.status_code == 404:
            raise HTTPException(404) from error
        raise HTTPException(502, repr(error)) from error
    except httpx.HTTPError as error:
        raise HTTPException(502, repr(error)) from error


async def get(client: httpx.AsyncClient, path: str) -> httpx.Response:
    async with promised():
        response = await client.get(path)
        return response.raise_for_status()


@app.get("/products/{number}")
async def product(number: int, client: Client) -> dict:
    found = (await get(client, f"/products/{number}")).json()
    return {"number": number, "name": found["name"], "price": f"{found['cents'] / 100:.2f}"}


@app.get("/delivery/{number}")
async def delivery(number: int, client: Client) -> dict:
    return {"days": (await get(client, f"/delivery/{number}")).json()["days"]}


@app.get("/stock/{number}")
async def stock(number: int, client: Client) -> dict:
    async with promised(), client.stream("GET", f"/stock/{number}") as response:
        response.raise_for_status()
        return {"left": sum([int(line) async for line in response.aiter_lines()])}


@app.get("/reviews/{number}")
async def reviews(number: int, client: Client) -> dict:
    return {"reviews": (await get(client, f"/reviews/{number}")).text.splitlines()}


@app.post("/orders/{basket}", status_code=201)
async def order(basket: int, order: Order, client: Client) -> dict:
    async with promised():
        response = await client.post(f"/orders/{basket}", json=order.model_dump())
        return response.raise_for_status().json()


@app.get("/catalogue")
async def catalogue(client: Client) -> StreamingResponse:
    async def pieces() -> AsyncIterator[bytes]:
        async with client.stream("GET", "/catalogue") as response:
            response.raise_for_status()
            async for piece in response.aiter_bytes():
                yield piece

    return StreamingResponse(pieces(), media_type="text/csv")
