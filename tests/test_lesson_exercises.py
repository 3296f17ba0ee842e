"""What a lesson shows of an exercise is what its file holds, and a run gives nothing away."""

import ast
import inspect
import textwrap
from pathlib import Path

import nbformat
import pytest

from course.exercises import find, ids

NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.ipynb"))


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


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_lesson_checks_its_own_exercises_as_they_are_given(path):
    lesson = path.name[:2]
    own = {exercise_id for exercise_id in ids() if exercise_id.startswith(f"{lesson}-")}
    found = checked(path)
    assert set(found) == own
    # The last lesson's exercise is a file, which course.capstone judges.
    assert own or lesson == "11", f"{path.name} has no exercise"
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
        if output.get("data", {}).get("text/plain", "").startswith("Exercise ")
    ]
    assert len(stored) == len(checked(path))
    assert all("not attempted" in text.splitlines()[0] for text in stored), stored
