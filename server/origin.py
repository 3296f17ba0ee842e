"""What changes the server's state is for its own user: a page from elsewhere is refused.

Any web page can have the reader's browser send a request to 127.0.0.1. It cannot read the answer,
but a gate would be open by then. Browsers say where a request comes from: `Sec-Fetch-Site`
(https://www.w3.org/TR/fetch-metadata/) and `Origin` (RFC 6454, 7). Other clients send neither.
"""

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send


class OwnOriginOnly:
    """ASGI middleware for one route: 403 (RFC 9110, 15.5.4) for a request from a foreign page."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = refuse if is_foreign(Headers(scope=scope)) else self.app
        await app(scope, receive, send)


def is_foreign(headers: Headers) -> bool:
    """Return whether the request comes from a page that this server did not serve."""
    site = headers.get("sec-fetch-site", "none")
    own = f"http://{headers.get('host', '')}"
    return site not in ("same-origin", "none") or headers.get("origin", own) != own


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 403 and say why."""
    why = "this changes the server's state, and a page from another origin asked for it"
    await JSONResponse({"error": why}, status_code=403)(scope, receive, send)
