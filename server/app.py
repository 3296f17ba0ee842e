"""The upstream's routes: a table of contents, `server.healthy` and `server.faults` are the book.

Every parameter has a cap (`server.params`), the server listens on loopback only, and a request
that names another host is refused, so that no web page can reach it by DNS rebinding. What changes
the server's state refuses pages from other origins, too (`server.origin`).
"""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from server import faults, healthy
from server.body import WholeBody
from server.counters import Counters
from server.gates import Gates
from server.origin import OwnOriginOnly
from server.params import BadParameter, Params, bad_parameter_response, describe, takes

LOOPBACK_NAMES = ["127.0.0.1", "localhost"]
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def create_app(seed: int = 0) -> Starlette:
    """Return the application. `seed` is the one that `/faults/flaky` takes when none is given."""
    own = [Middleware(OwnOriginOnly)]
    app = Starlette(
        routes=[
            Route("/", index),
            Route("/echo", healthy.echo, methods=METHODS),
            Route("/delay", healthy.delay, methods=METHODS),
            Route("/bytes", healthy.some_bytes),
            Route("/drip", healthy.drip),
            Route("/status", healthy.status, methods=METHODS),
            Route("/ledger", healthy.ledger),
            Route("/gates/{name}", faults.hold.open_gate, methods=["POST"], middleware=own),
            Mount("/faults", routes=faults.ROUTES),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=LOOPBACK_NAMES),
            Middleware(WholeBody),
        ],
        exception_handlers={
            BadParameter: bad_parameter_response,
            404: unknown_path,
            405: wrong_method,
        },
    )
    # A path with a slash too many is unknown, not redirected: each answer here is deliberate.
    app.router.redirect_slashes = False
    app.state.gates = Gates()
    app.state.counters = Counters()
    app.state.seed = seed
    return app


@takes(Params)
async def index(request: Request, params: Params) -> JSONResponse:
    """What this server offers."""
    return JSONResponse(
        {"about": "the upstream that misbehaves on purpose", "routes": offers(request)}
    )


async def unknown_path(request: Request, exc: HTTPException) -> JSONResponse:
    """Answer 404 with a list of what exists."""
    return JSONResponse(
        {"error": f"no such path: {request.url.path}", "routes": offers(request)}, status_code=404
    )


async def wrong_method(request: Request, exc: HTTPException) -> JSONResponse:
    """Answer 405 (RFC 9110, 15.5.6) and say which methods the path has."""
    allowed = ", ".join(sorted((exc.headers or {}).get("Allow", "").split(", ")))
    return JSONResponse(
        {"error": f"{request.method} is not allowed here", "allowed": allowed},
        status_code=405,
        headers=exc.headers,
    )


def offers(request: Request) -> dict[str, dict[str, object]]:
    """Return path -> methods, purpose and parameters of every route of the application."""
    found: dict[str, dict[str, object]] = {}

    def add(prefix: str, routes: list) -> None:
        for route in routes:
            if isinstance(route, Mount):
                add(prefix + route.path, route.routes)
            else:
                found[prefix + route.path] = {
                    "methods": sorted((route.methods or set()) - {"HEAD"}),
                    "what": (route.endpoint.__doc__ or "").strip().partition("\n")[0],
                    "parameters": describe(getattr(route.endpoint, "params", Params)),
                }

    add("", request.app.routes)
    return found
