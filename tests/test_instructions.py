"""Every call that a reader is told to make is found, and a call that does not work goes red.

The calls themselves run behind each notebook's cells: see `instructions.py`.
"""

from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from instructions import Instruction, bound, instructions, run, run_again, told, unbound
from jupyter_client.manager import start_new_kernel
from lesson import Lesson, deeper, exercises_of, main_paths
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course.exercises import ids

NAMES, MADE = {"mine", "explorer"}, {"explorer"}


def calls(text):
    return [call.source for call in told("here", text, NAMES, MADE)]


@pytest.mark.parametrize("path", [*main_paths(), *deeper()], ids=lambda path: path.stem)
def test_instructions_can_be_followed_as_they_stand(path):
    instructions(Lesson.read(path))


@pytest.mark.parametrize("path", [*main_paths(), *deeper()], ids=lambda path: path.stem)
def test_hint_and_solution_of_each_exercise_are_among_them(path):
    found = {call.source for call in instructions(Lesson.read(path))}
    own = exercises_of(path, ids())
    assert {f'{call}("{exercise}")' for exercise in own for call in ("hint", "solution")} <= found


@pytest.mark.parametrize("path", [*main_paths(), *deeper()], ids=lambda path: path.stem)
def test_what_the_text_calls_is_bound_by_a_cell(path):
    lesson = Lesson.read(path)
    names, _ = bound(lesson)
    assert not [call for where, text in lesson.markdown for call in unbound(where, text, names)]


def test_a_call_that_no_cell_binds_is_found_though_it_is_not_complete():
    text = "`diagnose(error)` and `await judge(...)`; `client.get(url)`, `hint(x)`"
    assert [*unbound("cell 1", text, {"hint"})] == [
        "cell 1: diagnose(error)",
        "cell 1: await judge(...)",
    ]


def test_calls_of_the_course_are_found_wherever_they_stand():
    text = 'Stuck? Run `hint("03-1")`. Then `await judge(mine, seed=12)`, or `explorer.set(gap=2)`.'
    assert calls(text) == ['hint("03-1")', "await judge(mine, seed=12)", "explorer.set(gap=2)"]
    assert calls("`from course.capstone import hint`") == ["from course.capstone import hint"]


@pytest.mark.parametrize(
    "text",
    [
        "`client.get(url)` is a method of httpx",
        "`serve(app)` starts an application",
        "a check has the form `check(...)`",
        "`hint` is a name, `hint(` half a call",
        "`server.stop()` of another notebook",
    ],
)
def test_what_describes_is_no_instruction(text):
    assert calls(text) == []


@pytest.mark.parametrize("text", ["Run `hint(...)`", "call `serve(app)`"])
def test_an_instruction_must_be_complete(text):
    with pytest.raises(ValueError, match="not complete"):
        calls(text)


@pytest.fixture(scope="module")
def kernel():
    manager, client = start_new_kernel(kernel_name="python3")
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def follow(kernel, text):
    (call,) = told("cell 1", text)
    parent = SimpleNamespace(kernel=SimpleNamespace(kc=kernel))
    Instruction.runtest(SimpleNamespace(call=call, parent=parent))


def test_a_call_whose_name_nobody_imported_is_red(kernel):
    with pytest.raises(AssertionError, match="NameError: name 'solution' is not defined"):
        follow(kernel, '`solution("00-1")`')


def test_a_call_that_shows_something_else_is_red(kernel):
    run(kernel, "hint = print")
    with pytest.raises(AssertionError, match="not ': hint"):
        follow(kernel, '`hint("00-1")`')


def test_a_solution_opens_when_it_is_asked_for_twice(kernel):
    follow(kernel, "`from course import solution`")
    follow(kernel, '`solution("00-1")`')


def test_cells_to_be_run_again_are_those_beside_the_words():
    notebook = new_notebook()
    notebook.cells = [
        new_code_cell("first"),
        new_code_cell("before"),
        new_markdown_cell("Change the figure, and run the cell again."),
        new_code_cell("after"),
        new_code_cell("last", outputs=[new_output("stream", text="Run it once more.")]),
    ]
    assert run_again(Lesson(Path("00-x.ipynb"), nbformat.writes(notebook))) == [1, 3, 4]
