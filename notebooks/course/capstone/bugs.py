"""The five bugs of the storefront: what shows each, hints in order, and why the repair is one."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Bug:
    """A bug. shows_in: the lines of the judge's table. hints: in order. why: of the repair."""

    shows_in: tuple[str, ...]
    hints: tuple[str, ...]
    why: str


BUGS = (
    Bug(
        ("connections opened under load", "requests lost under load"),
        (
            "Which endpoint were most of the connections opened for? How many calls had it?",
            "Who owns the client that `delivery` uses, and how long does it live? (Lesson 07)",
            "The service has a client already, opened by its lifespan. Let `delivery` use it.",
        ),
        "`delivery` made a client, and so a connection, for each call. There is one client now, "
        "which the lifespan opens and closes.",
    ),
    Bug(
        ("streaming answer",),
        (
            "The page got a status of 200 and no body. What did the service raise, and when?",
            "`return` leaves the `async with client.stream(...)` block. When is the body read? "
            "(Lessons 03 and 09)",
            "Keep the stream open until the body has been passed on: open it inside the generator, "
            "or with `send(..., stream=True)` and close it in a `BackgroundTask`.",
        ),
        "The stream was closed by its own block before Starlette read from it. It is closed by a "
        "background task now, when the body has been sent.",
    ),
    Bug(
        ("requests lost after a pause", "requests lost beside slow ones"),
        (
            "All four calls failed in the same way, and on connections that had been idle. Who "
            "closed those?",
            "The stock system closes a connection that has been idle for a second. When does the "
            "client give one up? (Lesson 04)",
            "`keepalive_expiry` must be shorter than the stock system's second, with some room. "
            "Repeating the request is no cure: for an order it is not allowed.",
        ),
        "The client kept idle connections for 60 s, the stock system for 1 s. It gives them up "
        "first now.",
    ),
    Bug(
        ("requests lost after misses", "connections held at the end"),
        (
            "Which endpoint held the connections at the end? What were its last answers?",
            "In `stock`, follow a product that does not exist line by line. Where is the response "
            "closed? (Lesson 05)",
            "Use `async with client.stream(...)`: its block closes the response on every way out, "
            "exceptions included.",
        ),
        "A 404 left `stock` by an exception, and its response was never closed. The `async with` "
        "block closes it on every way out.",
    ),
    Bug(
        ("longest answer", "wrong statuses"),
        (
            "Reviews came one line at a time. Which of httpx's four limits ends that?",
            "None: `read` starts anew with each piece. `timeout=0.9` is not a total. (Lesson 10)",
            "Put `async with asyncio.timeout(...)` around the request. It raises `TimeoutError`, "
            "which is not httpx's `TimeoutException`: it must become a 504, too.",
        ),
        "`timeout=0.9` bounds each wait and not their sum. `asyncio.timeout` bounds the sum, and "
        "its `TimeoutError` is answered with 504 like the others.",
    ),
)
