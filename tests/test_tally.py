"""How a tally counts and reads, how several compare, and what is drawn of them; what it keeps."""

import asyncio
import itertools
import traceback
import weakref

import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Text

from workbench.figures import FAILURES, SUCCESSES
from workbench.outcomes import Outcome
from workbench.tally import Tally, compare
from workbench.trials import run_trials

LONG = (
    "RemoteProtocolError: peer closed connection without sending complete message body "
    "(received 10 bytes, expected 100)"
)


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
        "Trials that raised an exception. alone: 0 of 20; 50 at once: 40 of 100",
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
    assert picture.text.startswith(
        "Trials that raised an exception. 0.01: 0 of 1; 0.1: 0 of 1. 0.01: ok"
    )


def test_what_cannot_be_compared():
    with pytest.raises(ValueError, match="one tally at least"):
        compare({})
    with pytest.raises(TypeError, match="'alone' is a int"):
        compare({"alone": 3})


# What it keeps


class Held:
    """What a failing trial names in its frames."""


@pytest.mark.anyio
async def test_a_tally_keeps_no_local_variable_alive():
    alive = weakref.WeakSet()

    async def held(error):
        held_here = Held()
        alive.add(held_here)
        raise error

    async def trial():
        here = Held()
        alive.add(here)
        try:
            await held(KeyError("first"))
        except KeyError as error:
            async with asyncio.TaskGroup() as group:
                group.create_task(held(ValueError("second")))
            raise AssertionError from error

    tally = await run_trials(trial, 2)
    assert [type(error) for error in tally.exceptions] == [ExceptionGroup] * 2
    assert not alive
    assert "in held" in "".join(traceback.format_exception(tally.exceptions[0]))


@pytest.mark.anyio
async def test_a_task_that_handed_its_exception_on_runs_on():
    loop = asyncio.get_running_loop()
    handed_on, may_end = loop.create_future(), asyncio.Event()

    async def fails():
        raise ValueError

    async def worker():
        try:
            await fails()
        except ValueError as error:
            handed_on.set_exception(error)
        await may_end.wait()
        return "done"

    working = asyncio.create_task(worker())
    tally = await run_trials(lambda: asyncio.shield(handed_on), 2)
    may_end.set()
    async with asyncio.timeout(5):
        assert await working == "done"
    assert tally.failed == 2
