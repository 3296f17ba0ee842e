"""Event loops and tasks: a client that outlives its loop, a block left by another task."""

from course.guide.rows import Face, Read, Row

FACES = (
    Face(
        ("RuntimeError",),
        r"Event loop is closed",
        "is it a request that fails, or a close that nobody awaits? (Does the traceback pass "
        "through httpx or httpcore at all?)",
        (
            Row(
                "later loop",
                "a request, often every other one; in pytest every other test",
                "The client's connection belongs to a loop that is closed. Each `asyncio.run` and "
                "each test makes a loop of its own.",
                "One client per loop, opened and closed inside it; best a single loop. Do not just "
                "repeat: the request may have been carried out.",
                True,
                ("06-the-wrong-loop.ipynb", "deeper/06-a-loop-for-each-test.ipynb"),
            ),
            Row(
                "closed late",
                "a close: `Task exception was never retrieved` has `coro=<AsyncClient.aclose()`",
                "A wrapper's `__del__` schedules the close when the connection's loop is gone.",
                "Close it in the loop that used it: by its block, or `await` of `aclose()`.",
                None,
                ("06-the-wrong-loop.ipynb",),
                around=r"coro=<\S*aclose\(\)",
                read=Read(
                    "06-the-wrong-loop.ipynb",
                    "Task exception was never retrieved:\n  RuntimeError('Event loop is closed')",
                    ("connections opened: 1, closed: 0",),
                    show="Task exception was never retrieved: RuntimeError('Event loop is closed')",
                ),
            ),
        ),
    ),
    Face(
        ("RuntimeError",),
        r"<.*> is bound to a different event loop",
        "do threads share the client, each with a loop? (Does the traceback pass through httpx or "
        "httpcore at all?)",
        (
            Row(
                "two loops",
                "yes",
                "Two loops that live at once use one client. It comes now and then.",
                "A client per loop, or one loop for all (`run_coroutine_threadsafe`). Do not just "
                "repeat: the request may have been carried out.",
                True,
                ("deeper/06-two-loops-at-once.ipynb",),
            ),
        ),
    ),
    Face(
        (),
        "",
        "do threads share the client, each with a loop?",
        (
            Row(
                "two loops hang",
                "yes",
                "A place was freed in one loop; the other, which waits, is not woken.",
                "As above.",
                False,
                ("deeper/06-two-loops-at-once.ipynb",),
                read=Read(
                    "deeper/06-two-loops-at-once.ipynb",
                    "free: True | still waiting: True",
                    show="nothing: the call hangs",
                ),
            ),
        ),
    ),
    Face(
        ("RuntimeError",),
        r"Attempted to exit cancel scope in a different task than it was entered in",
        "which async generator was left before its end?",
        (
            Row(
                "other task",
                "",
                "It holds a time limit or a task group of anyio; another task closed it, after a "
                "`break`, say.",
                "`aclosing(generator)`: the task that iterates also closes.",
                None,
                ("02-context-managers.ipynb",),
                read=Read(
                    "02-context-managers.ipynb",
                    "RuntimeError: Attempted to exit cancel scope in a different task than it was "
                    "entered in",
                ),
            ),
        ),
        through=False,
    ),
    Face(
        ("TimeoutError",),
        "",
        "how far had the call come when your own deadline struck?",
        (
            Row(
                "own deadline",
                "",
                "`asyncio.timeout` or `wait_for`, around the call. httpx has no limit for the "
                "whole: an answer in pieces may outlast all four.",
                "As meant; catch it by itself, `except httpx.HTTPError` does not. The server may "
                "have carried the request out.",
                True,
                ("10-timeouts.ipynb", "deeper/10-when-a-deadline-strikes.ipynb"),
                chain=("CancelledError",),
            ),
        ),
        required=True,
    ),
)
