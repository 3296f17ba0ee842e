"""How an answer is judged: outcomes and words, the process it runs in, hints, the proof."""

import asyncio
import dataclasses
import gc
import os
import socket
import ssl
import sys
import threading
import time
import warnings
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from time import sleep

import httpx
import psutil
import pytest
from fetch_exercise import FETCH, SHORT, asks_twice, compiled, fetch, returns_none, right
from jupyter_client.manager import start_new_async_kernel
from test_server_kernel import run

import course.exercises as exercises
from course.exercises import check, find, hint, ids, open_solutions, solution
from workbench.checking import child
from workbench.checking.progress import Progress
from workbench.checking.proof import examine, report_on
from workbench.checking.record import Wrong, WrongAnswer, expect, still_open
from workbench.checking.run import run_check
from workbench.message import OUTCOMES

pytestmark = pytest.mark.usefixtures("no_socket_left")


@pytest.fixture
def fresh(monkeypatch):
    """An exercise "99-1" that check, hint and solution find, and no memory of earlier tries."""
    monkeypatch.setattr(exercises, "_progress", {})
    monkeypatch.setattr(Progress, "all_open", False)
    monkeypatch.setattr(exercises, "find", lambda exercise_id: FETCH)


# The four outcomes


def test_correct():
    report = report_on(FETCH, right)
    assert report.outcome == "correct"
    assert repr(report) == "Exercise 99-1: correct\nIt asks once."


def test_wrong_says_what_was_expected_what_happened_and_what_the_ledger_saw():
    report = report_on(FETCH, asks_twice)
    assert report.outcome == "wrong"
    assert repr(report) == "\n".join(
        [
            "Exercise 99-1: wrong",
            "Expected: One request.",
            "What happened: 2 came.",
            "The server saw 1 connection opened, 2 requests, 2 whole responses.",
            "  connection 1  opened",
            "  connection 1  request 1: GET /echo",
            "  connection 1  response 1: 200",
            "  connection 1  request 2: GET /echo",
            "  connection 1  response 2: 200",
            "  connection 1  closed by the client",
            '`hint("99-1")` gives a hint.',
        ]
    )


def test_the_html_says_the_same():
    bundle = report_on(FETCH, asks_twice)._repr_mimebundle_()
    assert "Exercise 99-1: wrong" in bundle["text/html"]
    assert "closed by the client" in bundle["text/html"]
    assert "<code>hint(&quot;" in bundle["text/html"] or '<code>hint("' in bundle["text/html"]


def test_html_is_escaped():
    async def answer(url):
        raise ValueError("<script>")

    assert "&lt;script&gt;" in report_on(FETCH, answer)._repr_mimebundle_()["text/html"]


def test_error_names_the_exception_and_the_learners_line():
    async def answer(url):
        numbers = []
        return numbers[0]

    report = report_on(FETCH, answer)
    assert report.outcome == "error"
    assert "IndexError: list index out of range" in repr(report)
    assert "line 3 of your function: `return numbers[0]`" in repr(report)
    assert __file__ not in repr(report)


def test_error_without_a_message_is_named_by_its_repr():
    async def answer(url):
        async with httpx.AsyncClient() as client:
            await client.get(url + "/faults/reset")

    report = report_on(FETCH, answer)
    assert "ReadError('')" in repr(report)
    assert "line 3 of your function" in repr(report)
    assert "The server saw 1 connection opened, 1 request, 0 whole" in repr(report)


def test_error_in_a_function_that_the_learners_calls():
    cell = "def helper(text):\n    return int(text)\n\nasync def fetch(url):\n    helper('x')"
    assert "line 2 of your `helper`: `return int(text)`" in repr(report_on(FETCH, compiled(cell)))


def test_error_in_a_library_names_the_learners_line():
    async def answer(url):
        httpx.URL(17)

    assert "line 2 of your function: `httpx.URL(17)`" in repr(report_on(FETCH, answer))


def test_error_inside_a_comprehension_and_an_inner_function():
    async def answer(url):
        def inner():
            return [int(word) for word in ["x"]]

        return inner()

    assert "line 3 of your function: `return [int(word)" in repr(report_on(FETCH, answer))


def test_leaving_the_process_is_an_error_too():
    async def answer(url):
        sys.exit("bye")

    report = report_on(FETCH, answer)
    assert report.outcome == "error"
    assert "SystemExit: bye" in repr(report)


@pytest.mark.parametrize("raised", [KeyboardInterrupt, asyncio.CancelledError])
def test_other_base_exceptions_of_the_learners(raised):
    async def answer(url):
        raise raised

    assert report_on(FETCH, answer).outcome == "error"


def test_the_starter_is_not_attempted_and_nothing_runs():
    def serve():
        raise AssertionError("a server was started")

    report = report_on(dataclasses.replace(FETCH, serve=serve), fetch)
    assert report.outcome == "not attempted"
    assert repr(report) == (
        "Exercise 99-1: not attempted\nIt is still as it was given. Write your answer into `fetch` "
        'and run the cell again.\n`hint("99-1")` gives a hint.'
    )


@pytest.mark.parametrize(
    "source",
    [
        "async def fetch(url):\n    raise NotImplementedError",
        "\nasync def fetch(url):\n    '''Text.'''\n    # a comment\n    raise NotImplementedError",
        "async def fetch(url):\n    ...\n    return ...",
        "async def fetch(url):\n    return ...",
        "async def fetch(url):\n    url = url + '/'\n    raise NotImplementedError('later')",
    ],
)
def test_not_attempted(source):
    assert report_on(FETCH, compiled(source)).outcome == "not attempted"


def test_a_starter_that_runs_counts_only_while_it_is_unchanged():
    snippet = find("01-1")
    same = snippet.shown(snippet.starter)
    assert report_on(snippet, compiled(same, "place_order")).outcome == "not attempted"
    other = same.replace('"order": 17', '"order": 18')
    assert report_on(snippet, compiled(other, "place_order")).outcome == "error"


def test_a_part_still_to_be_written():
    class OpenClient:
        def __init__(self, url):
            self.url = url

        async def __aenter__(self):
            return httpx.AsyncClient(base_url=self.url)

        async def __aexit__(self, exc_type, exc, traceback):
            raise NotImplementedError

    report = report_on(find("02-1"), OpenClient)
    assert report.outcome == "not attempted"
    assert "line 2 of your `__aexit__`: `raise NotImplementedError`" in repr(report)


def test_every_outcome_is_told_apart_in_words():
    reports = [report_on(FETCH, answer) for answer in (fetch, asks_twice, returns_none, right)]
    assert {report.outcome for report in reports} <= set(OUTCOMES)
    assert all(report.outcome in report.title for report in reports)


# Other forms of a right answer


def test_the_stream_form_repairs_the_snippet():
    async def place_order(url):
        client = httpx.AsyncClient()
        try:
            async with client.stream("POST", url + "/echo", json={"order": 17}) as response:
                await response.aread()
                return response.status_code, response.json()
        finally:
            await client.aclose()

    assert report_on(find("01-1"), place_order).outcome == "correct"


def test_an_entered_client_is_right_in_the_class():
    class OpenClient:
        def __init__(self, url):
            self.client = httpx.AsyncClient(base_url=url)

        async def __aenter__(self):
            return await self.client.__aenter__()

        async def __aexit__(self, *exc_info):
            await self.client.__aexit__(*exc_info)

    assert report_on(find("02-1"), OpenClient).outcome == "correct"


def test_a_class_may_borrow_or_open():
    class borrow_or_open:
        def __init__(self, client=None):
            self.own = None if client is not None else httpx.AsyncClient()
            self.client = client or self.own

        async def __aenter__(self):
            return self.client

        async def __aexit__(self, *exc_info):
            if self.own is not None:
                await self.own.aclose()

    assert report_on(find("02-3"), borrow_or_open).outcome == "correct"


# What cannot be run


def test_an_unknown_exercise():
    with pytest.raises(ValueError, match="no exercise '98-7'; there are: 00-1, "):
        check("98-7", right)
    for call in (hint, solution):
        with pytest.raises(ValueError, match="98-7"):
            call("98-7")


def test_what_is_no_function_is_said_and_is_no_try(fresh):
    words = repr(check("99-1", right("http://127.0.0.1")))
    assert "Exercise 99-1: not attempted" in words
    assert '`check("99-1", fetch)`. It was called' in words
    assert "an object of type `int`" in repr(check("99-1", 3))
    assert "0 of 3 tries" in repr(solution("99-1"))


def wrong_words(answer, exercise=FETCH):
    report = report_on(exercise, answer)
    assert report.outcome == "wrong"
    return repr(report)


def test_a_plain_function():
    def answer(url):
        return 200

    assert "made by `def` without `async`" in wrong_words(answer)


def test_async_where_a_plain_function_or_a_class_is_needed(recwarn):
    async def create_app(upstream):
        return upstream

    words = wrong_words(create_app, find("09-1"))
    assert "It is made by `async def`" in words
    assert "coroutine object" not in words
    assert "It is a function, made by `async def`" in wrong_words(create_app, find("02-1"))
    gc.collect()
    assert not recwarn.list


def test_an_object_whose_call_is_async():
    class Fetch:
        async def __call__(self, url):
            return await right(url)

    class Fails:
        async def __call__(self, url):
            raise ValueError

    assert report_on(FETCH, Fetch()).outcome == "correct"
    assert "line 2 of your function: `raise ValueError`" in repr(report_on(FETCH, Fails()))


def test_an_async_generator():
    async def answer(url):
        yield 200

    assert "It has a `yield` in it" in wrong_words(answer)


def test_wrong_parameters():
    async def too_few():
        return 200

    async def too_many(url, client):
        return 200

    assert "`fetch(url)`" in wrong_words(too_few)
    assert "`fetch()`: too many positional arguments" in wrong_words(too_few)
    assert "`fetch(url, client)`: missing a required argument: 'client'" in wrong_words(too_many)


def test_an_optional_parameter_more_is_fine():
    async def answer(url, client=None):
        return await right(url)

    assert report_on(FETCH, answer).outcome == "correct"


def test_a_function_where_a_class_is_needed():
    assert "A class, `class OpenClient: ...`" in wrong_words(right, find("02-1"))


def test_a_coroutine_returned():
    async def answer(url):
        return right(url)

    assert "returned a coroutine (`right`)" in wrong_words(answer)


# Warnings and what is left behind


def test_a_warning_is_told_and_not_printed(capfd):
    async def answer(url):
        right(url)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        words = wrong_words(answer)
    assert "Python noted: coroutine 'right' was never awaited" in words
    assert capfd.readouterr() == ("", "")


def test_a_warning_is_told_beside_an_exception(capfd):
    async def answer(url):
        async with httpx.AsyncClient() as client:
            response = client.get(url + "/echo")
            return response.status_code

    report = report_on(FETCH, answer)
    assert "Python noted: coroutine 'AsyncClient.get' was never awaited" in repr(report)
    assert "An `await` is missing" in repr(report)
    gc.collect()
    assert capfd.readouterr() == ("", "")


def test_a_background_task_that_failed_unseen(capfd):
    async def fails():
        raise ValueError("unseen")

    async def answer(url):
        status = await right(url)
        task = asyncio.create_task(fails())
        await asyncio.sleep(0)
        del task
        return status

    report = report_on(FETCH, answer)
    assert report.outcome == "correct"
    assert "Task exception was never retrieved: ValueError('unseen')" in repr(report)
    assert capfd.readouterr() == ("", "")


def test_a_check_sees_what_is_still_open():
    async def check_closed(attempt, server):
        await attempt(server.url)
        expect(not still_open(attempt.seen), "None open.", happened=f"{still_open(attempt.seen)}")

    async def answer(url):
        client = httpx.AsyncClient()
        await client.get(url + "/echo")

    exercise = dataclasses.replace(FETCH, check=check_closed)
    assert "What happened: [1]" in wrong_words(answer, exercise)
    assert report_on(exercise, right).outcome == "correct"


# What an answer does besides


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
    exercise = dataclasses.replace(FETCH, check=check_nothing_left)
    assert words in repr(run_check(exercise, answer))
    assert run_check(exercise, right).outcome == "correct"


async def check_for_a_request(attempt, server):
    await attempt(server.url)
    attempt.require_request()


def test_first_is_said_that_nothing_was_asked():
    async def answer(url):
        pass

    words = "No request was made; nothing was raised, and `None` was returned."
    assert repr(run_check(FETCH, answer)).splitlines()[1] == words
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
    assert run_check(FETCH, right).outcome == "correct"  # the next answer is judged by itself


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


# Hints and solutions


def test_hints_come_in_order(fresh):
    assert repr(hint("99-1")) == "Exercise 99-1: hint 1 of 2\nfirst"
    assert repr(hint("99-1")) == "Exercise 99-1: hint 2 of 2\nsecond"
    for _ in range(2):
        assert repr(hint("99-1")).startswith("Exercise 99-1: no more hints\n1. first\n2. second")


def is_open(message):
    return "async def fetch(url):" in repr(message)


def test_the_solution_opens_when_asked_twice(fresh):
    first = solution("99-1")
    assert not is_open(first)
    assert "0 of 3 tries" in repr(first)
    second = solution("99-1")
    assert is_open(second)
    assert "It asks once." in repr(second)
    assert "async def right" not in repr(second)


def test_the_solution_opens_after_three_tries(fresh):
    async def raises(url):
        raise ValueError

    check("99-1", asks_twice)
    check("99-1", raises)
    for _ in range(3):
        check("99-1", fetch)  # not attempted: no try
    exercises._progress["99-1"].asked = False
    assert "2 of 3 tries" in repr(solution("99-1"))
    exercises._progress["99-1"].asked = False
    check("99-1", asks_twice)
    assert is_open(solution("99-1"))


def test_the_solution_is_open_after_a_right_answer(fresh):
    check("99-1", right)
    assert is_open(solution("99-1"))


def test_an_instructor_opens_all(fresh):
    message = open_solutions()
    assert all(f'solution("{exercise_id}")' in repr(message) for exercise_id in ids())
    assert is_open(solution("99-1"))


def test_the_solution_in_html(fresh):
    open_solutions()
    page = solution("99-1")._repr_mimebundle_()["text/html"]
    assert '<div class="highlight">' in page
    assert "async" in page


# The kit


def test_expect_passes_and_raises():
    expect(True, "x", happened="y")
    with pytest.raises(Wrong) as caught:
        expect([], "x", happened="y")
    assert (caught.value.expected, caught.value.happened, caught.value.seen) == ("x", "y", None)


def test_a_check_without_async_answers():
    def double(number):
        raise NotImplementedError

    async def check_double(attempt, server):
        expect(attempt(2) == 4, "4.", happened="Not 4.")

    exercise = dataclasses.replace(FETCH, starter=double, check=check_double)
    assert run_check(exercise, lambda number: number * 2).outcome == "correct"
    assert run_check(exercise, lambda number: number).outcome == "wrong"
    assert run_check(exercise, lambda number: ...).outcome == "not attempted"
    assert "`fetch" not in repr(run_check(exercise, lambda: 4))


# The proof


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"id": "99-2"}, "its file says 99-1, its id 99-2"),
        ({"why": " "}, "it has no why"),
        ({"hints": []}, "a hint is missing"),
        ({"hints": ["first", ""]}, "a hint is missing"),
        ({"wrong": FETCH.wrong[:1]}, "fewer than 2 wrong answers"),
        ({"starter": right}, "the solution is not correct"),
        ({"solution": asks_twice}, "the solution is not correct"),
        ({"right": [asks_twice]}, "asks_twice, a right answer, is not correct"),
        ({"wrong": [*FETCH.wrong, WrongAnswer(right, "x")]}, "right is correct"),
        ({"wrong": [*FETCH.wrong, WrongAnswer(fetch, "x")]}, "fetch is not attempted"),
        (
            {"wrong": [FETCH.wrong[0], WrongAnswer(returns_none, "2 came")]},
            "does not earn '2 came'",
        ),
        ({"wrong": [*FETCH.wrong, WrongAnswer(returns_none, "Status")]}, "earns 'It was `None`'"),
    ],
)
def test_the_proof_sees_what_falls_short(change, words):
    proof = examine(dataclasses.replace(FETCH, **change), "99-1")
    assert any(words in problem for problem in proof.problems), proof.problems


def test_the_example_holds():
    assert examine(FETCH, "99-1").problems == ()
