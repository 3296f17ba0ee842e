"""The process in which an answer runs: what it notes there, and what ends with it."""

import asyncio
import dataclasses
import os
import socket
import ssl
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from time import sleep

import httpx
import psutil
import pytest
from fetch_exercise import (
    FETCH,
    SHORT,
    asks_twice,
    compiled,
    right,
    wrong_words,
)
from jupyter_client.manager import start_new_async_kernel
from test_server_kernel import run

from workbench.checking import child
from workbench.checking.proof import report_on
from workbench.checking.run import run_check

pytestmark = pytest.mark.usefixtures("no_socket_left")


async def sleeps(url):
    time.sleep(0.01)
    return await right(url)


async def sleeps_by_name(url):
    sleep(0.01)
    return await right(url)


async def asks_in_a_blocking_way(url):
    return httpx.get(url + "/echo").status_code


async def waits_for_a_thread(url):
    with ThreadPoolExecutor() as pool:
        return pool.submit(httpx.get, url + "/echo").result().status_code


@pytest.mark.parametrize(
    ("answer", "call"),
    [
        (sleeps, "`time.sleep(0.01)`, line 2 of your function"),
        (sleeps_by_name, "`time.sleep(0.01)`, line 2"),
        (asks_in_a_blocking_way, "`socket.connect()`, line 2"),
        (waits_for_a_thread, "`Future.result()`, line 3"),
    ],
)
def test_an_answer_that_stops_the_loop_is_wrong(answer, call):
    assert f"Your code stopped it: {call}" in repr(run_check(FETCH, answer))


def test_a_blocking_call_in_a_thread_stops_nothing():
    async def answer(url):
        return (await asyncio.to_thread(httpx.get, url + "/echo")).status_code

    assert run_check(FETCH, answer).outcome == "correct"


async def check_nothing_left(attempt, server):
    await attempt(server.url)
    await attempt.require_nothing_left()


NOTHING_LEFT = dataclasses.replace(FETCH, check=check_nothing_left)


async def leaves_a_task(url):
    client = httpx.AsyncClient()
    await client.get(url + "/echo")
    leaves_a_task.closing = asyncio.create_task(client.aclose())


async def leaves_a_connection(url):
    leaves_a_connection.client = httpx.AsyncClient()
    await leaves_a_connection.client.get(url + "/echo")


async def leaves_a_loop(url):
    asyncio.new_event_loop()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (leaves_a_task, "a task still ran that nobody waited for: `AsyncClient.aclose`"),
        (leaves_a_connection, "1 connection was still open"),
        (leaves_a_loop, "1 event loop was not closed"),
    ],
)
def test_what_an_answer_leaves_behind_is_told(answer, words):
    assert words in repr(run_check(NOTHING_LEFT, answer))


def test_an_answer_that_leaves_nothing_behind_is_told_nothing():
    assert run_check(NOTHING_LEFT, right).outcome == "correct"


async def check_for_a_request(attempt, server):
    await attempt(server.url)
    attempt.require_request()


def test_first_is_said_that_nothing_was_asked():
    async def answer(url):
        pass

    words = "No request was made; nothing was raised, and `None` was returned."
    assert repr(report_on(FETCH, answer)).splitlines()[1] == words
    exercise = dataclasses.replace(FETCH, check=check_for_a_request)
    assert f"What happened: {words}" in wrong_words(answer, exercise)


# The process in which an answer runs


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("await asyncio.Event().wait()", "It was at line 2 of your function: `await asyncio.Event"),
        ("await asyncio.wait([asyncio.create_task(hangs())])", "It was at line 2 of your "),
        ("time.sleep(60)", "It was at line 2 of your function: `time.sleep(60)`"),
        ("while True: print('x' * 1000)", "It was at line 2 of your function: `while True"),
        ("while True:\n        try: pass\n        except: pass", "It was at line "),
    ],
)
def test_a_time_limit_names_the_line(code, words, capfd):
    hangs = "async def hangs():\n    await asyncio.Event().wait()\n\n"
    answer = compiled(f"{hangs}async def fetch(url):\n    {code}", asyncio=asyncio, time=time)
    report = run_check(SHORT, answer)
    assert report.outcome == "error"
    assert "Your function did not finish within 0.5 s, so it was stopped." in repr(report)
    assert words in repr(report)
    out, err = capfd.readouterr()
    assert len(out) <= child.MOST_PRINTED
    assert err == ""


class Mute(Exception):
    def __str__(self):
        raise ValueError


def test_an_exception_that_cannot_be_shown():
    async def answer(url):
        raise Mute

    assert "Mute, whose own text could not be had: ValueError" in repr(run_check(FETCH, answer))


@pytest.mark.parametrize(
    ("call", "words"), [("os._exit(3)", "with exit code 3, as `os._exit(3)`"), ("exit()", "Exit")]
)
def test_an_answer_may_end_its_own_process_only(call, words):
    answer = compiled(f"async def fetch(url):\n    {call}", os=os)
    report = run_check(FETCH, answer)
    assert report.outcome == "error"
    assert words in repr(report)


def test_an_answer_may_break_its_own_httpx_only():
    async def answer(url):
        httpx.AsyncClient = None
        return 200

    assert run_check(FETCH, answer).outcome == "wrong"
    assert run_check(FETCH, right).outcome == "correct"


def test_what_an_answer_prints_is_printed(capfd):
    async def answer(url):
        print("héllo")
        os.write(1, b"raw\n")
        return await right(url)

    assert run_check(FETCH, answer).outcome == "correct"
    assert capfd.readouterr().out.splitlines() == ["héllo", "raw"]


OUTSIDE = """
lock, local, context = threading.Lock(), threading.local(), ssl.create_default_context()
clients, user, gate = weakref.WeakKeyDictionary(), ContextVar("user"), asyncio.Semaphore(1)

@lru_cache(maxsize=None)
def client():
    return httpx.AsyncClient(verify=context)

async def fetch(url):
    with lock:
        local.user = user.set("anna")
    async with gate, client():
        clients[asyncio.get_running_loop()] = client()
        assert context.check_hostname and context.cert_store_stats()["x509"]
        return (await client().get(url + "/echo")).status_code
"""


def test_an_answer_takes_along_what_stands_outside_of_it():
    names = (asyncio, ssl, threading, weakref)
    answer = compiled(
        OUTSIDE,
        **{module.__name__: module for module in names},
        ContextVar=ContextVar,
        lru_cache=lru_cache,
    )
    report = run_check(FETCH, answer)
    assert report.outcome == "correct", report


def test_what_cannot_be_taken_along_is_named():
    with socket.socket() as connection:
        answer = compiled("async def fetch(url):\n    return sock", sock=connection)
        report = run_check(FETCH, answer)
    assert report.outcome == "error"
    assert "It refers to `sock`, an object of type `socket`" in repr(report)


IN_A_CELL = f"""
import asyncio, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from fetch_exercise import FETCH
from workbench.checking.proof import report_on
from workbench.checking.run import run_check
import matplotlib, psutil

async def fetch(url):
    import sys
    assert not {{"IPython", "matplotlib", "ipykernel", "ipywidgets"}} & set(sys.modules)
    print("runs")
    await asyncio.sleep(3600)
"""


@pytest.mark.anyio
@pytest.mark.skipif(os.name != "posix", reason="signals a process")
async def test_in_a_kernel_that_is_interrupted():
    manager, client = await start_new_async_kernel()
    try:
        assert await run(client, IN_A_CELL) == ""
        running = asyncio.create_task(run(client, "run_check(FETCH, fetch)"))
        kernel = psutil.Process(manager.provisioner.pid)
        while not kernel.children():
            await asyncio.sleep(0.01)
        await asyncio.sleep(1)
        await manager.interrupt_kernel()
        with pytest.raises(RuntimeError, match="KeyboardInterrupt"):
            await running
        left = "print([c for c in psutil.Process().children() if c.status() != 'zombie'])"
        assert await run(client, left) == "[]\n"  # what was killed is reaped by the next check
        fails = "async def fetch(url):\n    return [][0]\nprint(run_check(FETCH, fetch))"
        assert "line 2 of your function: `return [][0]`" in await run(client, fails)
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)


@pytest.mark.anyio
async def test_while_a_loop_runs():
    assert run_check(FETCH, right).outcome == "correct"
    assert run_check(FETCH, asks_twice).outcome == "wrong"
