"""What an answer to exercise 07-1 is tried on: prices, troubles, silence, and a cancellation.

`ex_07_1.py` has it as its check. It asks the service of `price_service.py`, and a port that
refuses.
"""

import asyncio
import contextlib
from unittest import mock

import httpx

from course.exercises.ended import check_cancelled
from course.exercises.noted import Noted
from server.wire import refused
from workbench.checking.record import Wrong, expect, still_open

TROUBLES = {
    "chair": "503 with JSON",
    "table": "502 with an HTML page",
    "desk": "403 with JSON",
    "bench": "410 with JSON",
    "shelf": "307, a redirect to a login page",
}


async def _let_it_answer(state):
    while not state.asked.is_set():
        await asyncio.sleep(0.005)
    state.loop_goes_on.set()


async def check(attempt, server):
    state = server.app.state
    beside = asyncio.create_task(_let_it_answer(state))
    try:
        with server.ledger.watch() as seen, Noted() as noted:
            price = await attempt(server.url, "lamp")
    finally:
        beside.cancel()
        state.loop_goes_on.set()
    expect(price == 1250, "The price of the lamp, 1250.", happened=f"It returned `{price!r}`.")
    await attempt.require_nothing_left(seen)
    expect(
        state.went_on,
        "While the service thinks, the event loop goes on.",
        happened="Nothing else ran on the loop between the request and the answer: the call was "
        "a sync one. Use an `httpx.AsyncClient`.",
    )
    noted.require_certificates_checked()
    price = await attempt(server.url, "brochure")
    expect(
        price == 0 and price is not None,
        "A brochure costs nothing: its price is the number 0.",
        happened=f"It returned `{price!r}`. In Python `0 or x` is x.",
    )
    with server.ledger.watch() as seen:
        await _check_unknown(attempt, server)
    await _expect_closed(attempt, seen, "404")
    for article, trouble in TROUBLES.items():
        with server.ledger.watch() as seen:
            await _check_trouble(attempt, server, article, trouble)
        await _expect_closed(attempt, seen, trouble)
    await _check_another_success(attempt, server)
    await _check_no_price(attempt, server)
    await _check_silence(attempt)
    await check_cancelled(lambda: attempt(server.url, "lamp"))
    await _check_slowness(attempt)


async def _check_another_success(attempt, server):
    expected = "The price of the rug, 899.5: 203 is a success, too, as every 2xx."
    try:
        price = await attempt(server.url, "rug")
    except httpx.HTTPStatusError as error:
        happened = f"The service answered 203 with that price, and it raised `{error!r}`."
        raise Wrong(expected, happened=happened) from error
    expect(price == 899.5, expected, happened=f"It returned `{price!r}`.")


async def _check_no_price(attempt, server):
    price = None
    with contextlib.suppress(Exception):
        price = await attempt(server.url, "stool")
    expect(
        price != 0,
        "No price for the stool: the service answered 200, with JSON that has no price.",
        happened=f"It returned `{price!r}`: a default made a price up, and the stool is free.",
    )


async def _check_silence(attempt):
    with refused() as port:
        try:
            price = await attempt(port.url, "lamp")
        except httpx.ConnectError:
            return
    raise Wrong(
        "httpx's error where no service answers: it has not said that there is no such article.",
        happened=f"Nobody listened there, and `{price!r}` was returned.",
    )


async def _check_slowness(attempt):
    slow = mock.AsyncMock(side_effect=httpx.ReadTimeout("no answer in time"))
    with mock.patch.object(httpx.AsyncHTTPTransport, "handle_async_request", slow):
        try:
            price = await attempt("http://prices", "lamp")
        except httpx.ReadTimeout:
            return
    raise Wrong(
        "httpx's error where the service is too slow: it has not said that there is no such "
        "article.",
        happened=f"The answer did not come in time, and `{price!r}` was returned.",
    )


async def _check_unknown(attempt, server):
    expected = "None for a unicorn, which the service does not know (404)."
    try:
        price = await attempt(server.url, "unicorn")
    except httpx.HTTPStatusError as error:
        raise Wrong(
            expected,
            happened="It raised `HTTPStatusError`: 404 is no success either, so look at the status "
            "before you call `raise_for_status()`.",
        ) from error
    expect(price is None, expected, happened=f"It returned `{price!r}`.")


async def _expect_closed(attempt, seen, trouble):
    await attempt.settle()
    expect(
        not still_open(seen),
        "The client is closed at the end, whatever the answer is: `async with` sees to it.",
        happened=f"The service answered {trouble}, and the connection was left open.",
        seen=seen,
    )


async def _check_trouble(attempt, server, article, trouble):
    expected = f"`httpx.HTTPStatusError` for the {article}: the service answered {trouble}."
    try:
        price = await attempt(server.url, article)
    except httpx.HTTPStatusError as error:
        expect(
            isinstance(error.response, httpx.Response),
            f"{expected} The exception carries that answer.",
            happened=f"Its `response` is `{error.response!r}`: whoever catches it cannot ask for "
            "the status.",
        )
        return
    except ValueError as error:
        raise Wrong(expected, happened=_not_json(error, attempt.seen)) from error
    except (AssertionError, LookupError, TypeError) as error:
        raise Wrong(
            expected,
            happened=f"It raised `{error!r}`, which says nothing of the answer; and `python -O` "
            "leaves every `assert` out."
            if isinstance(error, AssertionError)
            else f"It raised `{error!r}`: it looked for the price in an answer that has none.",
        ) from error
    raise Wrong(
        expected,
        happened="It returned None: that says that there is no such article, and there is one."
        if price is None
        else f"It returned `{price!r}`, as if the answer were a success.",
    )


def _not_json(error, seen):
    if any(event.path == "/login" for event in seen.events):
        return (
            f"It raised `{type(error).__name__}`: the redirect was followed, and the login page "
            "that it leads to is no JSON."
        )
    return f"It raised `{type(error).__name__}`: it took the body for JSON, whatever the status."
