"""What the judge's lines point to: the five bugs of the storefront, and what repairs break.

`help.py` gives the hints in order and says why the course's repair is one.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Bug:
    """A bug. shows_in: the lines of the judge's table. hints: in order.

    why: what the course's repair did about it; nothing for what the storefront as given does right.
    """

    shows_in: tuple[str, ...]
    hints: tuple[str, ...]
    why: str = ""


BUGS = (
    Bug(
        ("connections opened under load", "connections at once", "requests lost under load"),
        (
            "Which endpoint were most of the connections opened for? How many calls had it?",
            "Who owns the client that `delivery` uses, and how long does it live? (Lesson 07)",
            "The service has a client already, opened by its lifespan. Let `delivery` use it. Its "
            "pool is what holds all calls together to ten connections.",
        ),
        "`delivery` made a client, and so a connection, for each call. There is one client now, "
        "which the lifespan opens and closes, and one pool of ten.",
    ),
    Bug(
        ("streaming answer",),
        (
            "The page got a status of 200 and no body. What did the service raise, and when?",
            "`return` leaves the `async with client.stream(...)` block. When is the body read? "
            "(Lessons 03 and 09)",
            "Keep the stream open until the body has been passed on, and know its status before "
            "yours is sent: open it in a dependency that yields the response, or with "
            "`send(..., stream=True)`, and close it when the body is through. Opened inside the "
            "generator it comes too late: the page has its 200 by then.",
        ),
        "The stream was closed by its own block before Starlette read from it. A dependency holds "
        "it open now until the answer has been sent; whatever is not a 200 raises before that.",
    ),
    Bug(
        ("requests lost after a pause",),
        (
            "All four calls failed in the same way, and on connections that had been idle. Who "
            "closed those?",
            "The stock system closes a connection that has been idle for a second, or a little "
            "less. When does the client give one up? (Lesson 04)",
            "`keepalive_expiry` must be shorter than the stock system's second, with some room. "
            "Repeating the request is no cure: for an order it is not allowed.",
        ),
        "The client kept idle connections for 60 s, the stock system for 1 s. It gives them up "
        "first now.",
    ),
    Bug(
        (
            "requests lost after misses",
            "connections held at the end",
            "requests lost beside slow ones",
        ),
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
            "The answers came drop by drop. Which of httpx's four limits ends that?",
            "None: `read` starts anew with each piece. `timeout=0.9` is not a total. (Lesson 10)",
            "Put `async with asyncio.timeout(...)` around each exchange, that of `stock` and the "
            "beginning of the catalogue included. It raises `TimeoutError`, which is not httpx's "
            "`TimeoutException`: it must become a 504, too.",
        ),
        "`timeout=0.9` bounds each wait and not their sum. `asyncio.timeout` bounds the sum, on "
        "every route, and its `TimeoutError` is answered with 504 like the others. For the "
        "catalogue it ends with the head: the body may take as long as it takes.",
    ),
    Bug(
        ("orders sent more than once",),
        (
            "Who sends a request again, and is it asked whether it may be? (Lessons 04 and 10)",
            "An order whose answer was lost may have been taken. Only what is idempotent may be "
            "sent again.",
        ),
    ),
    Bug(
        ("cookies of others sent",),
        (
            "A client keeps a jar, and sends what one answer set with whatever it asks next. "
            "(Lesson 07)",
            "The storefront as given made its client with a jar that accepts nothing: look for "
            "`no_cookies` in it.",
        ),
    ),
    Bug(
        ("requests lost after a restart",),
        (
            "What is made when the file is imported, and what when the service starts?",
            "A client that was closed stays closed, and a client or a semaphore that was used "
            "belongs to the event loop that it was used on. (Lessons 06 and 09)",
            "Make them in the lifespan.",
        ),
    ),
    Bug(
        ("sockets left after shutdown",),
        (
            "Who closes the client, and when? (Lesson 08)",
            "What stands after the lifespan's `yield` runs at shutdown; `async with` around the "
            "`yield` does it by itself.",
        ),
    ),
)
