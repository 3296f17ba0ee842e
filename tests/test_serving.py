"""`workbench.serving.serve`: what an application raises is kept, and a failed start is told."""

from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI

from workbench.serving import serve

pytestmark = pytest.mark.anyio


async def test_serve_keeps_what_the_application_raises_and_stops_it():
    app = FastAPI()

    @app.get("/")
    async def fail():
        raise ValueError("mine")

    with pytest.raises(LookupError):
        async with serve(app) as service:
            assert (await service.caller.get("/")).status_code == 500
            raise LookupError
    assert [repr(error) for error in service.errors] == ["ValueError('mine')"]
    async with httpx.AsyncClient(verify=False) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(service.url)


async def test_serve_says_why_an_application_does_not_start():
    @asynccontextmanager
    async def lifespan(app):
        raise ValueError("no database")
        yield

    with pytest.raises(RuntimeError, match="did not start: ValueError: no database"):
        async with serve(FastAPI(lifespan=lifespan)):
            pass
