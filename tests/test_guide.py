"""diagnose: each row's failure is found, in all the forms that a log gives it; nothing else is."""

import asyncio
import json
import pickle
import socket
import subprocess
import sys
import traceback
import zipfile
from unittest import mock

import httpx
import pytest
from diagnosed import failure, keys, refusal
from lesson import FOLDER

from course.guide import FieldGuide, diagnose
from course.guide.faces import FACES, ROWS
from course.guide.page import missing_in
from course.guide.rows import Read

# The words


def test_the_rows_have_names_and_lessons_of_their_own():
    assert len({row.key for row in ROWS}) == len(ROWS)
    for row in ROWS:
        assert row.lessons
        for lesson in row.lessons:
            assert (FOLDER / lesson).is_file(), (row.key, lesson)


def test_rows_that_share_a_face_each_have_an_answer():
    for face in FACES:
        if len(face.rows) > 1:
            assert all(row.answer for row in face.rows), face.says


def test_a_failure_that_is_another_rows_is_not_noted():
    guide = FieldGuide()
    with pytest.raises(AssertionError, match="found were"):
        guide.note("stale", httpx.ReadTimeout(""), 0)
    with pytest.raises(AssertionError, match="received 1 times"):
        guide.note("stale", disconnected(), 1)
    guide.note("stale", disconnected(), 0)
    assert "stale" not in guide.missing
    with pytest.raises(KeyError):
        guide.note("no such row", disconnected(), 0)


def disconnected():
    return httpx.RemoteProtocolError("Server disconnected without sending a response.")


def test_what_a_notebook_does_not_say_is_not_read():
    assert missing_in(Read("12-field-guide.ipynb", "these words stand nowhere"), FOLDER)
    guide = FieldGuide(lessons=FOLDER)
    guide.read_lessons()
    assert {row.key for row in ROWS if row.read} == guide.rows.keys() - guide.missing


# The forms of a log


async def test_a_traceback_and_its_last_line_say_what_the_error_says():
    error = await refusal()
    lines = traceback.format_exception(error)
    among = {"refused", "dead proxy", "descriptors"}
    assert set(keys("".join(lines))) == set(keys(lines[-1])) == set(keys(repr(error))) == among
    # The error itself knows its root, a traceback does not.
    assert set(keys(error)) == {"refused", "dead proxy"}


@pytest.mark.parametrize(
    "line",
    [
        "httpx.ReadTimeout",
        "httpx.ReadTimeout: ",
        "ReadTimeout('')",
        "2026-11-24 03:00:01 ERROR prices: ReadTimeout('')",
        '{"level": "error", "error": "ReadTimeout(\'\')", "attempt": 2}',
        "E       httpx.ReadTimeout",
        "FAILED tests/test_prices.py::test_sync - httpx.ReadTimeout",
    ],
)
def test_an_error_without_a_text_is_found_in_a_line(line):
    assert "silent" in keys(line)


@pytest.mark.parametrize("name", ["ConnectionRefusedError", "OSError(24, 'Too many open files')"])
def test_a_root_in_the_line_leaves_fewer_rows(name):
    found = keys(f"ERROR ConnectError('All connection attempts failed') from {name}")
    assert found == (["descriptors"] if "24" in name else ["refused", "dead proxy"])


def test_a_root_that_is_none_of_the_rows_is_not_guessed_at():
    error = httpx.ConnectError("All connection attempts failed")
    error.__context__ = OSError(101, "Network is unreachable")
    assert not keys(error)
    assert not keys(f"{error!r} from OSError(101, 'Network is unreachable')")
    error.__context__ = None  # nothing is known
    assert len(keys(error)) == 3


async def test_of_tracebacks_below_each_other_the_last_one_counts():
    error = await refusal()
    with pytest.raises(KeyError) as other:
        try:
            raise error
        except httpx.ConnectError:
            raise KeyError("price")  # noqa: B904
    handled = "".join(traceback.format_exception(other.value))
    assert not keys(other.value)
    with pytest.raises(LookupError) as other:
        raise LookupError("no price") from error
    caused = "".join(traceback.format_exception(other.value))
    assert set(keys(other.value)) == {"refused", "dead proxy"}
    assert not keys(handled)
    assert "refused" in keys(caused)


async def test_each_member_of_a_group_is_diagnosed():
    group = ExceptionGroup("two", [await refusal(), ValueError("x"), httpx.PoolTimeout("")])
    assert {"refused", "leak"} <= set(keys(group))


async def test_a_copy_that_has_lost_its_chain_is_not_narrowed():
    error = await refusal()
    assert len(keys(pickle.loads(pickle.dumps(error)))) > len(keys(error))


# Loops and tasks


LATER_LOOP = """
import asyncio, sys, httpx
client = httpx.AsyncClient()

async def get():
    await client.get(sys.argv[1])

asyncio.run(get())
asyncio.run(get())
"""
CLOSED_TOO_LATE = """
import asyncio, sys, httpx

class ClosedTooLate(httpx.AsyncClient):
    def __del__(self):
        asyncio.get_running_loop().create_task(self.aclose())

async def get(client):
    await client.get(sys.argv[1])

async def main():
    client = ClosedTooLate()
    await asyncio.to_thread(asyncio.run, get(client))
    del client
    await asyncio.sleep(0)

asyncio.run(main())
"""


def log_of(program, url):
    """What Python writes by itself when the program fails."""
    command = [sys.executable, "-W", "ignore", "-c", program, url]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


def test_python_and_asyncio_say_which_of_two_it_is(server):
    log = log_of(LATER_LOOP, server.url + "/echo")
    assert keys(log) == ["later loop", "closed late"]
    log = log_of(CLOSED_TOO_LATE, server.url + "/echo")
    assert "Task exception was never retrieved" in log
    assert keys(log) == ["closed late"]


def test_a_closed_loop_is_mine_only_where_httpx_was_at_work():
    loop = asyncio.new_event_loop()
    loop.close()
    with pytest.raises(RuntimeError, match="Event loop is closed") as caught:
        loop.call_soon(print)
    assert not keys(caught.value)
    assert not keys("".join(traceback.format_exception(caught.value)))
    assert keys("RuntimeError: Event loop is closed") == ["later loop", "closed late"]


async def test_a_deadline_is_mine_only_where_httpx_was_at_work(server):
    async with httpx.AsyncClient() as client:
        call = client.get(server.url + "/faults/silence")
        error = await failure(asyncio.wait_for(call, 0.1))
    assert keys(error) == ["own deadline"]
    assert keys("".join(traceback.format_exception(error))) == ["own deadline"]
    assert not keys(await failure(asyncio.wait_for(asyncio.sleep(5), 0.01)))
    assert not keys("TimeoutError")


# What lesson 12 reads from other notebooks is found by its real error, too


async def test_what_was_not_awaited():
    async with httpx.AsyncClient() as client:
        call = client.get("http://prices.example/")
        with pytest.raises(TypeError) as caught:
            async with call:
                pass
        assert keys(caught.value) == ["no await"]
        with pytest.raises(AttributeError) as caught:
            call.status_code  # noqa: B018
        assert keys(caught.value) == ["no await"]
        with pytest.raises(AttributeError) as caught:
            call.no_such_thing  # noqa: B018
        assert not keys(caught.value)
        call.close()


async def test_opened_again_and_spelled_wrong():
    async with httpx.AsyncClient() as client:
        pass
    assert keys(await failure(client.__aenter__())) == ["opened twice"]
    with pytest.raises(ValueError, match="must either include") as caught:
        httpx.Timeout(connect=5.0, read=30.0)
    assert keys(caught.value) == ["timeout spelled"]


async def test_names_on_other_systems():
    for text in (
        "[Errno -3] Temporary failure in name resolution",
        "[Errno 8] nodename nor servname provided, or not known",
        "[Errno 11001] getaddrinfo failed",
    ):
        assert keys(httpx.ConnectError(text)) == ["no such name"]
    assert "refused" in keys(httpx.ConnectError("[Errno 61] Connection refused"))
    assert "reset" in keys("httpx.ReadError: [Errno 54] Connection reset by peer")


async def test_a_resolver_that_fails():
    unknown = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    with mock.patch("socket.getaddrinfo", side_effect=unknown):
        async with httpx.AsyncClient() as client:
            assert keys(await failure(client.get("http://prices.example/"))) == ["no such name"]


# What is none of the rows


async def test_answers_are_no_failures_of_the_wire(server):
    async with httpx.AsyncClient() as client:
        response = await client.get(server.url + "/status?code=500")
        with pytest.raises(httpx.HTTPStatusError) as caught:
            response.raise_for_status()
        assert not keys(caught.value)
        assert not keys("".join(traceback.format_exception(caught.value)))
        with pytest.raises(json.JSONDecodeError) as caught:
            (await client.get(server.url + "/bytes?size=10")).json()
        assert not keys(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("0"),
        httpx.ReadError("a text that nobody has seen"),
        httpx.ConnectError("[Errno 113] No route to host"),
        httpx.ProxyError("Invalid authentication method"),
        httpx.ConnectError(
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: no (_ssl.c:1)"
        ),
        httpx.RemoteProtocolError("illegal status line"),
        httpx.UnsupportedProtocol("Request URL is missing an 'http://' or 'https://' protocol."),
        httpx.TooManyRedirects("Exceeded maximum allowed redirects."),
        RuntimeError("This event loop is already running"),
        TimeoutError(110, "Connection timed out"),
        zipfile.BadZipFile(""),
        "",
        "all is well",
        "ReadTimeout is what we had last week",
        "requests.exceptions.ReadTimeout: HTTPConnectionPool(host='a', port=1): Read timed out.",
        "requests.exceptions.ConnectionError: ('Connection aborted.', "
        "RemoteDisconnected('Remote end closed connection without response'))",
        "urllib3.exceptions.ReadTimeoutError: HTTPConnectionPool(host='a', port=1)",
        "aiohttp.client_exceptions.ServerDisconnectedError: Server disconnected",
        "aiohttp.client_exceptions.ClientConnectorError: Cannot connect to host a:80",
        "asyncio.exceptions.CancelledError",
        "httpcore.ReadTimeout",
        "httpx2.ReadTimeout",
        "my_sdk.errors.ConnectTimeout",
    ],
    ids=repr,
)
def test_what_the_course_has_not_made_is_not_one_of_mine(error):
    found = diagnose(error)
    assert not found.rows
    assert "not one of mine" in repr(found)
    assert "not one of mine" in found._repr_html_()


def test_what_is_neither_an_error_nor_a_text_is_refused():
    for wrong in (None, 3, httpx.ReadTimeout, b"ReadTimeout"):
        with pytest.raises(TypeError, match="an exception or a text"):
            diagnose(wrong)
