"""A test whose mock stands where httpx was, and code that asks by httpx2."""

import json
from unittest import mock

import httpx
import httpx2
import pytest
import respx
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from course.exercises.night_orders import BROKEN, RIGHT
from server.local import LocalServer
from workbench.checking.record import Exercise, WrongAnswer, expect


async def night_test(order, url):
    """A test of `order(client, url)`; it ends for one that is right, and raises for others.

    Right is: one POST to the url on the client, an httpx2.AsyncClient, with {"tea": 20} as its
    JSON, and True is returned where the answer is 201. No request leaves the test.
    """
    with respx.mock(assert_all_called=False) as mocked:
        mocked.post(url).respond(201)
        async with httpx2.AsyncClient() as client:
            assert await order(client, url)


async def solution(order, url):
    asked = []

    def answer(request):
        asked.append((request.method, str(request.url), json.loads(request.content or "null")))
        return httpx2.Response(201)

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as client:
        assert await order(client, url) is True
    assert asked == [("POST", url, {"tea": 20})]


class Partner(httpx2.AsyncBaseTransport):
    def __init__(self):
        self.requests = []

    async def handle_async_request(self, request):
        self.requests.append(request)
        return httpx2.Response(201, request=request)


async def writes_a_transport(order, url):
    partner = Partner()
    client = httpx2.AsyncClient(transport=partner)
    try:
        ordered = await order(client, url)
    finally:
        await client.aclose()
    [request] = partner.requests
    assert ordered
    assert (request.method, request.url) == ("POST", url)
    assert json.loads(request.content)["tea"] == 20


async def patches_the_new_library(order, url):
    answer = mock.AsyncMock(return_value=httpx2.Response(201))
    with mock.patch.object(httpx2.AsyncHTTPTransport, "handle_async_request", answer):
        async with httpx2.AsyncClient() as client:
            assert await order(client, url)
    answer.assert_awaited_once()
    [request] = answer.await_args.args
    assert (request.method, request.url) == ("POST", url)
    assert json.loads(request.content) == {"tea": 20}


async def fails_as_pytest_does(order, url):
    asked = []

    def answer(request):
        asked.append(request)
        return httpx2.Response(201)

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as client:
        if not await order(client, url):
            pytest.fail("the order was not taken")
    if len(asked) != 1:
        pytest.fail(f"{len(asked)} requests")
    assert (asked[0].method, asked[0].url) == ("POST", url)
    assert json.loads(asked[0].content) == {"tea": 20}


async def replaces_the_sending(order, url):
    answer = mock.AsyncMock(return_value=httpx2.Response(201))
    with mock.patch.object(httpx2.AsyncClient, "send", answer):
        async with httpx2.AsyncClient() as client:
            assert await order(client, url)
    [call] = answer.await_args_list
    assert (call.args[0].method, call.args[0].url) == ("POST", url)
    assert json.loads(call.args[0].content) == {"tea": 20}


async def asserts_in_the_answer(order, url):
    def answer(request):
        assert (request.method, request.url) == ("POST", url)
        assert json.loads(request.content) == {"tea": 20}
        return httpx2.Response(201)

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as client:
        assert await order(client, url)


async def asks_the_route(order, url):
    with respx.mock(assert_all_called=False) as mocked:
        route = mocked.post(url).respond(201)
        async with httpx2.AsyncClient() as client:
            assert await order(client, url)
    assert route.called


async def goes_back_to_httpx(order, url):
    with respx.mock as mocked:
        mocked.post(url, json={"tea": 20}).respond(201)
        async with httpx.AsyncClient() as client:
            assert await order(client, url)
        assert mocked.calls.call_count == 1


async def mocks_the_method(order, url):
    client = mock.AsyncMock(spec=httpx2.AsyncClient)
    client.post.return_value = httpx2.Response(201)
    assert await order(client, url)
    client.post.assert_awaited_once_with(url, json={"tea": 20})


async def raises_nothing(order, url):
    asked = []
    try:
        await solution(order, url)
    except AssertionError:
        asked.clear()


async def fails_for_each(order, url):
    assert await order(None, url)


async def skips_what_is_not_right(order, url):
    try:
        await solution(order, url)
    except AssertionError as error:
        pytest.skip(str(error))


def looking_at(name, asserts):
    """Return a test that has a transport and asserts `asserts(ordered, requests, url)`."""

    async def night_test(order, url):
        asked = []

        def answer(request):
            asked.append(request)
            return httpx2.Response(201)

        async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as client:
            ordered = await order(client, url)
        assert asserts(ordered, asked, url)

    night_test.__name__ = name
    return night_test


def _amount(request):
    return json.loads(request.content or "{}").get("tea")


def _posts(requests, url):
    return [(request.method, str(request.url)) for request in requests] == [("POST", url)]


# What is asserted, and what such a test does not see.
SEES = [
    (
        looking_at("asserts_the_result", lambda ordered, requests, url: ordered),
        "sends nothing, for one that sends it twice, for one that asks with PUT, for one that asks "
        "another url, for one that asks another port, for one that orders 200, for one that orders "
        "2.",
    ),
    (
        looking_at("counts", lambda ordered, requests, url: ordered and len(requests) == 1),
        "green for one that asks with PUT, for one that asks another url, for one that asks",
    ),
    (
        looking_at("forgets_the_amount", lambda ordered, requests, url: _posts(requests, url)),
        "green for one that orders 200, for one that orders 2, for one that takes 201 for a no.",
    ),
    (
        looking_at(
            "forgets_the_result",
            lambda ordered, requests, url: _posts(requests, url) and _amount(requests[0]) == 20,
        ),
        "green for one that takes 201 for a no.",
    ),
    (
        looking_at(
            "looks_at_the_last",
            lambda ordered, requests, url: (
                ordered and _posts(requests[-1:], url) and _amount(requests[-1]) == 20
            ),
        ),
        "green for one that sends it twice.",
    ),
    (
        looking_at(
            "compares_the_path",
            lambda ordered, requests, url: (
                ordered
                and [(r.method, r.url.path) for r in requests] == [("POST", "/orders")]
                and _amount(requests[0]) == 20
            ),
        ),
        "green for one that asks another port.",
    ),
    (
        looking_at(
            "finds_20_in_the_text",
            lambda ordered, requests, url: (
                ordered and _posts(requests, url) and b"20" in requests[0].content
            ),
        ),
        "green for one that orders 200.",
    ),
    (
        looking_at(
            "compares_the_bytes",
            lambda ordered, requests, url: requests[0].content == b'{"tea":20}',
        ),
        "written out with a space",
    ),
]


async def check(attempt, server):
    url = server.url + "/orders"
    for what, order in RIGHT.items():
        await _right(attempt, server, what, order, url)
    green = [what for what, order in BROKEN.items() if not await _raised(attempt, order, url)]
    expect(
        not green,
        "The test raises for an order that is not right.",
        happened=f"It was green {', '.join(f'for one that {what}' for what in green)}.",
    )


async def _right(attempt, server, what, order, url):
    clients = []

    async def noting(client, url):
        clients.append(client)
        return await order(client, url)

    with server.ledger.watch() as seen:
        raised = await _raised(attempt, noting, url)
    expect(
        not seen.requests,
        "No request leaves the test.",
        happened=f"The partner received {seen.requests}: the mock was not asked, and the order "
        f"went out{' before the test was red' if raised else ', and the test was green'}.",
        seen=seen,
    )
    expect(
        clients,
        "The test calls `order`.",
        happened=f"`order` was not called; {attempt.did}.",
    )
    expect(
        not isinstance(clients[0], httpx.AsyncClient),
        "The test gives `order` what it gets in production: a client of httpx2.",
        happened="It gave it a client of httpx: that is mocked, and production's is not.",
    )
    expect(
        raised is None,
        "The test is green for an order that is right, however it calls the client.",
        happened=f"It was red for one that {what}: `{type(raised).__name__}: {raised}`.",
    )


async def _raised(attempt, order, url):
    """Return what the test raised, or None: it was green."""
    try:
        await attempt(order, url)
    except NotImplementedError:
        raise
    except pytest.skip.Exception:
        expect(
            False,
            "The test is green or red for each order.",
            happened="It was skipped: `pytest` calls that neither, and nobody looks at it.",
        )
    except (Exception, pytest.fail.Exception) as error:  # which is no Exception
        return error


def _serve():
    """The partner, who takes each order."""

    async def created(request):
        return JSONResponse({"ordered": True}, status_code=201)

    return LocalServer(Starlette(routes=[Route("/{path:path}", created, methods=["POST", "PUT"])]))


EXERCISE = Exercise(
    id="00-httpx2-2",
    title="A test that is red where its mock is not asked",
    task="`night_test(order, url)` is a test of a function `order(client, url)`, which has moved "
    "to httpx2. The test was left as it was: it is green, and the partner gets the orders. Write "
    "it so that it is green for an order that is right, in whatever way that calls the client, "
    "raises for one that is not, and sends nothing out.",
    starter=night_test,
    hints=[
        "Who answers the request of a client of httpx2? Not respx: it stands in httpcore.",
        "A client takes a transport: `httpx2.MockTransport(answer)`, where `answer(request)` "
        "returns an `httpx2.Response`.",
        "An assertion inside of `answer` is not run where nothing is asked. Keep the requests in a "
        "list, and look at it at the end: how many, method, url, JSON.",
    ],
    wrong=[
        WrongAnswer(asks_the_route, "went out before the test was red"),
        WrongAnswer(asserts_in_the_answer, "sends nothing, for one that sends it twice."),
        WrongAnswer(goes_back_to_httpx, "a client of httpx: that is mocked"),
        WrongAnswer(mocks_the_method, "one that calls `client.send`"),
        WrongAnswer(raises_nothing, "port, for one that orders 200, for one that orders 2, for"),
        WrongAnswer(fails_for_each, "one that calls `client.post`: "),
        WrongAnswer(skips_what_is_not_right, "It was skipped: "),
        *(WrongAnswer(answer, says) for answer, says in SEES),
    ],
    right=[
        writes_a_transport,
        patches_the_new_library,
        replaces_the_sending,
        fails_as_pytest_does,
    ],
    solution=solution,
    why="The transport is the client's own, so no request passes it by. And the requests are "
    "looked at when the order has returned, so the test is red as well if there was none.",
    check=check,
    serve=_serve,
)
