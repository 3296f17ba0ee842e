"""A right repair: a class owns the client and speaks the shop's language."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Self

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.background import BackgroundTask


class Failed(Exception):
    """The stock system did not do its part. Carries the status that the page gets."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class StockSystem:
    """The one place that knows of httpx."""

    def __init__(self, url: str, answer_within: float) -> None:
        self.answer_within = answer_within
        self.client = httpx.AsyncClient(
            base_url=url,
            timeout=httpx.Timeout(answer_within, pool=0.4),
            limits=httpx.Limits(
                max_connections=10, max_keepalive_connections=4, keepalive_expiry=0.3
            ),
        )

    async def __aenter__(self) -> Self:
        await self.client.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.client.__aexit__(*exc_info)

    async def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        # wait_for bounds the whole exchange, where httpx's limits bound each wait in it.
        try:
            response = await asyncio.wait_for(
                self.client.request(method, path, **options), self.answer_within
            )
        except (TimeoutError, httpx.TimeoutException) as error:
            raise Failed(504, repr(error)) from error
        except httpx.TransportError as error:
            raise Failed(502, repr(error)) from error
        if response.is_error:
            raise Failed(404 if response.status_code == 404 else 502, response.reason_phrase)
        return response

    async def catalogue(self) -> tuple[AsyncIterator[bytes], BackgroundTask]:
        """Return the pieces, and what is to be done when they have been sent."""
        async with AsyncExitStack() as stack:
            response = await stack.enter_async_context(self.client.stream("GET", "/catalogue"))
            if response.is_error:
                raise Failed(502, response.reason_phrase)
            return response.aiter_raw(), BackgroundTask(stack.pop_all().aclose)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with StockSystem(os.environ["UPSTREAM_URL"], answer_within=0.9) as app.state.shop:
        yield


app = FastAPI(lifespan=lifespan)


@app.exception_handler(Failed)
async def failed(request: Request, error: Failed) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, error.status)


@app.get("/products/{number}")
async def product(number: int, request: Request) -> dict:
    found = (await request.app.state.shop.ask("GET", f"/products/{number}")).json()
    return {"name": found["name"], "price": f"{found['cents'] / 100:.2f}"}


@app.get("/delivery/{number}")
async def delivery(number: int, request: Request) -> dict:
    return (await request.app.state.shop.ask("GET", f"/delivery/{number}")).json()


@app.get("/stock/{number}")
async def stock(number: int, request: Request) -> dict:
    response = await request.app.state.shop.ask("GET", f"/stock/{number}")
    return {"left": sum(map(int, response.text.split()))}


@app.get("/reviews/{number}")
async def reviews(number: int, request: Request) -> dict:
    response = await request.app.state.shop.ask("GET", f"/reviews/{number}")
    return {"reviews": response.text.splitlines()}


@app.post("/orders/{basket}", status_code=201)
async def order(basket: int, order: dict, request: Request) -> dict:
    response = await request.app.state.shop.ask("POST", f"/orders/{basket}", json=order)
    return response.json()


@app.get("/catalogue")
async def catalogue(request: Request) -> StreamingResponse:
    pieces, afterwards = await request.app.state.shop.catalogue()
    return StreamingResponse(pieces, media_type="text/csv", background=afterwards)
