"""The price service of exercise 07-1, with the troubles that such a service has."""

import asyncio
import threading

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from server.local import LocalServer

PATIENCE = 3.0  # seconds after which the service answers on the lamp in any case


async def _price(request: Request) -> Response:
    match request.path_params["article"]:
        case "lamp":
            state = request.app.state
            state.asked.set()
            # Until the caller's event loop has had a turn. One that is blocked has none.
            state.went_on = await asyncio.to_thread(state.loop_goes_on.wait, PATIENCE)
            return JSONResponse({"price": 1250})
        case "brochure":
            return JSONResponse({"price": 0})
        case "rug":
            return JSONResponse({"price": 899.5}, 203)  # a proxy on the way has changed something
        case "stool":
            return JSONResponse({"article": "stool"})
        case "chair":
            return JSONResponse({"error": "overloaded"}, 503)
        case "table":
            return HTMLResponse("<h1>502 Bad Gateway</h1>", 502)
        case "desk":
            return JSONResponse({"error": "your contract has ended"}, 403)
        case "bench":
            return JSONResponse({"error": "no such article any more"}, 410)
        case "shelf":
            return RedirectResponse("/login")
        case _:
            return JSONResponse({"error": "no such article"}, 404)


async def _login(request: Request) -> HTMLResponse:
    return HTMLResponse("<h1>Please log in</h1>")


def serve() -> LocalServer:
    """Return the service. Its answer on the lamp waits for `app.state.loop_goes_on`."""
    app = Starlette(routes=[Route("/price/{article}", _price), Route("/login", _login)])
    app.state.asked, app.state.loop_goes_on = threading.Event(), threading.Event()
    app.state.went_on = False
    return LocalServer(app)
