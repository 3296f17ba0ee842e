"""Every exercise of the course in both directions, and the proof itself."""

import dataclasses
import subprocess
import sys

import pytest
from fetch_exercise import FETCH, asks_twice, fetch, returns_none, right

from course.exercises import find, ids
from course.exercises.proving import examine_all
from workbench.checking.proof import examine
from workbench.checking.record import WrongAnswer

pytestmark = pytest.mark.usefixtures("no_socket_left")


@pytest.fixture(scope="module")
def rows():
    return {row.id: row for row in examine_all(ids())}


@pytest.mark.parametrize("exercise_id", ids())
def test_both_directions(rows, exercise_id):
    row = rows[exercise_id]
    assert not row.problems, "\n".join(row.problems)
    assert (row.starter, row.solution) == ("not attempted", "correct")
    assert row.rejected == row.wrong


@pytest.mark.parametrize("exercise_id", ids())
def test_the_learner_sees_one_name(exercise_id):
    exercise = find(exercise_id)
    for shown in (exercise.starter, exercise.solution):
        assert f" {exercise.starter.__name__}(" in exercise.shown(shown) or (
            f"class {exercise.starter.__name__}" in exercise.shown(shown)
        )


def test_the_command(rows):
    command = [sys.executable, "-m", "course.exercises", "00-1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "00-1      not attempted  15 of 15 rejected  correct        3 of 3  3" in done.stdout


def test_the_command_names_what_exists():
    command = [sys.executable, "-m", "course.exercises", "98-7"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no exercise 98-7; there are: 00-1, " in done.stderr


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
    row = examine(dataclasses.replace(FETCH, **change), "99-1")
    assert any(words in problem for problem in row.problems), row.problems


def test_the_example_holds():
    assert examine(FETCH, "99-1").problems == ()
