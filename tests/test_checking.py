"""How an answer is judged: the four outcomes and their words."""

import asyncio
import dataclasses
import gc
import sys
import warnings

import httpx
import pytest
from fetch_exercise import (
    FETCH,
    asks_twice,
    compiled,
    fetch,
    returns_none,
    right,
    wrong_words,
)

from course.exercises import find
from workbench.checking.proof import report_on
from workbench.checking.record import expect, still_open
from workbench.message import OUTCOMES

pytestmark = pytest.mark.usefixtures("no_socket_left")


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


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        (
            "def helper(text):\n    return int(text)\n\nasync def fetch(url):\n    helper('x')",
            "line 2 of your `helper`: `return int(text)`",
        ),
        ("async def fetch(url):\n    httpx.URL(17)", "line 2 of your function: `httpx.URL(17)`"),
        (
            "async def fetch(url):\n    def inner():\n        return [int(x) for x in 'a']\n"
            "    return inner()",
            "line 3 of your function: `return [int(x)",
        ),
    ],
    ids=["called", "in a library", "comprehension in a function inside"],
)
def test_the_learners_line_is_named(cell, words):
    assert words in repr(report_on(FETCH, compiled(cell)))


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


# What cannot be run


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def fetch(url):\n    return 200", "made by `def` without `async`"),
        ("async def fetch(url):\n    yield 200", "It has a `yield` in it"),
        ("async def fetch():\n    return 200", "`fetch()`: too many positional arguments"),
        (
            "async def fetch(url, client):\n    return 200",
            "`fetch(url, client)`: missing a required argument: 'client'",
        ),
    ],
)
def test_what_cannot_be_called_as_the_task_says(source, words):
    said = wrong_words(compiled(source))
    assert "`async def fetch(...)`" in said or "`fetch(url)`" in said
    assert words in said


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
