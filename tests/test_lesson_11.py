"""Lesson 11: the judge finds the five bugs, takes right repairs, and says what it cannot run."""

import asyncio

import pytest

import course
from course.capstone import help as helping
from course.capstone import judge, page, working_copy
from course.capstone.bugs import BUGS
from course.capstone.judgement import FILES, Judgement
from course.capstone.lines import Line
from course.capstone.schedule import make_schedule
from course.capstone.working_copy import ORIGINAL
from workbench.checking.progress import TRIES, Progress

RED = [
    "requests lost after a pause",
    "requests lost after misses",
    "longest answer",
    "streaming answer",
    "connections opened under load",
    "connections at once",
    "connections held at the end",
]


@pytest.fixture(autouse=True)
def no_progress(monkeypatch):
    """Each test is a learner who has just begun."""
    monkeypatch.setattr(helping, "progress", Progress("Capstone", 'solution("capstone")'))
    monkeypatch.setattr("course.capstone.judging.progress", helping.progress)


# The judge on the service as it is


@pytest.fixture(scope="module")
def judgement():
    """What the judge says of the service as it is, by another schedule than the lesson's."""
    return asyncio.run(judge(ORIGINAL, seed=12))


def test_another_seed_is_another_order_with_the_same_result(judgement):
    assert make_schedule(12).mixed != make_schedule(11).mixed
    assert make_schedule(12) == make_schedule(12)
    assert judgement.outcome == "wrong"
    assert judgement.failed == RED
    seen = {line.looked_at: line.seen for line in judgement.lines}
    assert seen["requests lost under load"] == "0 of 40"
    assert seen["requests lost after a pause"] == "4 of 4"
    assert seen["requests lost after misses"] == "4 of 12"
    assert seen["streaming answer"] == "broken off after 0 bytes"
    assert seen["connections opened under load"] == "12 for 28"
    for words in ("Server disconnected", "PoolTimeout('')", "StreamClosed", "10 last asked"):
        assert words in repr(judgement)


def test_each_line_has_hints_and_leads_to_a_lesson(judgement):
    shown = [line for bug in BUGS for line in bug.shows_in]
    assert sorted(shown) == sorted(line.looked_at for line in judgement.lines)
    assert {line.lesson for line in judgement.lines} <= set(FILES)


# Terrible services


def write(tmp_path, source):
    path = tmp_path / "my_storefront.py"
    path.write_text(source, encoding="utf-8")
    return path


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("x = 1\ndef f(:\n", "my_storefront.py, line 2: SyntaxError: invalid syntax"),
        ("x = 1\n\nimport no_such_thing\n", "line 3: ModuleNotFoundError: No module named"),
        ("def f():\n    return 1 / 0\n\nf()\n", "line 2: ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit(3)\n", "line 2: SystemExit: 3"),
        ("application = 1\n", "has no `app`"),
        ("app = 1\n", "is no ASGI application, but int"),
        (
            "from fastapi import FastAPI\n"
            "async def lifespan(app):\n    raise LookupError('no shop')\n    yield\n"
            "app = FastAPI(lifespan=lifespan)\n",
            "does not start",
        ),
    ],
    ids=["syntax", "import", "deep", "exit", "no app", "no application", "no start"],
)
async def test_a_file_that_does_not_start_is_named_with_its_line(source, words, tmp_path):
    judgement = await judge(write(tmp_path, source))
    assert judgement.outcome == "error"
    assert words in judgement.title
    assert str(tmp_path) not in repr(judgement)


@pytest.mark.anyio
async def test_a_missing_file_and_one_that_is_no_text(tmp_path):
    path = tmp_path / "my_storefront.py"
    assert "There is no file my_storefront.py" in (await judge(path)).title
    path.write_bytes(b"\xff\xfe\x00")
    assert "not UTF-8" in (await judge(path)).title


@pytest.mark.slow
@pytest.mark.anyio
async def test_a_service_that_never_answers_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "PATIENCE", 0.3)
    monkeypatch.setattr(page, "IN_VAIN", 1.0)
    source = (
        "import asyncio\n"
        "async def app(scope, receive, send):\n"
        "    if scope['type'] == 'http':\n        await asyncio.sleep(3600)\n"
    )
    judgement = await judge(write(tmp_path, source))
    assert {"requests lost under load", "streaming answer"} <= set(judgement.failed)
    assert "the judge's time was up" in repr(judgement)


@pytest.mark.anyio
async def test_the_file_is_read_anew_each_time(tmp_path):
    path = write(tmp_path, "app = 1\n")
    assert "no ASGI application" in (await judge(path)).title
    write(tmp_path, "app = {}\n")
    assert "but dict" in (await judge(path)).title


# Hints and the solution


def test_hints_come_in_order_and_end():
    first, second, third = (course.hint("streaming answer") for _ in range(3))
    assert "hint 1 of 3" in first.title
    assert "hint 3 of 3" in third.title
    assert len({str(first), str(second), str(third)}) == 3
    assert "no more hints" in course.hint("streaming answer").title
    assert "hint 1 of" in course.hint("00-1").title
    with pytest.raises(ValueError, match=r"there are some for: 00-1, .*connections opened"):
        course.hint("the weather")
    with pytest.raises(ValueError, match=r"there are some for: 00-1, .*, capstone$"):
        course.solution("the weather")


def test_lines_of_one_bug_share_its_hints():
    assert "hint 1 of 3" in course.hint("longest answer").title
    assert "hint 2 of 3" in course.hint("wrong statuses").title


@pytest.mark.anyio
async def test_the_solution_opens_after_three_tries(tmp_path):
    for _ in range(TRIES):
        await judge(write(tmp_path, "app = 1\n"))
    shown = str(course.solution("capstone"))
    assert "a solution, as changes" in shown
    assert "+    async with asyncio.timeout(ANSWER_WITHIN):" in shown


@pytest.mark.anyio
async def test_an_untouched_copy_is_no_try(tmp_path):
    await judge(working_copy(tmp_path))
    assert "0 of 3 tries" in str(course.solution("capstone"))
    assert "a solution" in course.solution("capstone").title


# The service and the table


def test_the_service_gives_nothing_away():
    source = ORIGINAL.read_text(encoding="utf-8")
    assert not [line for line in source.splitlines() if line.lstrip().startswith("#")]
    assert 90 < len(source.splitlines()) < 140


def test_a_judgement_shows_text_as_text_and_links_to_lessons():
    line = Line("a < b", "1", "0", "04", False, ["<b>"])
    shown = Judgement("t", [line])._repr_html_()
    assert 'href="04-stale-connections.ipynb"' in shown
    assert "a &lt; b" in shown
    assert "<b>" not in shown
    assert all(name.startswith(number) for number, name in FILES.items())
    assert all((ORIGINAL.parent.parent / name).exists() for name in FILES.values())
