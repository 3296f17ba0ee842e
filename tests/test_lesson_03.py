"""The facts of lesson 03: a client that is closed while its requests are running."""

import asyncio
import gc
import itertools
import ssl
import warnings
from functools import partial

import httpx
import pytest

from server.local import LocalServer
from workbench.trials import run_trials

N = 20
REFUSED = {"RuntimeError: Cannot send a request, as the client has been closed.": N}
CUT = {"ReadError('')": N}
FINE = {"200 OK": N}
BY_MOMENT = {
    "at once": REFUSED,
    "one loop turn": FINE,
    "request has arrived": CUT,
    "answer has arrived": FINE,
}
BY_STEP = {
    "connection.connect_tcp.started": FINE,
    "connection.connect_tcp.complete": FINE,
    "http11.send_request_headers.started": CUT,
    "http11.receive_response_headers.started": CUT,
    "http11.response_closed.complete": FINE,
}

pytestmark = pytest.mark.anyio
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server():
    with LocalServer(timeout_keep_alive=60) as server:
        yield server


@pytest.fixture(scope="module")
def context():
    return ssl.create_default_context()


async def work(server, moment, gate, task):
    """Wait until the request of `task` has come as far as `moment` says."""
    if moment == "one loop turn":
        await asyncio.sleep(0)
    elif moment == "request has arrived":
        await server.gates.reached(gate)
    elif moment == "answer has arrived":
        server.gates.open(gate)
        await asyncio.wait([task])


async def awaited_outside(server, moment, **options):
    gate = f"outside-{next(numbers)}"
    async with httpx.AsyncClient(**options) as client:
        task = asyncio.create_task(client.get(f"{server.url}/faults/hold?gate={gate}"))
        await work(server, moment, gate, task)
    server.ledger.settle()
    server.gates.open(gate)
    return await task


async def awaited_inside(server, moment, **options):
    gate = f"inside-{next(numbers)}"
    async with httpx.AsyncClient(**options) as client, asyncio.TaskGroup() as group:
        task = group.create_task(client.get(f"{server.url}/faults/hold?gate={gate}"))
        await work(server, moment, gate, task)
        server.ledger.settle()
        server.gates.open(gate)
    return task.result()


async def close_connections(tally):
    for response in tally.results:
        if isinstance(response, httpx.Response):
            await response.extensions["network_stream"].aclose()


def closed_by_client(seen):
    return sum(event.kind == "closed" and event.by == "client" for event in seen.events)


@pytest.mark.parametrize("moment", BY_MOMENT)
async def test_the_outcome_is_exact_at_each_moment_and_the_cure_leaves_no_failure(
    server, context, moment
):
    early = await run_trials(partial(awaited_outside, server, moment, verify=context), N)
    await close_connections(early)
    assert early.counts == BY_MOMENT[moment]

    with server.ledger.watch() as seen:
        cured = await run_trials(partial(awaited_inside, server, moment, verify=context), N)
    assert cured.counts == FINE
    assert seen.responses == closed_by_client(seen) == N


async def test_the_server_has_received_what_the_client_cut(server, context):
    with server.ledger.watch() as seen:
        cut = partial(awaited_outside, server, "request has arrived", verify=context)
        assert (await run_trials(cut, N)).counts == CUT
    assert (seen.requests, seen.responses, closed_by_client(seen)) == (N, 0, N)


async def test_a_spared_request_leaves_a_connection_that_only_the_collector_closes(server, context):
    with server.ledger.watch() as seen:
        response = await awaited_outside(server, "one loop turn", verify=context)
        gc.collect()
    assert (seen.connections, seen.responses, closed_by_client(seen)) == (1, 1, 0)
    with server.ledger.watch() as seen, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        del response
        await asyncio.sleep(0)  # until then the loop's handle of our wake-up holds it, too
        gc.collect()
    assert any("unclosed transport" in str(warning.message) for warning in warned)
    assert closed_by_client(seen) == 1


@pytest.mark.parametrize("step", BY_STEP)
async def test_the_step_decides_not_the_time(server, context, step):
    async def close_at_step():
        arrived, go_on = asyncio.Event(), asyncio.Event()

        async def hold(name, info):
            if name == step:
                arrived.set()
                await go_on.wait()

        async with httpx.AsyncClient(verify=context) as client:
            request = client.get(server.url + "/echo", extensions={"trace": hold})
            task = asyncio.create_task(request)
            await arrived.wait()
        go_on.set()
        return await task

    with server.ledger.watch() as seen:
        tally = await run_trials(close_at_step, N)
    await close_connections(tally)
    assert tally.counts == BY_STEP[step]
    assert seen.requests == (0 if step == "http11.send_request_headers.started" else N)


async def test_neither_a_longer_time_limit_nor_retries_cure(server, context):
    cut = partial(awaited_outside, server, "request has arrived")
    assert (await run_trials(partial(cut, verify=context, timeout=60), N)).counts == CUT

    def with_retries():
        return cut(transport=httpx.AsyncHTTPTransport(verify=context, retries=3))

    assert (await run_trials(with_retries, N)).counts == CUT


async def test_gather_inside_works_and_gather_outside_is_refused(server, context):
    async def gather(inside):
        async with httpx.AsyncClient(verify=context) as client:
            calls = [client.get(server.url + "/echo") for _ in range(5)]
            if inside:
                return await asyncio.gather(*calls)
        return await asyncio.gather(*calls)

    assert (await run_trials(partial(gather, False), N)).counts == REFUSED
    assert (await run_trials(partial(gather, True), N)).failed == 0


async def read_after_the_client(server, context, path, **extensions):
    async with httpx.AsyncClient(verify=context) as client:
        request = client.build_request("GET", server.url + path, extensions=extensions)
        response = await client.send(request, stream=True)
    return await response.aread()


async def read_inside(server, context, path):
    async with (
        httpx.AsyncClient(verify=context) as client,
        client.stream("GET", server.url + path) as response,
    ):
        return await response.aread()


@pytest.mark.parametrize("path", ["/bytes?size=1000000", "/drip?pieces=2&gap=1"])
async def test_what_has_not_arrived_is_lost_with_the_client(server, context, path):
    late = await run_trials(partial(read_after_the_client, server, context, path), N)
    assert late.counts == CUT
    if path.startswith("/bytes"):
        assert (await run_trials(partial(read_inside, server, context, path), N)).failed == 0


@pytest.mark.parametrize("size", [2, 60_000])
async def test_what_has_arrived_can_be_read_after_the_client(server, context, size):
    async def all_has_arrived():
        with server.ledger.watch() as one:

            async def wait(name, info):
                if name == "http11.send_request_body.complete":
                    await asyncio.to_thread(server.ledger.wait_until, lambda _: one.responses == 1)

            return await read_after_the_client(server, context, f"/bytes?size={size}", trace=wait)

    tally = await run_trials(all_has_arrived, N)
    assert tally.failed == 0
    assert {len(body) for body in tally.results} == {size}


async def test_reading_a_stream_after_its_block_always_fails(server, context):
    async with httpx.AsyncClient(verify=context) as client:

        async def after_the_block(read):
            async with client.stream("GET", server.url + "/bytes?size=2") as response:
                pass
            return await response.aread() if read == "aread" else response.text

        for read, error in (("aread", httpx.StreamClosed), ("text", httpx.ResponseNotRead)):
            late = await run_trials(partial(after_the_block, read), N)
            assert {type(raised) for raised in late.exceptions} == {error}
            assert late.ok == 0
            assert not issubclass(error, httpx.HTTPError)
