"""Every exercise in both directions, and what the lessons show of them."""

import ast
import builtins
import inspect
import re
import subprocess
import sys
import textwrap

import nbformat
import pytest
from fetch_exercise import compiled
from lesson import deeper, exercises_of, main_paths

from course.exercises import find, ids, solution
from workbench.checking.proof import examine
from workbench.checking.run import run_check
from workbench.checking.source import free_names
from workbench.message import Code

NOTEBOOKS = [*main_paths(), *deeper()]


@pytest.mark.parametrize("exercise_id", ids())
def test_both_directions(exercise_id):
    proof = examine(find(exercise_id), exercise_id)
    assert not proof.problems, "\n".join(proof.problems)
    assert (proof.starter, proof.solution) == ("not attempted", "correct")
    assert (proof.rejected, proof.accepted) == (proof.wrong, proof.right)


@pytest.mark.parametrize("exercise_id", ids())
def test_the_learner_sees_one_name(exercise_id):
    exercise = find(exercise_id)
    name = exercise.starter.__name__
    for shown in (exercise.starter, exercise.solution):
        source = exercise.shown(shown)
        assert f" {name}(" in source or f"class {name}" in source


@pytest.mark.parametrize("exercise_id", ids())
def test_a_solution_uses_what_it_imports_and_what_its_lesson_has(exercise_id):
    solution(exercise_id)
    [shown] = [part for part in solution(exercise_id).parts if isinstance(part, Code)]
    [path] = [path for path in NOTEBOOKS if exercises_of(path, [exercise_id])]
    code = [c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    of_the_lesson = set(re.findall(r"^(?:async )?def (\w+)", "\n".join(code), re.MULTILINE))
    assert free_names(shown.source) <= of_the_lesson | vars(builtins).keys()


@pytest.mark.parametrize("exercise_id", ids())
def test_each_starter_as_it_stands_in_a_cell_is_not_attempted(exercise_id):
    exercise = find(exercise_id)
    names = vars(sys.modules[exercise.starter.__module__])
    starter = compiled(exercise.shown(exercise.starter), exercise.starter.__name__, **names)
    assert run_check(exercise, starter).outcome == "not attempted"


def test_a_solution_in_a_process_of_its_own():
    exercise = find("00-1")
    assert run_check(exercise, exercise.solution).outcome == "correct"


@pytest.mark.parametrize(
    ("exercise_id", "status", "words"),
    [
        ("10-1", 0, "10-1      not attempted  "),
        ("98-7", 2, "no exercise 98-7; there are: 00-1, "),
    ],
)
def test_the_command(exercise_id, status, words):
    command = [sys.executable, "-m", "course.exercises", exercise_id]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    assert words in done.stdout + done.stderr


# In the lessons


def calls(path, *names):
    """Yield the calls of functions with these names in a notebook, each with its cell's tree."""
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type != "code" or not any(f"{name}(" in cell.source for name in names):
            continue
        tree = ast.parse(cell.source, mode="exec")
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in names:
                yield node, tree


def checked(path):
    """Return id -> dump of the definition that the lesson checks, in the order of the cells."""
    found = {}
    for call, tree in calls(path, "check"):
        exercise_id, answer = call.args[0].value, call.args[1].id
        definitions = [node for node in tree.body if getattr(node, "name", "") == answer]
        assert definitions, f"{path.name}: {answer} is not defined in the cell that checks it"
        found[exercise_id] = ast.dump(definitions[0])
    return found


def test_each_exercise_stands_in_one_notebook():
    standing = [exercise_id for path in NOTEBOOKS for exercise_id in exercises_of(path, ids())]
    assert sorted(standing) == sorted(ids())


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_lesson_checks_its_own_exercises_as_they_are_given(path):
    own = exercises_of(path, ids())
    found = checked(path)
    assert set(found) == set(own)
    # The last lesson's exercise is a file, which course.capstone judges.
    needs_none = path.name.startswith("11") or path in deeper()
    assert own or needs_none, f"{path.name} has no exercise"
    for exercise_id, definition in found.items():
        source = textwrap.dedent(inspect.getsource(find(exercise_id).starter))
        assert definition == ast.dump(ast.parse(source).body[0]), exercise_id


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_run_all_gives_nothing_away(path):
    assert not list(calls(path, "hint", "solution", "open_solutions"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_starter_is_stored_as_not_attempted(path):
    stored = [
        output.data["text/plain"]
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == "code" and "check(" in cell.source
        for output in cell.outputs
        if "data" in output and output.data.get("text/plain", "").startswith("Exercise ")
    ]
    assert len(stored) == len(checked(path))
    assert all("not attempted" in text.splitlines()[0] for text in stored), stored
