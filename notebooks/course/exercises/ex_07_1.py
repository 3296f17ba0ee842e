"""The correct form of a call: an answer that is no success is neither data nor broken JSON."""

import asyncio
import contextlib

import httpx

from course.exercises.ended import check_cancelled
from course.exercises.noted import Noted
from course.exercises.price_service import serve
from server.wire import refused
from workbench.checking.record import Exercise, Wrong, WrongAnswer, expect, still_open

TROUBLES = {
    "chair": "503 with JSON",
    "table": "502 with an HTML page",
    "desk": "403 with JSON",
    "bench": "410 with JSON",
    "shelf": "307, a redirect to a login page",
}


async def price_of(url, article):
    """Get url + "/price/" + article and return the "price" of the answer's JSON.

    Return None for an article that the service does not know: it answers 404 then. Raise
    httpx.HTTPStatusError for any other answer that is no success.
    """
    async with httpx.AsyncClient() as client:
        response = await client.get(f"{url}/price/{article}")
        return response.json().get("price", 0)


async def solution(url, article):
    """Get url + "/price/" + article and return the "price" of the answer's JSON.

    Return None for an article that the service does not know: it answers 404 then. Raise
    httpx.HTTPStatusError for any other answer that is no success.
    """
    async with httpx.AsyncClient() as client:
        response = await client.get(f"{url}/price/{article}")
        if response.status_code == 404:
            return None
        response.raise_for_status()
        return response.json()["price"]


async def answer_of(url, article, **options):
    async with httpx.AsyncClient(**options) as client:
        return await client.get(f"{url}/price/{article}")


def price_in(response):
    """Judge an answer as the solution does."""
    if response.status_code == 404:
        return None
    response.raise_for_status()
    return response.json()["price"]


# Right, too


async def looks_at_the_exception(url, article):
    try:
        response = (await answer_of(url, article)).raise_for_status()
    except httpx.HTTPStatusError as error:
        if error.response.status_code == httpx.codes.NOT_FOUND:
            return None
        raise
    return response.json()["price"]


async def raises_unless_it_is_a_success(url, article):
    response = await answer_of(url, article)
    if response.is_success:
        return response.json()["price"]
    if response.status_code == 404:
        return None
    message = f"{response.status_code} for {article}"
    raise httpx.HTTPStatusError(message, request=response.request, response=response)


# Wrong


async def looks_for_404_only(url, article):
    response = await answer_of(url, article)
    return None if response.status_code == 404 else response.json().get("price", 0)


async def raises_before_it_looks(url, article):
    return (await answer_of(url, article)).raise_for_status().json()["price"]


async def swallows_the_error(url, article):
    try:
        return (await answer_of(url, article)).raise_for_status().json()["price"]
    except httpx.HTTPStatusError:
        return None


async def looks_for_server_errors(url, article):
    response = await answer_of(url, article)
    return price_in(response) if response.is_server_error else response.json().get("price")


async def takes_a_redirect_for_a_success(url, article):
    response = await answer_of(url, article)
    return response.json()["price"] if response.is_redirect else price_in(response)


async def follows_the_redirect(url, article):
    return price_in(await answer_of(url, article, follow_redirects=True))


async def takes_gone_for_unknown(url, article):
    response = await answer_of(url, article)
    return None if response.status_code == 410 else price_in(response)


async def checks_no_certificates(url, article):
    return price_in(await answer_of(url, article, verify=False))


async def asserts_the_status(url, article):
    response = await answer_of(url, article)
    assert response.status_code in (200, 404)
    return price_in(response)


async def takes_zero_for_nothing(url, article):
    return await solution(url, article) or None


async def gives_a_default(url, article):
    try:
        return await solution(url, article)
    except KeyError:
        return 0


async def takes_silence_for_an_unknown_article(url, article):
    try:
        return await solution(url, article)
    except httpx.TransportError:
        return None


async def blocks_the_loop(url, article):
    return price_in(httpx.get(f"{url}/price/{article}"))


async def leaves_the_client_open(url, article):
    return price_in(await httpx.AsyncClient().get(f"{url}/price/{article}"))


async def closes_after_a_price_only(url, article):
    client = httpx.AsyncClient()
    price = price_in(await client.get(f"{url}/price/{article}"))
    if price is not None:
        await client.aclose()
    return price


async def closes_unless_it_is_cancelled(url, article):
    client = httpx.AsyncClient()
    try:
        response = await client.get(f"{url}/price/{article}")
    except httpx.HTTPError:
        await client.aclose()
        raise
    await client.aclose()
    return price_in(response)


async def closes_in_a_task_that_nobody_awaits(url, article):
    client = httpx.AsyncClient()
    response = await client.get(f"{url}/price/{article}")
    asyncio.create_task(client.aclose())  # noqa: RUF006
    return price_in(response)


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
    await _check_no_price(attempt, server)
    await _check_silence(attempt)
    await check_cancelled(lambda: attempt(server.url, "lamp"))


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
    except httpx.HTTPStatusError:
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


EXERCISE = Exercise(
    id="07-1",
    title="An error is no price",
    task="`price_of` asks a price service. It gives lamps away as soon as that service is in "
    "trouble. Repair it: the price, None for an unknown article, `httpx.HTTPStatusError` for "
    "everything else that is no success.",
    starter=price_of,
    hints=[
        "What does the answer to an overloaded service look like, and what becomes of it here?",
        "`response.raise_for_status()` raises for every status outside of 2xx, 404 included.",
        'Three steps: look for 404, then `raise_for_status()`, then `response.json()["price"]`.',
    ],
    wrong=[
        WrongAnswer(looks_for_404_only, "returned `0`, as if the answer were a success"),
        WrongAnswer(raises_before_it_looks, "before you call `raise_for_status()`"),
        WrongAnswer(swallows_the_error, "503 with JSON.\nWhat happened: It returned None"),
        WrongAnswer(looks_for_server_errors, "the service answered 403"),
        WrongAnswer(takes_a_redirect_for_a_success, "took the body for JSON"),
        WrongAnswer(follows_the_redirect, "the redirect was followed"),
        WrongAnswer(takes_gone_for_unknown, "410 with JSON.\nWhat happened: It returned None"),
        WrongAnswer(asserts_the_status, "`python -O` leaves every `assert` out"),
        WrongAnswer(takes_zero_for_nothing, "In Python `0 or x` is x"),
        WrongAnswer(blocks_the_loop, "the call was a sync one"),
        WrongAnswer(checks_no_certificates, "Your clients check no certificate"),
        WrongAnswer(takes_silence_for_an_unknown_article, "Nobody listened there"),
        WrongAnswer(closes_unless_it_is_cancelled, "under way, and its client was not closed"),
        WrongAnswer(leaves_the_client_open, "1 connection was still open"),
        WrongAnswer(closes_after_a_price_only, "answered 404, and the connection was left open"),
        WrongAnswer(gives_a_default, "a default made a price up"),
        WrongAnswer(closes_in_a_task_that_nobody_awaits, "a task still ran that nobody waited for"),
    ],
    right=[looks_at_the_exception, raises_unless_it_is_a_success],
    solution=solution,
    why="404 has a meaning of its own here. Every other answer that is no success raises, and only "
    "a success is read as data.",
    check=check,
    serve=serve,
)
