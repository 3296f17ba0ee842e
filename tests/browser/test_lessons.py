"""Each lesson in JupyterLab: Run All, predictions, explorers, exercises; by mouse and keyboard."""

import json
import re
from functools import cache

import pytest
from answers import of_its_own, typed
from lab import DEEPER, LESSONS, ROOT
from open_notebook import errors_of

from course.exercises import find, ids

pytestmark = pytest.mark.browser

CHECK = r'\bcheck\("([\w-]+)"'


def name(path):
    return path.relative_to(ROOT / "notebooks").as_posix()


@cache
def stored(path):
    """The cells of a lesson as it was committed."""
    return json.loads((ROOT / "notebooks" / path).read_text(encoding="utf-8"))["cells"]


def code(path):
    cells = stored(path)
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


ALL = [name(path) for path in (*LESSONS, *DEEPER)]
PREDICTING = [path for path in ALL if any("predict(" in source for source in code(path))]
EXPLORING = [path for path in ALL if any("Explorer(" in source for source in code(path))]
EXERCISES = [
    (path, exercise)
    for path in ALL
    for source in code(path)
    for exercise in re.findall(CHECK, source)
]


def each(paths):
    """A test for each of these lessons. What stands before the colon keeps a lesson's together."""
    names = [f"{path}:" for path in paths]
    return pytest.mark.parametrize("lesson", paths, ids=names, indirect=True)


def test_each_exercise_stands_in_a_lesson():
    assert sorted(exercise for _, exercise in EXERCISES) == sorted(ids())


@each(ALL)
def test_run_all(lesson):
    assert lesson.errors() == errors_of(stored(lesson.path))


@each(ALL)
def test_a_screen_reader_finds_its_way(lesson, axe):
    assert axe(lesson.page) == []


@each(PREDICTING)
def test_a_prediction_is_compared(lesson):
    pairs = predictions(lesson)
    for asked, _ in pairs:
        lesson.cell(asked).locator(".widget-radio-box label").last.click()
    lesson.run_all()
    for asked, compared in pairs:
        choice = lesson.cell(asked).locator(".widget-radio-box label").last.text_content().strip()
        assert f"You predicted: {choice}. The run says: " in lesson.outputs(compared)


def predictions(lesson):
    """(number of the cell that asks, number of the one that compares) for each prediction."""
    asking = lesson.find(r"\bpredict\(")
    comparing = lesson.find(r"\.compare\(\s*\{")
    return [(a, next(c for c in comparing if c > a)) for a in asking]


@pytest.mark.parametrize("end", ["Home", "End"])
@each(EXPLORING)
def test_an_explorer_at_the_ends_of_its_sliders(lesson, end):
    for number in [n for n in lesson.find("") if "Explorer, to be used" in lesson.outputs(n)]:
        cell = lesson.cell(number)
        for handle in cell.get_by_role("slider").all():
            handle.focus()
            lesson.page.keyboard.press(end)
        cell.get_by_role("button", name="Run").click()
        status = cell.locator("[role=status]")
        status.get_by_text("Result of the run with").wait_for()
        assert not cell.get_by_text("The run failed").count()


@pytest.mark.parametrize(
    ("lesson", "exercise_id"),
    EXERCISES,
    ids=[f"{path}:{exercise}" for path, exercise in EXERCISES],
    indirect=["lesson"],
)
def test_an_exercise_failed_hinted_and_solved(lesson, exercise_id):
    exercise = find(exercise_id)
    [number] = lesson.find(rf'\bcheck\("{exercise_id}"')
    given = lesson.cells[number]["source"]
    assert "not attempted" in lesson.outputs(number)

    # One that a learner could type, if there is any; else one that imports what it differs from.
    wrong = max(exercise.wrong, key=lambda wrong: of_its_own(wrong.answer))
    lesson.write(number, typed(exercise, wrong.answer, given))
    assert wrong.says in lesson.run(number)

    own = lesson.insert_below(number)
    lesson.write(own, f'hint("{exercise_id}")')
    for hint in exercise.hints:
        assert hint in lesson.run(own)
    assert "no more hints" in lesson.run(own)
    lesson.write(own, f'solution("{exercise_id}")')
    assert "still closed" in lesson.run(own)
    assert exercise.why in lesson.run(own)

    lesson.write(number, typed(exercise, exercise.solution, given))
    assert f"Exercise {exercise_id}: correct" in lesson.run(number)
