"""Lesson 11: right repairs are taken whatever their form; wrong ones are refused, each in its lines
and with words of its own.
"""

import pytest
from repairs.found import FOUND
from repairs.once_correct import ONCE_CORRECT
from repairs.right import RIGHT
from repairs.tempting import TEMPTING

from course.capstone import judge

WRONG = [*ONCE_CORRECT, *TEMPTING, *FOUND]
# Those with the same mistake in them.
ALSO = {
    "keepalive_expiry=1.0": {"keepalive_expiry=1.1"},
    "keepalive_expiry=1.1": {"keepalive_expiry=1.0"},
    "max_connections=1000": {"max_connections=1000, and the leak as it was"},
}

reports = {}


@pytest.mark.anyio
@pytest.mark.parametrize("repair", RIGHT, ids=lambda repair: repair.name)
async def test_right_repairs_are_accepted(repair, tmp_path):
    judgement = await judge(repair.write(tmp_path))
    assert judgement.outcome == "correct", judgement
    seen = {line.looked_at: line.seen for line in judgement.lines}
    assert seen["connections opened under load"] == "4 for 28"


@pytest.mark.anyio
@pytest.mark.parametrize("repair", WRONG, ids=lambda repair: repair.name)
async def test_wrong_repairs_are_refused(repair, tmp_path):
    judgement = await judge(repair.write(tmp_path))
    assert judgement.outcome == "wrong"
    assert tuple(judgement.failed) == repair.red, judgement
    reports[repair.name] = repr(judgement)
    assert repair.says in reports[repair.name]


def test_each_is_refused_with_words_of_its_own():
    if len(reports) < len(WRONG):
        pytest.skip("not all of them were judged in this process")
    for repair in WRONG:
        earns = {name for name, report in reports.items() if repair.says in report}
        assert earns - ALSO.get(repair.name, set()) == {repair.name}
