"""What an answer to exercise 09-2 is tried on: files whole, missing, endless, broken, compressed.

`ex_09_2.py` calls it. It mounts the answer in a service with one shared client, and asks that.
"""

import asyncio
import contextlib
import gzip
import ssl

import httpx
from fastapi import FastAPI, Request
from starlette.responses import RedirectResponse, Response

from course.exercises.ownership import settings_of
from workbench.checking.record import expect, still_open
from workbench.serving import serve

SIZE = 8_000_000  # more than whoever cuts a body off would let through
STATUSES = (404, 404, 404, 410, 410, 503, 201)
PATIENCE = 3.0  # seconds, for the first piece and for the end of a connection
LONG = "/drip?pieces=1000&gap=0.03&size=32768"  # half a minute
REPORT = b"one line of many, no text: \xff\n" * 2000


class Trial:
    """An answer in a service. asked: how many requests the shared client has sent.

    returned: of what type the answer's last result was, where it was no response of Starlette's.
    """

    def __init__(self, attempt, server):
        self.attempt, self.server = attempt, server
        self.asked = 0
        self.returned = None
        self.changed = []

    @contextlib.asynccontextmanager
    async def mounted(self):
        """Serve the answer, and an upstream that compresses, while the block runs."""
        async with (
            serve(_zipping()) as zipping,
            serve(self._app(), timeout=PATIENCE) as self.service,
        ):
            self.zipped_url = zipping.url + "/report"
            yield self
        expect(
            not self.changed,
            "The client is shared: it is left as it was.",
            happened=f"Its `{', '.join(self.changed)}` was changed, for everybody who uses it.",
        )

    def _app(self):
        context = ssl.create_default_context()

        async def note(request):
            self.asked += 1

        @contextlib.asynccontextmanager
        async def lifespan(app):
            hooks = {"request": [note]}
            async with httpx.AsyncClient(verify=context, timeout=30, event_hooks=hooks) as client:
                before = settings_of(client)
                yield {"client": client}
                after = settings_of(client)
                self.changed = [name for name in before if after[name] != before[name]]

        app = FastAPI(lifespan=lifespan)

        @app.get("/export")
        async def export(url: str, request: Request):
            result = await self.attempt(request.state.client, url)
            if isinstance(result, Response):
                return result
            self.returned = type(result)
            return Response()

        return app

    async def download(self, url):
        """Return the status, the body, and the exception that ended it too early."""
        body, problem = bytearray(), None
        async with self.service.caller.stream("GET", "/export", params={"url": url}) as response:
            try:
                async for piece in response.aiter_bytes():
                    body += piece
            except (httpx.RemoteProtocolError, httpx.DecodingError) as error:
                problem = error
        if response.status_code == 500:
            self.service.ledger.settle()  # the exception leaves the app a moment after the 500
            if self.service.errors:
                raise self.service.errors[0]
        return response.status_code, body, problem


def _zipping():
    app = FastAPI()

    @app.get("/report")
    async def report():
        return Response(gzip.compress(REPORT), headers={"content-encoding": "gzip"})

    @app.get("/moved")
    async def moved():
        return RedirectResponse("/report")

    return app


async def check_body(trial):
    """Raise `Wrong` unless a file comes whole, by the client that was given."""
    with trial.server.ledger.watch() as seen:
        status, body, problem = await trial.download(f"{trial.server.url}/bytes?size={SIZE}")
    trial.attempt.require_request(seen)
    expect(
        trial.returned is None,
        "A response of FastAPI's, such as `StreamingResponse`.",
        happened=_returned(trial.returned),
        seen=seen,
    )
    expect(
        trial.asked == seen.requests,
        "The upstream is asked with the client that `export` is given.",
        happened=f"The upstream saw {seen.requests} request, by another client.",
        seen=seen,
    )
    expect(
        seen.requests == 1,
        "The upstream is asked once: the status and the body are of one answer.",
        happened=f"For one file it was asked {seen.requests} times.",
        seen=seen,
    )
    expect(
        problem is None and (status, len(body)) == (200, SIZE),
        f"200, and a body of {SIZE} bytes.",
        happened=f"The caller got {status} and {len(body)} bytes"
        + (f", then `{problem}`" if problem else "")
        + f". {_meaning(trial)}",
        seen=seen,
    )


def _returned(kind):
    if kind and issubclass(kind, httpx.Response):
        return "It returned a response of httpx's, which is what came in; FastAPI cannot send it."
    return f"It returned an object of type `{getattr(kind, '__name__', kind)}`."


def _meaning(trial):
    trial.service.ledger.settle()
    raised = trial.service.errors[-1:]
    if any(isinstance(error, httpx.StreamClosed) for error in raised):
        return (
            "The upstream's response was closed before its body was sent: your function had "
            "returned by then."
        )
    return f"In the service was raised: `{raised[0]!r}`." if raised else ""


async def check_missing(trial):
    """Raise `Wrong` unless a bad status comes through and keeps no connection."""
    got = {}
    with trial.server.ledger.watch() as seen:
        for status in STATUSES:
            got[status], *_ = await trial.download(f"{trial.server.url}/status?code={status}")
    bad = {status: passed for status, passed in got.items() if passed != status}
    early = "was the upstream's status known when your response was made, and given to it?"
    said = "".join(f"The upstream said {s}, and the caller got {p}" for s, p in [*bad.items()][:1])
    expect(
        not bad,
        "The upstream's status, such as 404 for a file that is missing.",
        happened=f"{said}: {early}" if len(bad) == len(got) else f"{said}.",
        seen=seen,
    )
    left = len(still_open(seen))
    expect(
        left <= 1,
        "A missing file keeps no connection.",
        happened=f"{len(STATUSES)} answers, and {left} connections to the upstream still open: "
        "on that way out nobody closes its response.",
        seen=seen,
    )


async def check_leaving(trial):
    """Raise `Wrong` unless pieces come at once, and the upstream is let go with the caller."""
    seen = trial.server.ledger.totals()["events"]
    params = {"url": trial.server.url + LONG}
    try:
        async with trial.service.caller.stream("GET", "/export", params=params) as response:
            await anext(response.aiter_bytes())
    except httpx.ReadTimeout:
        expect(
            False,
            "The first piece of a long body comes at once.",
            happened=f"Nothing came within {PATIENCE:g} s: your function waits for the last byte "
            "and holds the whole body in memory.",
        )

    def let_go(ledger):
        events, _ = ledger.since(seen)
        asked = {e.connection for e in events if e.kind == "request" and e.path == "/drip"}
        return asked <= {event.connection for event in events if event.kind == "closed"}

    try:
        await asyncio.to_thread(trial.server.ledger.wait_until, let_go, PATIENCE)
    except TimeoutError:
        expect(
            False,
            "If the caller leaves, the upstream's connection is closed.",
            happened=f"The caller has left, and the upstream was still sending {PATIENCE:g} s "
            "later.",
        )


async def check_moved(trial):
    """Raise `Wrong` unless a redirect comes through."""
    status, *_ = await trial.download(trial.zipped_url.replace("/report", "/moved"))
    expect(
        status == 307,
        "The upstream's status, also where that is a redirect.",
        happened=f"The upstream said 307, and the caller got {status}: the redirect was followed, "
        "to wherever the upstream says.",
    )


async def check_broken(trial):
    """Raise `Wrong` unless the caller can tell a file that broke off from a whole one."""
    _, _, problem = await trial.download(f"{trial.server.url}/faults/truncated")
    expect(
        problem is not None,
        "If the upstream breaks off, the caller's body breaks off, too.",
        happened="The caller got a part of the file and took it for the whole: your function "
        "swallowed the exception.",
    )


async def check_unanswered(trial):
    """Raise `Wrong` unless the caller can tell that the upstream gave no answer at all."""
    try:
        status, *_ = await trial.download(f"{trial.server.url}/faults/close")
    except httpx.HTTPError:
        return
    expect(
        status >= 500,
        "A server error, or httpx's exception, where the upstream gives no answer.",
        happened=f"The upstream closed the connection without a word, and the caller got {status}.",
    )


async def check_zipped(trial):
    """Raise `Wrong` unless a file that the upstream compresses arrives as it was."""
    status, body, problem = await trial.download(trial.zipped_url)
    if body == REPORT and problem is None:
        return
    trial.service.ledger.settle()
    raised = repr(trial.service.errors[-1:])
    if isinstance(problem, httpx.DecodingError):
        why = "the response says that it is compressed, and it is not: `aiter_bytes` had decoded it"
    elif "LocalProtocolError" in raised:
        why = (
            "`content-length` was the length of the compressed body, and `aiter_bytes` decodes it, "
            "so more bytes came than were promised"
        )
    elif body == gzip.compress(REPORT) or body[:2] == b"\x1f\x8b":
        why = "the bytes are still compressed, and nothing told the caller so"
    elif problem is None:
        why = "not all of them are the file's. It is no text: what cannot be decoded was replaced"
    else:
        why = f"then `{problem!r}`"
    expect(
        False,
        "A file that the upstream sends with `content-encoding: gzip` arrives as it was.",
        happened=f"The caller got {status} and {len(body)} bytes of {len(REPORT)}: {why}.",
    )
