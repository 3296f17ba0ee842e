"""Trials: how they run, what counts as an outcome, and how a tally reads."""

import asyncio
import functools
import itertools

import httpx
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Text

from workbench.figures import FAILURES, SUCCESSES
from workbench.trials import Outcome, Tally, compare, outcome_label, run_trials

LONG = (
    "RemoteProtocolError: peer closed connection without sending complete message body "
    "(received 10 bytes, expected 100)"
)


async def fine():
    return None


def tally_of(**counts):
    """A tally with so many outcomes: ok=3, ReadError=1; all but ok are failures."""
    return labelled(counts)


def labelled(counts):
    return Tally(
        [
            Outcome(label, failed=label not in ("ok", "OK", "200 OK"))
            for label, count in counts.items()
            for _ in range(count)
        ]
    )


# How they run


@pytest.mark.anyio
async def test_one_by_one_each_waits_for_the_one_before():
    log = []

    async def trial():
        log.append("start")
        await asyncio.sleep(0)
        log.append("end")

    await run_trials(trial, 3)
    assert log == ["start", "end"] * 3


@pytest.mark.anyio
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


@pytest.mark.anyio
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


@pytest.mark.anyio
async def test_any_callable_that_returns_an_awaitable_will_do():
    async def echo(value):
        return value

    assert (await run_trials(lambda: echo(1), 2)).results == [1, 1]
    assert (await run_trials(functools.partial(echo, 2), 2)).results == [2, 2]


@pytest.mark.anyio
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


@pytest.mark.anyio
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


@pytest.mark.anyio
@pytest.mark.parametrize("trial", [raise_it, await_a_cancelled_task, cancel_its_own_task])
@pytest.mark.parametrize("at_once", [1, 2])
async def test_a_trial_that_cancels_itself_is_an_outcome(trial, at_once):
    async with asyncio.timeout(10):
        tally = await run_trials(trial, 4, at_once=at_once)
    assert tally.counts == {"CancelledError()": 4}
    assert tally.failed == 4
    assert asyncio.current_task().cancelling() == 0


@pytest.mark.anyio
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


@pytest.mark.anyio
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


@pytest.mark.anyio
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


@pytest.mark.anyio
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


@pytest.mark.anyio
async def test_another_base_exception_ends_the_run_as_itself():
    class Stop(BaseException):
        pass

    async def trial():
        raise Stop

    with pytest.raises(Stop):
        await run_trials(trial, 3)


@pytest.mark.anyio
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


@pytest.mark.anyio
async def test_a_coroutine_in_place_of_its_function_is_explained():
    coroutine = fine()
    with pytest.raises(TypeError, match=r"got a coroutine: write run_trials\(trial, n\)"):
        await run_trials(coroutine, 3)
    coroutine.close()


# What an outcome is called


class Slotted(Exception):
    def __repr__(self):
        return "Slotted(\n  many=1\n)"


@pytest.mark.parametrize(
    ("result", "label"),
    [
        (TypeError("message"), "TypeError: message"),
        (httpx.ReadError(""), "ReadError('')"),
        (httpx.PoolTimeout("  "), "PoolTimeout('  ')"),
        (ValueError("first\nsecond\n"), "ValueError: first …"),
        (ValueError("\n only \n"), "ValueError: only"),
        (Slotted(), "Slotted( …"),
        (ValueError("tab\tbell\a"), "ValueError: tab bell "),
        (httpx.Response(200), "200 OK"),
        (httpx.Response(503), "503 Service Unavailable"),
        (httpx.Response(299), "299"),
        (None, "OK"),
        ("anything", "OK"),
    ],
)
def test_labels(result, label):
    assert outcome_label(result) == label


@pytest.mark.anyio
async def test_a_response_is_ok_whatever_its_status():
    async def trial():
        return httpx.Response(503)

    tally = await run_trials(trial, 2)
    assert (tally.ok, tally.failed) == (2, 0)
    assert tally.counts == {"503 Service Unavailable": 2}


@pytest.mark.anyio
async def test_an_exception_that_is_returned_is_a_value():
    async def trial():
        return ValueError("returned")

    tally = await run_trials(trial, 1)
    assert (tally.ok, tally.exceptions) == (1, [])


@pytest.mark.anyio
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


# Counts and rates


def test_counts_have_success_first_then_the_most_frequent_whatever_the_order():
    counts = {"B: b": 1, "A: a": 1, "C: c": 5, "ok": 2}
    tally = labelled(counts)
    assert list(tally.counts.items()) == [("ok", 2), ("C: c", 5), ("A: a", 1), ("B: b", 1)]
    backwards = Tally(tally.outcomes[::-1])
    assert repr(backwards) == repr(tally)


def test_rates():
    tally = tally_of(ok=6, ReadError=3, PoolTimeout=1)
    assert tally.rate() == 0.4
    assert tally.rate("ReadError") == 0.3
    assert tally.rate("never seen") == 0


@pytest.mark.parametrize(
    ("failed", "n", "low", "high"),
    [
        # R. G. Newcombe, Statistics in Medicine 17 (1998), 857-872, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_interval_gives_the_published_values(failed, n, low, high):
    tally = tally_of(ok=n - failed, ReadError=failed)
    assert tally.interval() == pytest.approx((low, high), abs=0.00005)
    assert tally.interval("ok") == pytest.approx((1 - high, 1 - low), abs=0.00005)


def test_wilson_interval_ends_exactly_at_0_and_1():
    for n in range(1, 200):
        assert tally_of(ok=n).interval()[0] == 0
        assert tally_of(ReadError=n).interval()[1] == 1


def test_a_higher_confidence_gives_a_wider_interval():
    tally = tally_of(ok=50, ReadError=50)
    low, high = tally.interval(confidence=0.99)
    assert low < tally.interval()[0] < 0.5 < tally.interval()[1] < high


@pytest.mark.parametrize("confidence", [0, 1, 95])
def test_a_confidence_out_of_range_is_refused(confidence):
    with pytest.raises(ValueError, match="between 0 and 1"):
        tally_of(ok=1).interval(confidence=confidence)


def test_an_empty_tally_is_refused():
    with pytest.raises(ValueError, match="one outcome at least"):
        Tally([])


# How a tally reads


def test_the_text_form():
    tally = labelled({"200 OK": 150, "ReadError('')": 35, LONG: 15})
    assert str(tally) == repr(tally)
    assert str(tally).splitlines() == [
        "50 of 200 trials raised an exception (25.0%, 95% interval 19.5% to 31.4%)",
        "",
        "count  share    95% interval  outcome",
        "  150  75.0%  68.6% to 80.5%  200 OK",
        "   35  17.5%  12.9% to 23.4%  ReadError('')",
        f"   15   7.5%   4.6% to 12.0%  {LONG}",
    ]


def test_a_longer_message_changes_nothing_else_in_the_text():
    short = str(labelled({"OK": 3, "TypeError: no": 1}))
    long = str(labelled({"OK": 3, "TypeError: no (missed __aexit__ method)": 1}))
    assert long.replace(" (missed __aexit__ method)", "") == short


def test_html_form():
    html = labelled({"OK": 1, "ValueError: <script>&": 1})._repr_html_()
    assert "ValueError: &lt;script&gt;&amp;</td>" in html
    assert "<script>" not in html
    heads = ["outcome", "count", "share", "95% interval"]
    positions = [html.index(f">{head}</th>") for head in heads]
    assert positions == sorted(positions)
    assert html.count("<tr>") == html.count("</tr>") == 3


def test_the_row_is_wrapped():
    tally = Tally([Outcome("OK"), Outcome("E: e", failed=True)] * 3)
    assert tally.row(16) == "OK FAIL OK FAIL\nOK FAIL"


# The pictures


def texts_of(figure):
    """Every text that is drawn in the figure, with its place in pixels."""
    figure.draw_without_rendering()
    axis = figure.axes[0].xaxis
    beyond = [
        tick.label1
        for tick in axis.get_major_ticks()
        if tick.get_loc() > axis.get_view_interval()[1]
    ]
    texts = set(figure.findobj(Text)).difference(beyond)
    return [
        (text.get_text(), text.get_window_extent())
        for text in texts
        if text.get_text() and text.get_visible()
    ]


def assert_readable(figure):
    """No text is cut off at the figure's edge, and none lies on another."""
    texts = texts_of(figure)
    page = figure.bbox
    for text, box in texts:
        assert page.x0 <= box.x0, text
        assert box.x1 <= page.x1, text
        assert page.y0 <= box.y0, text
        assert box.y1 <= page.y1, text
    for (text, box), (other, other_box) in itertools.combinations(texts, 2):
        assert not box.overlaps(other_box), (text, other)


def test_plot_says_in_words_what_it_shows():
    tally = labelled({"200 OK": 1, "ReadError('')": 3})
    assert tally.plot().text == (
        "3 of 4 trials raised an exception. 200 OK (1 of 4, 25.0%); ReadError('') (3 of 4, 75.0%)."
    )
    assert tally.plot("It fails.").text.startswith("It fails. 200 OK")


def test_plot_shows_failures_by_colour_and_by_hatch():
    figure = labelled({"200 OK": 1, "ReadError('')": 3}).plot().figure
    ok, failed = figure.axes[0].patches
    assert (ok.get_width(), failed.get_width()) == (1, 3)
    assert to_hex(ok.get_facecolor()).upper() == SUCCESSES[0]["facecolor"]
    assert to_hex(failed.get_facecolor()).upper() == FAILURES[0]["facecolor"]
    assert ok.get_hatch() is None
    assert failed.get_hatch()


def test_plot_names_title_axis_and_counts():
    figure = labelled({"200 OK": 1, "ReadError('')": 3}).plot("Three in four fail").figure
    texts = [text for text, _ in texts_of(figure)]
    assert figure.get_suptitle() == "Three in four fail"
    assert figure.axes[0].get_xlabel().startswith("trials")
    assert {"1 (25.0%)", "3 (75.0%)", "200 OK", "ReadError('')"} <= set(texts)


MANY = {"200 OK": 3, **{f"KeyError: item {i} costs $5 and $6": 1 + i % 3 for i in range(30)}}


@pytest.mark.parametrize(
    "counts",
    [
        {"200 OK": 40},
        {LONG: 200},
        {"200 OK": 9_999, LONG: 1},
        {"200 OK": 150, "ReadError('')": 35, LONG: 15},
        {"X: " + "unbroken" * 200: 1, "_Private: name": 1},
        MANY,
    ],
)
def test_plots_are_readable(counts):
    assert_readable(labelled(counts).plot().figure)


def test_plot_puts_what_is_too_much_together():
    picture = labelled(MANY).plot()
    assert len(picture.figure.axes[0].patches) == 10
    assert "22 other outcomes" in picture.text
    assert "22 other outcomes" in [text for text, _ in texts_of(picture.figure)]


# Several tallies


@pytest.fixture
def comparison():
    return compare(
        {
            "alone": labelled({"200 OK": 20}),
            "50 at once": labelled({"200 OK": 60, "ReadError('')": 38, LONG: 2}),
            "after the cure, with a client for each event loop": labelled({"200 OK": 200}),
        }
    )


def test_comparison_as_text(comparison):
    del comparison.tallies["after the cure, with a client for each event loop"]
    assert str(comparison) == repr(comparison)
    assert str(comparison).splitlines() == [
        "Raised an exception: alone 0 of 20, 50 at once 40 of 100",
        "",
        "run         trials  count   share     95% interval  outcome",
        "alone           20     20  100.0%  83.9% to 100.0%  200 OK",
        "50 at once     100     60   60.0%   50.2% to 69.1%  200 OK",
        "50 at once     100     38   38.0%   29.1% to 47.8%  ReadError('')",
        f"50 at once     100      2    2.0%     0.6% to 7.0%  {LONG}",
    ]


def test_comparison_as_html_is_escaped():
    html = compare({"<b>": labelled({"<i>: <u>": 1})})._repr_html_()
    assert not any(tag in html for tag in ("<b>", "<i>", "<u>"))
    assert "&lt;b&gt;</td>" in html


def test_comparison_draws_bars_of_100_percent(comparison):
    picture = comparison.plot("Only the burst fails")
    assert picture.text == (
        "Only the burst fails. alone: 200 OK (20 of 20, 100.0%). 50 at once: 200 OK (60 of 100, "
        f"60.0%); ReadError('') (38 of 100, 38.0%); {LONG} (2 of 100, 2.0%). after the cure, with "
        "a client for each event loop: 200 OK (200 of 200, 100.0%)."
    )
    rows = {}
    for piece in picture.figure.axes[0].patches:
        rows.setdefault(round(piece.get_y(), 3), []).append(piece.get_width())
    assert [sum(widths) for widths in rows.values()] == pytest.approx([100, 100, 100])
    texts = [text for text, _ in texts_of(picture.figure)]
    assert "40 of 100\nraised" in texts  # stands beside the bar, however thin the piece
    assert "ReadError('')" in texts


def test_comparisons_are_readable(comparison):
    assert_readable(comparison.plot().figure)
    assert_readable(compare({"many": labelled(MANY), "one": labelled({"OK": 1})}).plot().figure)


def test_names_may_be_numbers():
    picture = compare({0.01: tally_of(ok=1), 0.1: tally_of(ok=1)}).plot()
    assert picture.text.startswith("Raised an exception: 0.01 0 of 1, 0.1 0 of 1. 0.01: ok")


def test_what_cannot_be_compared():
    with pytest.raises(ValueError, match="one tally at least"):
        compare({})
    with pytest.raises(TypeError, match="'alone' is a int"):
        compare({"alone": 3})


# The progress bar


@pytest.fixture
def half_seconds(monkeypatch):
    """A trial that takes half a second by the clock of the progress bar, and no time."""
    now = 0.0
    monkeypatch.setattr("tqdm.std.time", lambda: now)

    async def trial():
        nonlocal now
        now += 0.5

    return trial


@pytest.mark.anyio
async def test_a_bar_appears_when_the_run_lasts_over_a_second(half_seconds, monkeypatch, capsys):
    monkeypatch.delenv("WORKBENCH_PROGRESS")
    await run_trials(half_seconds, 10)
    shown = capsys.readouterr().err
    assert "10/10" not in shown.splitlines()[-1]  # it is gone at the end
    assert "| 4/10 [" in shown
    assert "| 1/10 [" not in shown


@pytest.mark.anyio
async def test_a_short_run_shows_no_bar(half_seconds, monkeypatch, capsys):
    monkeypatch.delenv("WORKBENCH_PROGRESS")
    await run_trials(half_seconds, 1)
    assert capsys.readouterr() == ("", "")


@pytest.mark.anyio
async def test_the_bar_can_be_switched_off(half_seconds, monkeypatch, capsys):
    monkeypatch.setenv("WORKBENCH_PROGRESS", "0")
    await run_trials(half_seconds, 10)
    assert capsys.readouterr() == ("", "")
