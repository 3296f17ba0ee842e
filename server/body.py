"""A request acts once it has arrived whole.

A server that closes a socket with unread bytes in it sends an RST and no FIN (RFC 2525, 2.17), so
a fault that struck while a body is still coming would be now one thing and now another.
"""

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.params import MAX_BYTES


class WholeBody:
    """ASGI middleware: read the body, up to `MAX_BYTES`, and only then call the application.

    A longer one is answered with 413 (RFC 9110, 15.5.14); uvicorn reads on and drops the rest, so
    that the client gets to see the answer.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = bytearray()
        message = {"more_body": True}
        while message.get("more_body", False):
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            if len(body) > MAX_BYTES:
                too_long = {"error": "body too long", "allowed": f"up to {MAX_BYTES} bytes"}
                await JSONResponse(too_long, status_code=413)(scope, receive, send)
                return
        whole = [{"type": "http.request", "body": bytes(body), "more_body": False}]

        async def receive_whole() -> Message:
            return whole.pop() if whole else await receive()

        await self.app(scope, receive_whole, send)
