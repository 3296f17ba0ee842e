"""The service of exercise 07-2: it logs users in, by a cookie, and says who somebody is."""

import asyncio
import contextlib

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from server.local import LocalServer

USERS = ["anna", "ben", "cleo"]
TOGETHER = 3.0  # seconds that the logins may take to arrive together
LAST = 0.5  # seconds that the first user's answer waits for the last user to be answered


def serve() -> LocalServer:
    """Return the service. `app.state.together`: whether the logins of all arrived together."""
    app = Starlette(routes=[Route("/login", _login), Route("/me", _me)])
    app.state.arrived = 0
    app.state.all_arrived = None
    app.state.others = None
    app.state.together = True
    return LocalServer(app)


async def _login(request: Request) -> JSONResponse:
    """Answer once all the users stand here, so that the check sees whether they do."""
    state = request.app.state
    state.all_arrived = state.all_arrived or asyncio.Event()
    state.arrived += 1
    if state.arrived == len(USERS):
        state.all_arrived.set()
    if state.together:
        try:
            async with asyncio.timeout(TOGETHER):
                await state.all_arrived.wait()
        except TimeoutError:
            state.together = False
    response = JSONResponse({})
    response.set_cookie("session", request.query_params["user"])
    return response


async def _me(request: Request) -> JSONResponse:
    """Answer the first user last, so that the order of the answers is not that of the users."""
    user, state = request.cookies.get("session"), request.app.state
    state.others = state.others or asyncio.Event()
    if user == USERS[0]:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST):
                await state.others.wait()
                await asyncio.sleep(0.05)  # the last of the others has its answer by now
    elif user == USERS[-1]:
        state.others.set()
    return JSONResponse({"user": user})
