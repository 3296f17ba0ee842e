"""How an answer that does not end is stopped, and leaves nothing behind."""

import _thread
import asyncio
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
from fetch_exercise import FETCH, SHORT, right

from workbench.checking import thread as worker
from workbench.checking.run import run_check

pytestmark = pytest.mark.usefixtures("no_socket_left")


async def hangs(url):
    await asyncio.Event().wait()


async def hangs_and_swallows(url):
    while True:
        try:
            await asyncio.sleep(3600)
        except:  # noqa: E722
            continue


async def hangs_in_many_tasks(url):
    await asyncio.gather(*(hangs_and_swallows(url) for _ in range(5)))


async def loops(url):
    while True:
        pass


async def loops_and_swallows(url):
    number = 0
    while True:
        try:
            number += 1
        except:  # noqa: E722
            continue


async def loops_in_a_task(url):
    task = asyncio.create_task(loops_and_swallows(url))
    await task


async def tries_for_ever(url):
    while True:
        try:
            async with httpx.AsyncClient() as client:
                return await client.get(url + "/faults/reset")
        except:  # noqa: E722
            continue


async def sleeps_and_swallows(url):
    while True:
        try:
            time.sleep(0.01)
        except:  # noqa: E722
            continue


@pytest.mark.parametrize(
    "answer",
    [
        hangs,
        hangs_and_swallows,
        hangs_in_many_tasks,
        loops,
        loops_and_swallows,
        loops_in_a_task,
        sleeps_and_swallows,
        tries_for_ever,
    ],
)
def test_a_time_limit(answer, capfd):
    report = run_check(SHORT, answer)
    assert report.outcome == "error"
    assert "Your function did not finish within 0.5 s, so it was stopped." in repr(report)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("answer", "line"),
    [(hangs, "line 2 of your function: `await asyncio.Event"), (loops, "of your function: `")],
)
def test_a_time_limit_names_the_line(answer, line):
    assert line in repr(run_check(SHORT, answer))


def test_a_blocked_call_is_told_honestly(monkeypatch):
    monkeypatch.setattr(worker, "STOPPING", 0.3)
    blocked = threading.Event()
    threads = []

    async def answer(url):
        threads.append(threading.current_thread())
        # The wait for a lock cannot be interrupted either, and can be ended here.
        blocked.wait()
        await hangs(url)

    report = run_check(SHORT, answer)
    assert report.outcome == "error"
    assert "could not be stopped" in repr(report)
    assert "restarting the kernel ends it" in repr(report)
    assert "line 4 of your function: `blocked.wait()`" in repr(report)
    assert threads[0].is_alive()
    blocked.set()
    for thread in [t for t in threading.enumerate() if t.name == threads[0].name]:
        thread.join(5)
        assert not thread.is_alive()


def test_a_blocked_helper_thread_is_told(monkeypatch):
    release = threading.Event()

    async def answer(url):
        asyncio.get_running_loop().run_in_executor(None, release.wait)
        return await right(url)

    report = run_check(FETCH, answer)
    assert report.outcome == "error"
    assert "left a thread running" in repr(report)
    release.set()


def test_an_interrupt_stops_the_answer_and_comes_out():
    running = threading.Event()
    ended = []

    async def answer(url):
        running.set()
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(True)

    def interrupt():
        running.wait()
        _thread.interrupt_main()

    interrupter = threading.Thread(target=interrupt)
    interrupter.start()
    with pytest.raises(KeyboardInterrupt):
        run_check(FETCH, answer)
    interrupter.join()
    assert ended == [True]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("exercise-")]


def test_the_answer_runs_in_a_thread_of_its_own():
    names = []

    async def answer(url):
        names.append(threading.current_thread().name)
        return await right(url)

    run_check(FETCH, answer)
    assert names[0].startswith("exercise-99-1")
    assert threading.current_thread().name not in names


def test_a_blocking_answer_is_given_up_soon_after_it_returns():
    """A short blocking call is late, and over when the report is there."""

    async def answer(url):
        time.sleep(1)

    report = run_check(SHORT, answer)
    assert "did not finish within 0.5 s" in repr(report)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("exercise-")]


# In a running event loop, and under nest_asyncio


@pytest.mark.anyio
async def test_while_a_loop_runs():
    ticks = asyncio.create_task(asyncio.sleep(0))
    assert run_check(FETCH, right).outcome == "correct"
    assert run_check(SHORT, hangs).outcome == "error"
    await ticks


def test_after_nest_asyncio():
    source = f"""
import asyncio, nest_asyncio
nest_asyncio.apply()
import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
from course.exercises import check, find
from workbench.checking.run import run_check
from fetch_exercise import FETCH, SHORT, right
from test_exercise_limits import hangs, loops_and_swallows

async def cell():
    for exercise_id in ("00-1", "02-1", "02-3"):
        exercise = find(exercise_id)
        print(check(exercise_id, exercise.solution).outcome)
        print(check(exercise_id, exercise.starter).outcome)
    print(run_check(FETCH, right).outcome)
    print("did not finish" in repr(run_check(SHORT, hangs)))
    print("did not finish" in repr(run_check(SHORT, loops_and_swallows)))

asyncio.run(cell())
"""
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    expected = ["correct", "not attempted"] * 3 + ["correct", "True", "True"]
    assert done.stdout.split("\n")[:-1] == expected
