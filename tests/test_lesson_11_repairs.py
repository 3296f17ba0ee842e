"""Lesson 11: right repairs are taken whatever their form; wrong ones are refused, each in its lines
and none with the lines and the words of another.

A plain pytest judges the right ones and those that were once called correct; .ci/run judges all.
"""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import pytest
from repairs.found import FOUND
from repairs.once_correct import ONCE_CORRECT
from repairs.one_left import ONE_LEFT
from repairs.repair import judged
from repairs.right import RIGHT
from repairs.tempting import TEMPTING

from course.capstone.bugs import BUGS

WRONG = [*ONCE_CORRECT, *TEMPTING, *FOUND]
# Those with the same mistake in them.
ALSO = {
    "keepalive_expiry=1.0": {"keepalive_expiry=1.1"},
    "keepalive_expiry=1.1": {"keepalive_expiry=1.0"},
}
# The lines that may show the one bug that is left.
EXPECTED = {repair.name: bug.shows_in for repair, bug in zip(ONE_LEFT, BUGS, strict=False)}
AT_ONCE = 4  # a judgement waits most of its time


@pytest.fixture(scope="module")
def judgements(request):
    """What the judge says of the repairs that the chosen tests ask for, by name."""
    chosen = {item.callspec.params["repair"] for item in request.session.items if asks(item)}
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(AT_ONCE, spawn) as pool:
        # Each by a schedule of its own.
        coming = {
            repair.name: pool.submit(judged, repair, 11 + n, EXPECTED.get(repair.name, repair.red))
            for n, repair in each(chosen)
        }
        return {name: judgement.result() for name, judgement in coming.items()}


def asks(item):
    return item.path.name == "test_lesson_11_repairs.py" and hasattr(item, "callspec")


def each(chosen):
    return [(n, repair) for n, repair in enumerate([*RIGHT, *WRONG, *ONE_LEFT]) if repair in chosen]


@pytest.mark.parametrize("repair", RIGHT, ids=lambda repair: repair.name)
def test_right_repairs_are_accepted(repair, judgements):
    judgement = judgements[repair.name]
    assert judgement.outcome == "correct", judgement.report
    assert judgement.seen["connections opened under load"] == "4 for 28"


@pytest.mark.parametrize("repair", ONCE_CORRECT, ids=lambda repair: repair.name)
def test_repairs_that_were_once_called_correct_are_refused(repair, judgements):
    assert_refused(repair, judgements)


@pytest.mark.slow
@pytest.mark.parametrize("repair", WRONG, ids=lambda repair: repair.name)
def test_wrong_repairs_are_refused(repair, judgements):
    assert_refused(repair, judgements)


def assert_refused(repair, judgements):
    """It is refused, in its own lines, and no other repair earns the same lines and words."""
    judgement = judgements[repair.name]
    assert judgement.outcome == "wrong"
    assert judgement.failed == repair.red, judgement.report
    assert repair.says in judgement.report
    like = {
        each.name
        for each in WRONG
        if getattr(judgements.get(each.name), "failed", ()) == repair.red
    }
    also = {name for name in like if repair.says in judgements[name].report}
    assert also - ALSO.get(repair.name, set()) == {repair.name}


@pytest.mark.parametrize(
    ("repair", "bug"),
    list(zip(ONE_LEFT, BUGS[: len(ONE_LEFT)], strict=True)),
    ids=[repair.name for repair in ONE_LEFT],
)
def test_each_bug_shows_in_the_lines_that_its_hints_are_for(repair, bug, judgements):
    judgement = judgements[repair.name]
    assert judgement.failed
    assert set(judgement.failed) <= set(bug.shows_in)
