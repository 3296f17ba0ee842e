"""Lesson 06: how a client fails across event loops, beyond what its cells assert."""

import asyncio
import traceback
from contextvars import ContextVar

import httpx
import pytest

from course.exercises import find
from server.local import LocalServer
from workbench.checking.proof import report_on
from workbench.trials import run_trials

LOOP_IS_CLOSED = "RuntimeError: Event loop is closed"
EVERY_OTHER = "OK FAIL OK FAIL OK FAIL"


# A socket whose loop is closed can only be closed by the garbage collector, which warns of it.
leaves_sockets = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


async def fetch(client, url):
    response = await client.get(url)
    return response.status_code


async def six_runs(server, job=fetch, pause=0.0, **options):
    """Return the tally of six `asyncio.run` with one client, and what the server saw."""
    client = httpx.AsyncClient(verify=False, **options)

    async def run():
        try:
            return await asyncio.to_thread(asyncio.run, job(client, server.url + "/echo"))
        finally:
            await asyncio.sleep(pause)

    with server.ledger.watch() as seen:
        tally = await run_trials(run, 6)
    for error in tally.exceptions:  # their tracebacks keep the sockets
        error.__traceback__ = error.__context__ = None
    return tally, seen


@leaves_sockets
@pytest.mark.anyio
@pytest.mark.parametrize(
    "options",
    [{"timeout": 60}, {"transport": httpx.AsyncHTTPTransport(verify=False, retries=3)}],
    ids=["timeout", "retries"],
)
async def test_neither_patience_nor_retries_help(server, options):
    tally, seen = await six_runs(server, **options)
    assert tally.row() == EVERY_OTHER
    assert tally.counts == {"OK": 3, LOOP_IS_CLOSED: 3}
    assert (seen.connections, seen.requests) == (3, 6)


@leaves_sockets
@pytest.mark.anyio
async def test_after_the_keep_alive_time_it_fails_before_it_sends(server):
    tally, seen = await six_runs(
        server, pause=0.1, limits=httpx.Limits(max_connections=100, keepalive_expiry=0.03)
    )
    assert tally.row() == EVERY_OTHER
    assert tally.counts == {"OK": 3, LOOP_IS_CLOSED: 3}
    assert (seen.connections, seen.requests) == (3, 3)


@leaves_sockets
@pytest.mark.anyio
async def test_it_fails_as_well_once_the_server_has_closed_the_connection():
    with LocalServer(timeout_keep_alive=0.05) as hasty:
        tally, seen = await six_runs(hasty, pause=0.3)
    assert tally.row() == EVERY_OTHER
    assert (seen.connections, seen.requests) == (3, 3)
    assert {event.by for event in seen.events if event.kind == "closed"} == {"server"}


@leaves_sockets
@pytest.mark.anyio
async def test_sending_needs_the_loop_where_the_socket_does_not_take_it_whole(server):
    client = httpx.AsyncClient(verify=False)
    await asyncio.to_thread(asyncio.run, fetch(client, server.url + "/echo"))
    large = client.post(server.url + "/echo", content=bytes(20_000_000))
    with pytest.raises(RuntimeError, match="Event loop is closed") as caught:
        await asyncio.to_thread(asyncio.run, large)
    first = caught.value.__context__
    assert "SocketStream.send" in {
        frame.f_code.co_qualname for frame, _ in traceback.walk_tb(first.__traceback__)
    }
    first.__traceback__ = caught.value.__traceback__ = None


# The cures


@pytest.mark.anyio
@pytest.mark.parametrize(
    "options",
    [{"limits": httpx.Limits(max_keepalive_connections=0)}, {"headers": {"Connection": "close"}}],
    ids=["max_keepalive_connections=0", "Connection: close"],
)
async def test_where_nothing_is_kept_nothing_fails_and_no_job_reuses_its_connection(
    server, options
):
    async def fetch_twice(client, url):
        await fetch(client, url)
        return await fetch(client, url)

    tally, seen = await six_runs(server, job=fetch_twice, **options)
    assert tally.failed == 0
    assert (seen.connections, seen.requests) == (12, 12)


@pytest.mark.anyio
async def test_a_client_for_each_loop_reuses_its_connection_within_the_job(server):
    async def run_with_own_client():
        async with httpx.AsyncClient(verify=False) as client:
            await fetch(client, server.url + "/echo")
            return await fetch(client, server.url + "/echo")

    with server.ledger.watch() as seen:
        tally = await run_trials(lambda: asyncio.to_thread(asyncio.run, run_with_own_client()), 6)
    assert tally.failed == 0
    assert (seen.connections, seen.requests, seen.closed) == (6, 12, 6)


# Answers that are in no gallery


def goes_by_id():
    clients = {}

    def get_client():
        loop = id(asyncio.get_running_loop())
        if loop not in clients or clients[loop].is_closed:
            clients[loop] = httpx.AsyncClient()
        return clients[loop]

    return get_client


def keeps_it_in_a_context_variable():
    kept = ContextVar("kept")

    def get_client():
        client = kept.get(None)
        if client is None or client.is_closed:
            kept.set(client := httpx.AsyncClient())
        return client

    return get_client


def raises_another_exception(url, jobs):
    async def main():
        async with httpx.AsyncClient() as client:
            return [(await client.post(url + "/echo", json=job)).json()["json"] for job in jobs]

    try:
        return asyncio.run(main())
    except Exception as error:
        raise RuntimeError("a job failed") from error


@leaves_sockets
@pytest.mark.parametrize(
    ("exercise", "answer", "says"),
    [
        # An id comes again, or it does not: then the connections are left.
        ("06-2", goes_by_id, "such as a loop's `id()`|whoever keeps the client keeps the loop"),
        ("06-2", keeps_it_in_a_context_variable, "Two tasks of one loop"),
        ("06-1", raises_another_exception, "would not catch it"),
    ],
)
def test_a_wrong_answer_is_refused_with_words_that_are_so(exercise, answer, says):
    report = report_on(find(exercise), answer)
    assert report.outcome == "wrong"
    assert any(words in report.text() for words in says.split("|"))
