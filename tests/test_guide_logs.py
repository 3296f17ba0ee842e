"""diagnose reads what is pasted, from groups, pytest, JSON, with prefixes; nothing breaks it."""

import asyncio
import json
import traceback

import anyio
import diagnosed
import httpx
import pytest
from diagnosed import failure, keys

from course.exercises import ex_12_1
from course.guide import diagnose
from server.http2 import Http2Server


@pytest.fixture
async def refusal():
    return await diagnosed.refusal()


REFUSED = {"refused", "dead proxy", "descriptors"}


def printed(error):
    return "".join(traceback.format_exception(error))


def as_json(log):
    return json.dumps({"level": "error", "logger": "prices", "exc_info": log})


def as_a_docker_log(log):
    times = range(len(log.splitlines()))
    lines = zip(times, log.splitlines(), strict=True)
    return "\n".join(f"2026-11-24T03:00:{n:02}Z prices-7d | {line}" for n, line in lines)


@pytest.mark.parametrize(
    "form",
    [
        str,
        as_json,
        as_a_docker_log,
        lambda log: f"ERROR:    Exception in ASGI application\n{log}INFO:     127.0.0.1 - 200 OK\n",
        lambda log: "".join(f"    {line}\n" for line in log.splitlines()),
        lambda log: "".join(f"> {line}".rstrip() + "\n" for line in log.splitlines()),
        lambda log: log.replace("\n", "\r\n"),
        lambda log: log.replace("httpx.ConnectError", "\x1b[1;35mhttpx.ConnectError\x1b[0m"),
        lambda log: log + "while asking for stock/17\n",
    ],
    ids=["as it is", "JSON", "docker", "uvicorn", "indented", "quoted", "CRLF", "colours", "note"],
)
async def test_a_traceback_is_read_as_whatever_it_was_pasted(refusal, form):
    assert set(keys(form(printed(refusal)))) == REFUSED
    with pytest.raises(LookupError) as own:
        raise LookupError("no price") from refusal
    assert set(keys(form(printed(own.value)))) == REFUSED


@pytest.mark.parametrize("form", [str, as_json, as_a_docker_log], ids=lambda form: form.__name__)
async def test_each_member_of_a_group_is_read_from_its_traceback(refusal, form):
    inner = ExceptionGroup("inner", [httpx.PoolTimeout(""), KeyError("price")])
    group = ExceptionGroup("unhandled errors in a TaskGroup", [refusal, inner, ValueError("x")])
    with pytest.raises(ExceptionGroup) as caught:
        raise group
    found = keys(form(printed(caught.value)))
    assert set(found) > REFUSED
    assert "leak" in found
    with pytest.raises(LookupError) as own:
        raise LookupError("no price") from group
    assert set(keys(own.value)) >= {"refused", "leak"}
    line = ex_12_1.solution(ExceptionGroup("two", [refusal, httpx.PoolTimeout("")]))
    assert {"refused", "leak"} <= set(keys(line))


@pytest.mark.parametrize(
    "line",
    [
        'ERROR: ConnectError("All connection attempts failed")',
        "Failed: ConnectError('All connection attempts failed')",
        "PriceError: ConnectError('All connection attempts failed')",
        '{"msg": "ConnectError(\\"All connection attempts failed\\")"}',
        "E   httpx.ConnectError: All connection attempts failed",
        "x.py:3: in get\n    raise error from None\nE   httpx.ConnectError: All connection attempts"
        " failed\n=== short test summary info ===\nFAILED x.py::t - httpx.ConnectError: All con...",
    ],
)
def test_what_stands_before_an_error_is_not_part_of_it(line):
    assert set(keys(line)) == REFUSED


def test_a_type_without_a_text_may_be_each_of_its_faces():
    found = diagnose("ERROR search: ConnectError")
    assert REFUSED | {"no such name", "expired", "no handshake"} <= {row.key for row in found.rows}
    assert "its text is not there; this is one of 5 faces" in repr(found)
    assert keys("httpx.ConnectError: ") == keys("ConnectError('')") == ["no handshake"]
    assert "one of" not in repr(diagnose("ReadTimeout"))
    for not_ours in ("RuntimeError", "ValueError", "ConnectionError"):
        assert not keys(f"ERROR search: {not_ours}")


def test_code_that_names_an_error_is_none():
    log = "    except httpx.ReadTimeout:\n        raise PoolTimeout\nE   KeyError: 'price'"
    assert not keys(log)
    assert not keys("except httpx.ReadTimeout:")


async def test_the_line_of_12_1_says_which_read_error_it_was(server):
    client = httpx.AsyncClient()
    call = asyncio.create_task(client.get(server.url + "/faults/hold?gate=closing"))
    await server.gates.reached("closing")
    await client.aclose()
    assert keys(ex_12_1.solution(await failure(call))) == ["own close"]
    async with httpx.AsyncClient() as client:
        error = await failure(client.get(server.url + "/faults/reset"))
    assert keys(ex_12_1.solution(error)) == ["reset", "hop reset"]


def test_of_a_loop_that_is_closed_the_task_says_which_it_is():
    never = "Task exception was never retrieved\nfuture: <Task finished name='Task-5' coro=<{}() "
    never += "done, defined at /x.py:1> exception=RuntimeError('Event loop is closed')>"
    assert keys(never.format("AsyncClient.aclose")) == ["closed late"]
    assert keys(never.format("fetch")) == ["later loop", "closed late"]


def test_goodbyes_of_http2():
    goaway = "<ConnectionTerminated error_code:{}, last_stream_id:{}, additional_data:{}>"
    assert keys(httpx.RemoteProtocolError(goaway.format(0, 0, None))) == ["goaway none"]
    assert keys(f"httpx.RemoteProtocolError: {goaway.format(11, 19, 'calm')}") == ["goaway"]
    reset = "httpx.RemoteProtocolError: <StreamReset stream_id:5, error_code:{}, remote_reset:True>"
    assert keys(reset.format(7)) == ["http2 refused"]
    assert not keys(reset.format(8))


async def test_places_that_were_given_up():
    def only_first(connection, stream):
        if stream.nth == 1:
            connection.answer(stream)

    with Http2Server(only_first, max_streams=1) as partner:
        async with httpx.AsyncClient(http1=False, http2=True) as client:
            await client.get(partner.url)  # the client knows how many places there are
            given_up = asyncio.create_task(client.get(partner.url))
            has_it = lambda ledger: ledger.totals()["request"] == 2  # noqa: E731
            await asyncio.to_thread(partner.ledger.wait_until, has_it)
            given_up.cancel()
            await asyncio.wait([given_up])
            error = await failure(client.get(partner.url))
    assert keys(error) == ["places given up", "place on a dead connection"]
    assert partner.ledger.totals()["request"] == 2


async def test_a_server_that_asks_to_wait(server):
    async with httpx.AsyncClient() as client:
        for status in (429, 503):
            response = await client.get(f"{server.url}/status?code={status}")
            with pytest.raises(httpx.HTTPStatusError) as caught:
                response.raise_for_status()
            forms = (caught.value, repr(caught.value), printed(caught.value))
            assert [keys(form) for form in forms] == [["told to wait"]] * 3


async def test_what_happens_as_a_failure_of_httpx_is_handled_may_be_anothers(server):
    """A deadline around something else, a closed loop of something else: not httpx's."""
    closed = asyncio.new_event_loop()
    closed.close()

    async def get_or(fallback):
        async with httpx.AsyncClient() as client:
            try:
                await client.get(server.url + "/faults/reset")
            except httpx.HTTPError:
                await fallback()

    async def too_slow():
        async with asyncio.timeout(0.01):
            await asyncio.Event().wait()

    async def in_a_closed_loop():
        closed.call_soon(print)

    for fallback in (too_slow, in_a_closed_loop):
        error = await failure(get_or(fallback))
        assert isinstance(error.__context__ or error.__cause__.__context__, Exception)
        assert not keys(error), fallback
        assert not keys(printed(error)), fallback


async def test_a_traceback_of_httpx_earlier_in_a_log_does_not_make_the_last_one_httpxs(server):
    async with httpx.AsyncClient() as client:
        earlier = printed(await failure(client.get(server.url + "/faults/reset")))
    deadline = printed(await failure(asyncio.wait_for(asyncio.Event().wait(), 0.01)))
    assert not keys(f"{earlier}2026-11-24 03:00:01 ERROR prices\n{deadline}")
    assert keys(f"{deadline}2026-11-24 03:00:01 ERROR prices\n{earlier}") == keys(earlier)
    # An error with a cause, and another failure before it that is no cause of it.
    wrapped = f"{earlier}ERROR\n{printed(ValueError('17'))}ERROR\n{deadline}"
    assert not keys(wrapped)


def test_words_of_an_earlier_line_do_not_narrow_the_last_one():
    handshake = "ERROR ConnectTimeout('_ssl.c:989: The handshake operation timed out')"
    assert keys(handshake) == ["handshake"]
    assert len(keys(f"{handshake}\nERROR ConnectTimeout('')")) > 1
    late = "future: <Task finished coro=<AsyncClient.aclose() done, defined at /x.py:1> "
    late += "exception=RuntimeError('Event loop is closed')>"
    assert keys(f"{late}\nRuntimeError: Event loop is closed") == ["closed late"]
    assert len(keys(f"{late}\nINFO\nRuntimeError: Event loop is closed")) == 2


async def test_a_deadline_of_anyio_is_found(server):
    async def within():
        with anyio.fail_after(0.05):
            async with httpx.AsyncClient() as client:
                await client.get(server.url + "/faults/silence")

    error = await failure(within())
    assert keys(error) == keys(printed(error)) == ["own deadline"]


async def test_a_response_that_is_closed_under_its_reader(server):
    async with httpx.AsyncClient() as client:
        request = client.build_request("GET", server.url + "/faults/headers-only")
        response = await client.send(request, stream=True)
        reading = asyncio.create_task(response.aread())
        await asyncio.sleep(0)
        await response.aclose()
        assert keys(await failure(reading)) == ["own close"]


def ring():
    error = httpx.ReadTimeout("")
    error.__cause__ = error
    return error


def long_chain():
    error = None
    for _ in range(5000):
        later = httpx.ReadTimeout("")
        later.__context__ = error
        error = later
    return error


@pytest.mark.parametrize(
    "error",
    [
        ring(),
        long_chain(),
        "ReadTimeout('')\n" * 20_000,
        "ReadTimeout('\\x')",
        "ReadTimeout('\\N{none}')",
        "A('" + "\\a" * 100_000,
        "A." * 100_000,
        "{" * 100_000,
        '{"a":' * 100_000,
        "Traceback (most recent call last):",
        '  + Exception Group Traceback (most recent call last):\n  |   File "x"',
        "    +---------------- 1 ----------------",
        "\x00\udcff",
    ],
    ids=range(13),
)
def test_nothing_makes_it_fail(error):
    found = diagnose(error)
    assert set(found.rows) <= set(diagnose("ReadTimeout").rows)
    assert repr(found)
    assert found._repr_html_()
