"""The form of the notebooks, by the checks of `form.py` and `form_sitting.py`."""

import re

import pytest
from form import CHECKS
from form_sitting import SITTING
from lesson import Lesson, deeper, main_paths

NAME = re.compile(r"\d\d(-[a-z0-9]+)+\.ipynb")


def name(path):
    return f"{path.parent.name}/{path.stem}"


NOTEBOOKS = [*main_paths(), *deeper()]


def test_the_lessons_are_numbered_from_00_and_what_is_deeper_is_named_after_one():
    numbers = [path.name[:2] for path in main_paths()]
    assert numbers == [f"{number:02}" for number in range(len(numbers))]
    for path in NOTEBOOKS:
        assert NAME.fullmatch(path.name), path.name
    assert {path.name[:2] for path in deeper()} <= set(numbers)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_form(check, path):
    complaints = list(check(Lesson.read(path)))
    assert not complaints, "\n".join(complaints)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
@pytest.mark.parametrize("check", SITTING, ids=lambda check: check.__name__)
def test_sitting(check, path):
    complaints = list(check(Lesson.read(path)))
    assert not complaints, "\n".join(complaints)
