"""The facts of lesson 10: what each limit bounds, what a deadline leaves behind, what is repeated.

Each failure has its rate here, and each cure is the same trial with one line changed.
"""

import asyncio
import ssl
import sys
from functools import partial
from pathlib import Path

import anyio
import httpx
import nbformat
import pytest
import stamina
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from course import check
from server.local import LocalServer
from server.wire import FullQueue, SilentListener, refused
from workbench.distribution import ecdf_plot, quantile, share_above
from workbench.explorer import Explorer
from workbench.trials import run_trials
from workbench.waterfall.recording import record

NOTEBOOK = Path(__file__).resolve().parent.parent / "notebooks" / "10-timeouts.ipynb"
TLS = ssl.create_default_context()
BODY = bytes(20_000_000)
ONE_CONNECTION = httpx.Limits(max_connections=1)
SLOW_DRIP = "/drip?pieces=16&gap=0.05"

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def server():
    with LocalServer() as running:
        yield running


@pytest.fixture(scope="module")
def lesson(server):
    """The lesson's own functions, and the `explorer` that it shows."""
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    names = {"server": server, "context": TLS, "one_connection": ONE_CONNECTION}
    for source in code:
        for line in source.splitlines():
            if line.startswith(("import ", "from ")):
                exec(line, names)
    hooks = stamina.instrumentation.get_on_retry_hooks()
    for source in code:
        if source.split("(")[0].split(" =")[0] in CELLS or "async def slow_answer" in source:
            exec(source, names)
    [source] = [source for source in code if source.startswith("Explorer(")]
    names["explorer"] = eval(source, names)
    yield names
    names["explorer"].close()
    stamina.instrumentation.set_on_retry_hooks(hooks)


# The cells that define what is tested here, by how they begin.
CELLS = {
    *(
        "def caught",
        "async def fire_all_four",
        "def strike_at",
        "async def in_the_queue",
        "async def call_after",
    ),
    *("@asynccontextmanager\nasync def as_it_is", "@asynccontextmanager\nasync def shielded"),
    *("numbers", "NOT_SENT", "SOON", "async def five_calls", "async def bounded_by_stamina"),
    *("async def ask", "BODY", "async def ending", "async def which_limit"),
}


def client_with(timeout, **options):
    return httpx.AsyncClient(verify=TLS, timeout=timeout, **options)


async def outcome_of(call):
    [outcome] = await asyncio.gather(call, return_exceptions=True)
    return outcome


# The four limits


def test_a_number_sets_four_limits_and_five_seconds_is_the_default():
    assert client_with(30.0).timeout == httpx.Timeout(connect=30, read=30, write=30, pool=30)
    assert httpx.AsyncClient(verify=TLS).timeout == httpx.Timeout(5.0)


def test_two_of_four_are_refused_and_both_right_spellings_agree():
    with pytest.raises(ValueError, match="either include a default, or set all four"):
        httpx.Timeout(connect=5.0, read=30.0)
    named = httpx.Timeout(connect=5.0, read=30.0, write=30.0, pool=30.0)
    assert httpx.Timeout(30.0, connect=5.0) == named


def test_a_tuple_leaves_write_and_pool_without_a_limit():
    assert httpx.Timeout((5, 30)).as_dict() == {
        "connect": 5,
        "read": 30,
        "write": None,
        "pool": None,
    }


def test_the_timeout_of_a_request_replaces_the_client_s():
    client = client_with(httpx.Timeout(30, connect=5))
    request = client.build_request("GET", "http://127.0.0.1", timeout=60)
    assert set(request.extensions["timeout"].values()) == {60}


async def test_each_limit_fires_in_its_own_phase(server, lesson):
    server.gates.close("default")
    with SilentListener() as silent:
        async with (
            client_with(30) as client,
            client_with(30, limits=ONE_CONNECTION) as narrow,
        ):
            with record(client, server.ledger) as waterfall:
                waterfall.attach(narrow)
                fired = await lesson["fire_all_four"](client, narrow, silent)
    assert [type(error) for error in fired.values()] == [
        httpx.PoolTimeout,
        httpx.ConnectTimeout,
        httpx.WriteTimeout,
        httpx.ReadTimeout,
    ]
    assert [str(error) for error in fired.values()] == [""] * 4
    phases = {request.failure: request.phases[-1].name for request in waterfall.requests[1:]}
    assert phases == {
        "PoolTimeout": "pool",
        "ConnectTimeout": "tls",
        "WriteTimeout": "send",
        "ReadTimeout": "wait",
    }
    assert waterfall.seen.requests == 2  # the holding one, and the one that was not answered


@pytest.mark.skipif(sys.platform != "linux", reason="FullQueue needs Linux")
async def test_connect_fires_while_tcp_connects():
    with FullQueue() as queue:
        async with client_with(httpx.Timeout(30, connect=0.3)) as client:
            with record(client) as waterfall:
                error = await outcome_of(client.get(queue.url))
    assert type(error) is httpx.ConnectTimeout
    assert waterfall.requests[0].phases[-1].name == "connect"


def test_python_s_timeout_error_is_not_httpx_s():
    assert not issubclass(httpx.TimeoutException, TimeoutError)
    assert not issubclass(TimeoutError, httpx.HTTPError)
    for error in (
        httpx.PoolTimeout,
        httpx.ConnectTimeout,
        httpx.WriteTimeout,
        httpx.ReadTimeout,
    ):
        assert issubclass(error, httpx.TimeoutException)
        assert issubclass(error, httpx.HTTPError)


async def test_none_waits_where_a_limit_gives_up(server):
    server.gates.close("never")
    url = server.url + "/faults/hold?gate=never"
    async with client_with(httpx.Timeout(30, read=0.3)) as client:
        patient = asyncio.create_task(client.get(url, timeout=None))
        await server.gates.reached("never")
        assert type(await outcome_of(client.get(url))) is httpx.ReadTimeout
        assert not patient.done()
        server.gates.open("never")
        assert (await patient).status_code == 200


async def upload(body):
    """Return what a client with `write=0.5` gets from a server that reads for a second."""

    async def read_steadily(request):
        pause = 0
        async for piece in request.stream():
            pause += len(piece) / 20_000_000
            if pause > 0.02:
                await asyncio.sleep(pause)
                pause = 0
        return PlainTextResponse("")

    app = Starlette(routes=[Route("/", read_steadily, methods=["POST"])])
    with LocalServer(app) as steady:
        async with client_with(httpx.Timeout(30, write=0.5)) as client:
            return await outcome_of(client.post(steady.url, content=body))


async def test_write_bounds_a_piece_and_bytes_are_a_single_one():
    async def pieces():
        for first in range(0, len(BODY) * 2, 65_536):
            yield bytes(min(65_536, len(BODY) * 2 - first))

    assert type(await upload(BODY * 2)) is httpx.WriteTimeout
    assert (await upload(pieces())).status_code == 200


# The whole


async def test_no_limit_stops_a_drip(server):
    async with client_with(0.4) as client:
        with record(client, server.ledger) as waterfall:
            tally = await run_trials(lambda: client.get(server.url + SLOW_DRIP), 5, at_once=5)
    assert tally.counts == {"200 OK": 5}
    assert [len(response.content) for response in tally.results] == [16] * 5
    assert all(request.ended - request.started > 0.4 for request in waterfall.requests)


async def test_a_deadline_stops_it_and_leaves_the_pool_clean(server):
    async def get_before():
        async with asyncio.timeout(0.4):
            await client.get(server.url + SLOW_DRIP)

    async with client_with(0.4) as client:
        with server.ledger.watch() as seen:
            tally = await run_trials(get_before, 5, at_once=5)
            pool = repr(client._transport._pool)
    assert tally.counts == {"TimeoutError()": 5}
    assert pool.endswith("[Requests: 0 active, 0 queued | Connections: 0 active, 0 idle]>")
    assert (seen.requests, seen.responses, seen.closed) == (5, 0, 5)


def step(name):
    return lambda lesson: lesson["strike_at"](name)


MOMENTS = {
    "queue": (lambda lesson: lesson["in_the_queue"], "clean"),
    "connecting": (step("connection.connect_tcp.started"), "clean"),
    "just connected": (step("connection.connect_tcp.complete"), "dry"),
    "sending the headers": (step("http11.send_request_headers.started"), "clean"),
    "sending the body": (step("http11.send_request_body.started"), "clean"),
    "waiting": (step("http11.receive_response_headers.started"), "clean"),
    "headers there": (step("http11.receive_response_headers.complete"), "clean"),
    "in the body": (step("http11.receive_response_body.started"), "clean"),
    "end of body": (step("http11.receive_response_body.complete"), "dry"),
    "closing": (step("http11.response_closed.started"), "dry"),
    "used up": (lambda lesson: lesson["used_up"], "queue in the pool"),
}


@pytest.mark.parametrize("way", ["as_it_is", "behind_a_semaphore", "shielded"])
@pytest.mark.parametrize("moment", MOMENTS)
async def test_where_a_deadline_costs_a_connection(lesson, moment, way):
    find, cost = MOMENTS[moment]
    dry = {
        "as_it_is": cost != "clean",
        "behind_a_semaphore": cost == "dry",
        "shielded": False,
    }[way]
    assert await lesson["dry_pools"](find(lesson), lesson[way]) == (3 if dry else 0)


@pytest.mark.parametrize(
    ("name", "dry"),
    [("connection.connect_tcp.complete", 3), ("http11.receive_response_body.complete", 0)],
    ids=["just connected", "end of body"],
)
async def test_anyio_s_deadline_spares_the_end_of_the_body_alone(server, lesson, name, dry):
    async def moment(get):
        async def strike_now(step_name, info):
            if step_name == name:
                scope.deadline = 0

        with anyio.fail_after(30) as scope:
            await get(server.url + "/bytes?size=1000000", extensions={"trace": strike_now})
            await asyncio.sleep(0)

    assert await lesson["dry_pools"](moment, lesson["as_it_is"]) == dry


# Choosing values


def test_a_quantile_is_a_value_that_was_measured():
    values = [5, 1, 4, 2, 3]
    assert [quantile(values, share) for share in (0.01, 0.2, 0.5, 0.8, 0.81, 1)] == [
        *(1, 1, 3, 4, 5, 5)
    ]
    hundred = range(1, 101)
    assert [quantile(hundred, n / 100) for n in hundred] == list(hundred)


@pytest.mark.parametrize(("values", "share"), [([], 0.5), ([1], 0), ([1], 1.1)])
def test_a_quantile_needs_values_and_a_share(values, share):
    with pytest.raises(ValueError, match="needs values and a share"):
        quantile(values, share)


def test_the_share_above_a_limit_does_not_count_the_limit():
    assert [share_above([1, 2, 3, 4], limit) for limit in (0, 2, 4)] == [1, 0.5, 0]
    with pytest.raises(ValueError, match="one value"):
        share_above([], 1)


def test_the_picture_says_in_words_what_it_shows():
    values = [n / 100 for n in range(1, 101)]
    picture = ecdf_plot(values, xlabel="time (s)", title="The finding", marks={"limit": 0.9})
    assert repr(picture) == (
        "The finding. time (s), 100 values: 50% up to 0.5, 90% up to 0.9, 99% up to 0.99, "
        "all up to 1. Marked: limit at 0.9, 10.00% above."
    )
    assert picture.png().startswith(b"\x89PNG")
    curve, _, point = picture.figure.axes[0].lines
    assert (curve.get_xdata()[49], curve.get_ydata()[49]) == (0.5, 50)
    assert (list(point.get_xdata()), list(point.get_ydata())) == ([0.9], [90])
    assert repr(ecdf_plot([1], xlabel="time (s)")).startswith("time (s): 1 values.")


@pytest.mark.parametrize("values", [[], [1, 0]])
def test_the_picture_needs_values_above_zero(values):
    with pytest.raises(ValueError, match="above 0"):
        ecdf_plot(values, xlabel="time (s)")


# What is repeated


@pytest.mark.parametrize(
    ("ask", "method", "failed", "requests"),
    [
        (None, "GET", 5, 5),
        ("safe", "GET", 0, 15),
        ("safe", "POST", 5, 5),
        ("always", "POST", 0, 15),
    ],
)
async def test_what_each_rule_sends(lesson, ask, method, failed, requests):
    call = {
        None: lesson["once"],
        "safe": lesson["persistent"],
        "always": partial(lesson["persistent"], on=httpx.HTTPError),
    }[ask]
    tally, received = await lesson["five_calls"](call, method)
    assert (tally.failed, received) == (failed, requests)


async def test_three_failures_prove_that_nothing_was_sent(server, lesson):
    errors = {}
    with refused() as port:
        async with client_with(30) as client:
            with server.ledger.watch() as seen:
                errors["refused"] = await outcome_of(client.post(port.url))
            assert seen.requests == 0
            with server.ledger.watch() as seen:
                errors["reset"] = await outcome_of(client.post(server.url + "/faults/reset"))
                errors["close"] = await outcome_of(client.post(server.url + "/faults/close"))
            assert seen.requests == 2
    safe = lesson["safe_to_repeat"]
    assert [safe(errors[name]) for name in ("refused", "reset", "close")] == [True, False, False]


async def test_stamina_s_timeout_does_not_interrupt_an_attempt_and_a_deadline_does(server, lesson):
    silence = server.url + "/faults/silence"
    async with client_with(httpx.Timeout(30, read=0.5)) as client:
        with server.ledger.watch() as seen:
            late, cut_off = await asyncio.gather(
                lesson["bounded_by_stamina"](client, silence),
                lesson["ask"](client, asyncio.Semaphore(2), "GET", silence, 0.3),
                return_exceptions=True,
            )
    assert type(late) is httpx.ReadTimeout
    assert type(cut_off) is TimeoutError
    assert seen.requests == 2


# Exercises: other forms of a right answer


def make_timeout_with_all_four(connect, rest):
    return httpx.Timeout(connect=connect, read=rest, write=rest, pool=rest)


async def get_within_wait_for(client, url, seconds):
    try:
        response = await asyncio.wait_for(client.get(url), seconds)
    except TimeoutError:
        return None
    return response.text


async def get_within_anyio(client, url, seconds):
    text = None
    with anyio.move_on_after(seconds):
        response = await client.get(url)
        text = response.text
    return text


def may_be_repeated_by_groups(error):
    match error:
        case httpx.ConnectError() | httpx.ConnectTimeout() | httpx.PoolTimeout():
            return True
        case httpx.TransportError():
            return error.request.method not in {"POST", "PATCH", "CONNECT"}
    return False


@pytest.mark.parametrize(
    ("exercise", "answer"),
    [
        ("10-1", make_timeout_with_all_four),
        ("10-2", get_within_wait_for),
        ("10-2", get_within_anyio),
        ("10-3", may_be_repeated_by_groups),
    ],
)
def test_other_forms_of_a_right_answer_are_accepted(exercise, answer):
    report = check(exercise, answer)
    assert report.outcome == "correct", report


# The explorer


@pytest.mark.parametrize(
    ("slow", "outcome"),
    [
        ({}, "200"),
        ({"busy": 4}, "PoolTimeout"),
        ({"reading": 4}, "WriteTimeout"),
        ({"answering": 4}, "ReadTimeout"),
        ({"gap": 4}, "ReadTimeout"),
        ({"answering": 4, "deadline": 0.5, "timeout": 10}, "TimeoutError"),
    ],
    ids=["none", "busy", "reading", "answering", "gap", "deadline"],
)
async def test_which_limit_fires(lesson, slow, outcome):
    places = dict.fromkeys(("busy", "reading", "answering", "gap"), 0.0)
    # A slow machine takes most of a second to upload 20 MB, and that must not meet the limit.
    picture = await lesson["which_limit"](**{**places, "timeout": 2.5, "deadline": 30, **slow})
    title = picture.text.split(".  ")[0]
    assert f" s: {outcome}." in title


async def test_the_explorer_runs_it(lesson):
    explorer = lesson["explorer"]
    assert isinstance(explorer, Explorer)
    explorer.set(busy=0.0, reading=0.0, answering=1.0, timeout=0.9)
    picture = await explorer.run()
    assert " s: ReadTimeout." in picture.text
    shown, _ = explorer._output.outputs
    assert "image/png" in shown["data"]
