"""Mistakes in the calling code: nothing is sent, or the answer has come."""

import re

from course.guide.rows import Face, Read, Row

STREAMS = "deeper/05-what-a-stream-holds.ipynb"
SIZES = "deeper/03-streams-and-sizes.ipynb"
CLOSED = "Attempted to read or stream content, but the stream has been closed."
NOT_READ = "Attempted to access streaming response content, without having called `read()`."
TWICE = "Attempted to read or stream some content, but the content has already been streamed."
BUSY = "aclose(): asynchronous generator is already running"
ATTRIBUTES = "status_code|headers|text|content|json|raise_for_status|is_success|url|read|aread"

FACES = (
    Face(
        ("TypeError", "AttributeError"),
        r"'coroutine' object does not support the asynchronous context manager protocol.*"
        rf"|'coroutine' object has no attribute '(?:{ATTRIBUTES})'.*",
        "which call made the coroutine, one of the client's?",
        (
            Row(
                "no await",
                "yes",
                "The `await` is missing: calling an `async def` sends nothing.",
                "`await client.get(url)`; `async with client.stream(...)`.",
                False,
                ("01-the-symptom.ipynb",),
                read=Read(
                    "01-the-symptom.ipynb",
                    "TypeError: 'coroutine' object does not support the asynchronous context "
                    "manager protocol",
                    ("0 connections opened, 0 requests",),
                ),
            ),
        ),
        through=False,
    ),
    Face(
        ("RuntimeError",),
        r"Cannot send a request, as the client has been closed\.",
        "which block or handler closed the client, and which task still calls?",
        (
            Row(
                "client closed",
                "",
                "The client was closed before this call: its block has ended, or the shutdown ran.",
                "Await every call inside the block; close last at shutdown.",
                False,
                ("03-closed-too-early.ipynb",),
            ),
        ),
    ),
    Face(
        ("RuntimeError",),
        r"Cannot open a client instance more than once\."
        r"|Cannot reopen a client instance, once it has been closed\.",
        "who entered or used this client before?",
        (
            Row(
                "opened twice",
                "",
                "`async with client:` again, or after a call: a client has one life.",
                "One owner enters it first, then hands it on. A new run: a new client.",
                None,
                ("deeper/08-what-if-opening-fails.ipynb",),
            ),
        ),
    ),
    Face(
        ("RuntimeError",),
        r"Attempted to send an sync request with an AsyncClient instance\.",
        "what is the body?",
        (
            Row(
                "sync body",
                "",
                "The body is an open file or a plain iterator: an `AsyncClient` would block on it.",
                "Give `content=` bytes or an async generator.",
                False,
                ("deeper/04-what-the-wire-can-do.ipynb",),
            ),
        ),
    ),
    Face(
        ("httpx.StreamClosed",),
        re.escape(CLOSED),
        "who closed the response before its body was read?",
        (
            Row(
                "stream ended",
                "",
                "Its block had ended, or `aclose()`: often a `StreamingResponse` reads later.",
                "Read inside; let whoever passes it on hold the block.",
                None,
                (SIZES, "09-fix-3-fastapi-depends.ipynb"),
                read=Read(SIZES, f"StreamClosed: {CLOSED}"),
            ),
        ),
    ),
    Face(
        ("httpx.ResponseNotRead",),
        re.escape(NOT_READ),
        "who asks for `text`, `content` or `json()`?",
        (
            Row(
                "not read",
                "",
                "`client.stream()` does not read a body, and a response hook runs before it.",
                "`await response.aread()` first, inside the block.",
                None,
                (SIZES,),
                read=Read(SIZES, f"ResponseNotRead: {NOT_READ}"),
            ),
        ),
    ),
    Face(
        ("httpx.StreamConsumed",),
        re.escape(TWICE) + ".*",
        "which body, the answer's or the request's?",
        (
            Row(
                "read twice",
                "the answer's",
                "A second `aiter_...()` or `aread()` after the first has begun.",
                "Keep one iterator, or `aread()` first (not for `aiter_raw()`).",
                True,
                (STREAMS,),
            ),
            Row(
                "sent twice",
                "the request's, from a generator",
                "A redirect (307), an auth flow, a second `send()`: its body comes once.",
                "`content=` bytes. Again only if it is idempotent.",
                True,
                (STREAMS,),
            ),
        ),
    ),
    Face(
        ("RuntimeError",),
        r"(?:aclose|anext)\(\): asynchronous generator is already running",
        "which two tasks use the generator?",
        (
            Row(
                "generator busy",
                "",
                "Two tasks read or close it: after `asyncio.wait(..., timeout=)`, say, which "
                "leaves the reader at work.",
                "One task reads and closes; others cancel that task, and await it.",
                None,
                (STREAMS,),
                read=Read(STREAMS, f"RuntimeError('{BUSY}')"),
            ),
        ),
        through=False,
    ),
    Face(
        ("ValueError",),
        r"httpx\.Timeout must either include a default, or set all four parameters explicitly\.",
        "which of the four limits are named?",
        (
            Row(
                "timeout spelled",
                "",
                "`httpx.Timeout(connect=5.0, read=30.0)` leaves two limits unsaid.",
                "`httpx.Timeout(30.0, connect=5.0)`.",
                None,
                ("10-timeouts.ipynb",),
                read=Read(
                    "10-timeouts.ipynb",
                    "ValueError('httpx.Timeout must either include a default, or set all four "
                    "parameters explicitly.')",
                ),
            ),
        ),
    ),
)
