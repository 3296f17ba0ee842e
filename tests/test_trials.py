"""Trials: how they run, what ends a run, what counts as an outcome."""

import asyncio
import functools
import itertools

import httpx
import pytest

from workbench.trials import run_trials, side_by_side

pytestmark = pytest.mark.anyio


async def fine():
    return None


# How they run


async def test_one_by_one_each_waits_for_the_one_before():
    log = []

    async def trial():
        log.append("start")
        await asyncio.sleep(0)
        log.append("end")

    await run_trials(trial, 3)
    assert log == ["start", "end"] * 3


async def test_at_once_is_reached_and_never_exceeded():
    barrier = asyncio.Barrier(4)
    running, most = 0, 0

    async def trial():
        nonlocal running, most
        running += 1
        most = max(most, running)
        await barrier.wait()  # passes only while four trials run at the same time
        for _ in range(5):  # time for a fifth to start, were it let in
            await asyncio.sleep(0)
        running -= 1

    async with asyncio.timeout(10):
        tally = await run_trials(trial, 12, at_once=4)
    assert tally.ok == 12
    assert most == 4


async def test_results_are_in_order_of_start_whatever_ends_first():
    numbers = itertools.count()
    last_started = asyncio.Event()

    async def trial():
        number = next(numbers)
        if number == 4:
            last_started.set()
        else:
            await last_started.wait()
            for _ in range(10 - number):  # the earlier it started, the later it ends
                await asyncio.sleep(0)
        return number

    tally = await run_trials(trial, 5, at_once=5)
    assert tally.results == [0, 1, 2, 3, 4]


async def test_any_callable_that_returns_an_awaitable_will_do():
    async def echo(value):
        return value

    assert (await run_trials(lambda: echo(1), 2)).results == [1, 1]
    assert (await run_trials(functools.partial(echo, 2), 2)).results == [2, 2]


@pytest.mark.parametrize("at_once", [1, 3])
async def test_an_exception_is_an_outcome_and_the_next_trial_runs(at_once):
    numbers = itertools.count()

    async def trial():
        number = next(numbers)
        if number % 2:
            raise ValueError(f"number {number}")
        return number

    tally = await run_trials(trial, 6, at_once=at_once)
    assert (tally.n, tally.ok, tally.failed) == (6, 3, 3)
    assert tally.results[::2] == [0, 2, 4]
    assert [str(error) for error in tally.exceptions] == ["number 1", "number 3", "number 5"]
    assert tally.row() == "OK FAIL OK FAIL OK FAIL"


async def test_an_exception_of_the_call_itself_is_an_outcome_too():
    def trial():
        raise OSError("before any await")

    assert (await run_trials(trial, 2)).counts == {"OSError: before any await": 2}


async def raise_it():
    raise asyncio.CancelledError


async def await_a_cancelled_task():
    task = asyncio.create_task(asyncio.sleep(10))
    task.cancel()
    await task


async def cancel_its_own_task():
    asyncio.current_task().cancel()
    await asyncio.sleep(10)


@pytest.mark.parametrize("trial", [raise_it, await_a_cancelled_task, cancel_its_own_task])
@pytest.mark.parametrize("at_once", [1, 2])
async def test_a_trial_that_cancels_itself_is_an_outcome(trial, at_once):
    async with asyncio.timeout(10):
        tally = await run_trials(trial, 4, at_once=at_once)
    assert tally.counts == {"CancelledError()": 4}
    assert tally.failed == 4
    assert asyncio.current_task().cancelling() == 0


async def test_a_trial_cancelled_before_its_first_step_frees_its_slot():
    numbers = itertools.count()
    others = asyncio.all_tasks()

    async def trial():
        if next(numbers) == 0:
            for task in asyncio.all_tasks() - others - {asyncio.current_task()}:
                task.cancel()

    async with asyncio.timeout(10):
        tally = await run_trials(trial, 6, at_once=3)
    assert tally.labels == ["OK", "CancelledError()", "CancelledError()", "OK", "OK", "OK"]


# How the run ends early


@pytest.mark.parametrize("at_once", [1, 5])
async def test_cancelling_the_run_cancels_its_trials_and_waits_for_them(at_once):
    started, ended = [], []

    async def trial():
        started.append(1)
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)  # a clean-up that takes its time
            ended.append(1)

    before = asyncio.all_tasks()
    run = asyncio.create_task(run_trials(trial, 10, at_once=at_once))
    while len(started) < at_once:
        await asyncio.sleep(0)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert len(started) == len(ended) == at_once
    assert asyncio.all_tasks() == before


async def test_cancelling_twice_still_leaves_nothing_pending():
    cleaning, may_end = asyncio.Event(), asyncio.Event()
    cut_short = []

    async def trial():
        try:
            await asyncio.Event().wait()
        finally:
            cleaning.set()
            try:
                await may_end.wait()
            except asyncio.CancelledError:
                cut_short.append(1)
                raise

    before = asyncio.all_tasks()
    run = asyncio.create_task(run_trials(trial, 3, at_once=3))
    await asyncio.sleep(0.01)
    run.cancel()
    await cleaning.wait()
    run.cancel()
    await asyncio.sleep(0.01)
    assert not run.done()  # it waits for the trials that are still cleaning up
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert asyncio.all_tasks() == before
    assert not cut_short


async def test_a_deadline_around_the_run_works():
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await run_trials(asyncio.Event().wait, 3)


@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("at_once", [1, 3])
def test_what_ends_the_program_ends_the_run(ending, at_once):
    numbers = itertools.count()
    cleaned_up = []

    async def trial():
        if next(numbers) == at_once - 1:
            raise ending
        try:
            await asyncio.Event().wait()
        finally:
            cleaned_up.append(1)

    with pytest.raises(ending):
        asyncio.run(run_trials(trial, 10, at_once=at_once))
    assert len(cleaned_up) == at_once - 1
    assert next(numbers) == at_once


async def test_another_base_exception_ends_the_run_as_itself():
    class Stop(BaseException):
        pass

    async def trial():
        raise Stop

    with pytest.raises(Stop):
        await run_trials(trial, 3)


@pytest.mark.parametrize(
    ("trial", "n", "at_once", "error", "message"),
    [
        (42, 1, 1, TypeError, "trial must be a function to call n times; got a int"),
        (lambda client: None, 1, 1, TypeError, "without arguments: missing a required argument"),
        (lambda: 42, 3, 3, TypeError, "<lambda> returned an object of type 'int'"),
        (fine, 0, 1, ValueError, "n must lie between 1 and 10000; got 0"),
        (fine, 10_001, 1, ValueError, "n must lie between 1 and 10000; got 10001"),
        (fine, 2.0, 1, TypeError, "n must be a whole number from 1 to 10000; got 2.0"),
        (fine, True, 1, TypeError, "n must be a whole number from 1 to 10000; got True"),
        (fine, 5, 0, ValueError, "at_once must lie between 1 and 5; got 0"),
        (fine, 5, 6, ValueError, "at_once must lie between 1 and 5; got 6"),
        (fine, 5, "2", TypeError, "at_once must be a whole number from 1 to 5; got '2'"),
    ],
)
async def test_arguments_it_cannot_use(trial, n, at_once, error, message):
    with pytest.raises(error) as raised:
        await run_trials(trial, n, at_once=at_once)
    assert message in str(raised.value)


async def test_a_coroutine_in_place_of_its_function_is_explained():
    coroutine = fine()
    with pytest.raises(TypeError, match=r"got a coroutine: write run_trials\(trial, n\)"):
        await run_trials(coroutine, 3)
    coroutine.close()


# What counts as a failure


async def test_a_response_is_ok_whatever_its_status():
    async def trial():
        return httpx.Response(503)

    tally = await run_trials(trial, 2)
    assert (tally.ok, tally.failed) == (2, 0)
    assert tally.counts == {"503 Service Unavailable": 2}


async def test_an_exception_that_is_returned_is_a_value():
    async def trial():
        return ValueError("returned")

    tally = await run_trials(trial, 1)
    assert (tally.ok, tally.exceptions) == (1, [])


async def test_a_label_of_ones_own():
    numbers = itertools.count()

    async def trial():
        if next(numbers) == 2:
            raise ValueError("2")
        return "body"

    tally = await run_trials(trial, 3, label=lambda result: type(result).__name__)
    assert tally.counts == {"str": 2, "ValueError": 1}
    with pytest.raises(TypeError, match="label must return a str; for 'body' it returned 4"):
        await run_trials(lambda: asyncio.sleep(0, "body"), 1, label=len)


async def test_each_trial_has_its_own_tally():
    async def works():
        return 1

    async def fails():
        raise ValueError("no")

    tallies = await side_by_side({"works": works, 7: fails}, 5)
    assert list(tallies) == ["works", 7]
    assert tallies["works"].counts == {"OK": 5}
    assert tallies[7].counts == {"ValueError: no": 5}


async def test_all_run_at_the_same_time():
    started = []
    go_on = asyncio.Event()

    async def waits():
        started.append(1)
        if len(started) == 6:
            go_on.set()
        await go_on.wait()

    async with asyncio.timeout(5):
        await side_by_side({"a": waits, "b": waits}, 3)


@pytest.mark.parametrize(
    ("names", "n", "words"),
    [
        ([], 3, "one trial at least"),
        (["a"], 0, "n must lie between 1 and 10000; got 0"),
        (["a"], -1, "n must lie between 1 and 10000; got -1"),
        (["a", "b"], 6000, "n must lie between 1 and 5000; got 6000"),
    ],
)
async def test_what_it_refuses(names, n, words):
    async def works():
        return 1

    with pytest.raises(ValueError, match=words):
        await side_by_side(dict.fromkeys(names, works), n)
