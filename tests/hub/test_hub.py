"""A class on a real JupyterHub: 12 learners at once run lessons through its proxy.

    python -m pip install -r tests/hub/requirements.txt
    npm install --no-save configurable-http-proxy
    python -m pytest -m hub tests/hub -n0 -s

HUB_LEARNERS says how many run one lesson at once in the last test; 20 without it.
"""

import asyncio
import os
import statistics
from importlib.util import find_spec

import pytest
from class_hub import Learner, proxy_command, running

pytestmark = [
    pytest.mark.hub,
    pytest.mark.skipif(
        find_spec("jupyterhub") is None or proxy_command() is None,
        reason="jupyterhub or configurable-http-proxy is not installed",
    ),
]
LESSONS = ["00-start-here.ipynb", "03-closed-too-early.ipynb", "05-the-pool-runs-dry.ipynb"]
CLASS = [f"learner-{number}" for number in range(1, 13)]


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with running(tmp_path_factory.mktemp("hub")) as hub:
        yield hub


async def all_run(hub, names, lessons):
    """Have each of them run these lessons; return what failed, and what each of them used."""
    async with hub.session() as session:
        learners = [Learner(session, name) for name in names]
        await asyncio.gather(*(learner.arrive() for learner in learners))

        async def one(learner):
            return [problem for lesson in lessons for problem in await learner.run_all(lesson)]

        problems = [problem for own in await asyncio.gather(*map(one, learners)) for problem in own]
        used = [hub.used(name) for name in names]
        await asyncio.gather(*(learner.leave() for learner in learners))
    return problems, used


def told(what, used):
    memory, cpu = zip(*used, strict=True)
    print(
        f"\n{what}: {len(used)} learners, memory {statistics.median(memory):.0f} MB each "
        f"({max(memory):.0f} at most), processor {statistics.median(cpu):.0f} s each"
    )


def test_twelve_at_once_run_three_lessons(hub):
    problems, used = asyncio.run(all_run(hub, CLASS, LESSONS))
    assert not problems, "\n".join(problems)
    told("lessons 00, 03 and 05, three kernels", used)


def test_progress_is_kept_when_the_server_is_stopped_and_started(hub):
    solved = [
        "import httpx",
        "from course import check, forget_progress, progress",
        "async def first_request(url):\n"
        "    async with httpx.AsyncClient() as client:\n"
        '        response = await client.post(url + "/echo", json={"hello": "server"})\n'
        "        return response.json()",
        'assert check("00-1", first_request).outcome == "correct"',
        'progress().save("handed-in.jsonl")',
    ]
    later = [
        "from course import progress",
        'assert progress().solved == {"00-1"}, repr(progress())',
        'assert progress("handed-in.jsonl").solved == {"00-1"}',
    ]
    others = ["from course import progress", "assert progress().solved == set()"]

    async def two_days():
        async with hub.session() as session:
            ada, grace = (Learner(session, name) for name in ("ada", "grace"))
            await asyncio.gather(ada.arrive(), grace.arrive())
            first = await ada.execute("monday.ipynb", solved)
            await ada.leave()
            await ada.arrive()
            return (
                first
                + await ada.execute("tuesday.ipynb", later)
                + await grace.execute("tuesday.ipynb", others)
            )

    assert asyncio.run(two_days()) == [""] * (len(solved) + len(later) + len(others))


def test_as_many_as_the_machine_holds_run_one_lesson(hub):
    names = [f"guest-{number}" for number in range(int(os.environ.get("HUB_LEARNERS", "20")))]
    problems, used = asyncio.run(all_run(hub, names, LESSONS[1:2]))
    assert not problems, "\n".join(problems)
    told("lesson 03, one kernel", used)
