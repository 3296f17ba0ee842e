"""Lesson 11: tempting wrong repairs are refused, each in its line and with words of its own."""

import pytest
from repairs.wrong import WRONG

from course.capstone import judge

reports = {}


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
        earns = [name for name, report in reports.items() if repair.says in report]
        assert earns == [repair.name]
