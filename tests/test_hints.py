"""Tries, hints and solutions of an exercise; what checks are made of; the proof of an exercise."""

import dataclasses

import pytest
from fetch_exercise import FETCH, asks_twice, fetch, returns_none, right

import course.exercises as exercises
from course.exercises import check, hint, ids, open_solutions, solution
from workbench.checking.progress import Progress
from workbench.checking.proof import examine, report_on
from workbench.checking.record import Wrong, WrongAnswer, expect

pytestmark = pytest.mark.usefixtures("no_socket_left")


@pytest.fixture
def fresh(monkeypatch):
    """An exercise "99-1" that check, hint and solution find, and no memory of earlier tries.

    Its answers run in this process: what a process of their own adds is tested beside.
    """
    monkeypatch.setattr(exercises, "_progress", {})
    monkeypatch.setattr(Progress, "all_open", False)
    monkeypatch.setattr(exercises, "find", lambda exercise_id: FETCH)
    monkeypatch.setattr(exercises, "run_check", report_on)


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
    assert report_on(exercise, lambda number: number * 2).outcome == "correct"
    assert report_on(exercise, lambda number: number).outcome == "wrong"
    assert report_on(exercise, lambda number: ...).outcome == "not attempted"
    assert "`fetch" not in repr(report_on(exercise, lambda: 4))


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
