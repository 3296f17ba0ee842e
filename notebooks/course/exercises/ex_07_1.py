"""The correct form of a call: an answer that is no success is neither data nor broken JSON."""

import asyncio

import httpx

from course.exercises.price_service import serve
from course.exercises.price_trial import check
from workbench.checking.record import Exercise, WrongAnswer


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


async def takes_slowness_for_an_unknown_article(url, article):
    try:
        return await solution(url, article)
    except httpx.TimeoutException:
        return None


async def knows_one_success_only(url, article):
    response = await answer_of(url, article)
    if response.status_code in (200, 404):
        return price_in(response)
    message = f"{response.status_code} is not 200"
    raise httpx.HTTPStatusError(message, request=response.request, response=response)


async def cuts_to_whole_numbers(url, article):
    price = await solution(url, article)
    return None if price is None else int(price)


async def raises_without_the_answer(url, article):
    response = await answer_of(url, article)
    if response.is_success or response.status_code == 404:
        return price_in(response)
    raise httpx.HTTPStatusError("no success", request=None, response=None)


async def asks_in_a_thread(url, article):
    return price_in(await asyncio.to_thread(httpx.get, f"{url}/price/{article}"))


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
        WrongAnswer(asks_in_a_thread, "no such client was asked for anything"),
        WrongAnswer(checks_no_certificates, "Your clients check no certificate"),
        WrongAnswer(takes_silence_for_an_unknown_article, "Nobody listened there"),
        WrongAnswer(takes_slowness_for_an_unknown_article, "The answer did not come in time"),
        WrongAnswer(knows_one_success_only, "The service answered 203 with that price"),
        WrongAnswer(cuts_to_whole_numbers, "It returned `899`."),
        WrongAnswer(raises_without_the_answer, "Its `response` is `None`"),
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
