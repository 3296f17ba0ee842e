"""Run the same coroutine function many times and tally what came of it.

    tally = await run_trials(trial, 200, at_once=50)
    tally                       # the table
    tally.plot()                # the picture
    assert tally.failed == 0

An exception is data here: it is kept, counted and shown, and the next trial runs.
"""

import asyncio
import html
import inspect
import math
import os
import textwrap
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from tqdm.auto import tqdm

from workbench.figures import FAILURES, SUCCESSES, WIDTH, Picture, house_style, set_title

MOST_TRIALS = 10_000


@dataclass(frozen=True)
class Outcome:
    """What came of one trial: what it returned, or the exception it raised."""

    label: str
    result: Any = None
    failed: bool = False


def outcome_label(result: Any) -> str:
    """Return what a learner would call this result.

    An exception is `TypeError: its message`, or its `repr`, such as `ReadError('')`, where the
    message is empty. Of a message of several lines the first is kept. A response is its status,
    `200 OK`; any other value is `OK`.
    """
    if isinstance(result, BaseException):
        message = str(result).strip()
        if message:
            return f"{type(result).__name__}: {_first_line(message)}"
        return _first_line(repr(result))
    if hasattr(result, "status_code") and hasattr(result, "reason_phrase"):
        return f"{result.status_code} {result.reason_phrase}".strip()
    return "OK"


async def run_trials(
    trial: Callable[[], Awaitable[Any]],
    n: int,
    *,
    at_once: int = 1,
    label: Callable[[Any], str] = outcome_label,
) -> "Tally":
    """Run `trial` n times and return the `Tally` of the outcomes.

    trial: a function without arguments that returns an awaitable: `async def trial(): ...`, or
        `lambda: client.get(url)`. Each call runs in a task of its own.
    n: how many trials, 1 to 10 000.
    at_once: how many may run at the same time, 1 to n. With 1 each waits for the one before.
    label: names an outcome; called with what a trial returned or raised.

    An `Exception` of a trial is an outcome, and so is the `CancelledError` of a trial that was
    cancelled by itself. KeyboardInterrupt, SystemExit and the cancellation of the whole run are
    not: they end the run, after every trial still under way was cancelled and has ended.

    Raises TypeError or ValueError for arguments it cannot use.
    """
    _check_arguments(trial, n, at_once)
    slots = asyncio.Semaphore(at_once)
    tasks = []
    progress = tqdm(
        total=n,
        unit="trial",
        delay=1,
        leave=False,
        disable=os.environ.get("WORKBENCH_PROGRESS") == "0",
    )

    def ended(task: asyncio.Task) -> None:
        slots.release()
        progress.update()

    with progress:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(n):
                    await slots.acquire()
                    task = group.create_task(_attempt(trial))
                    # Not a `finally` in the task: one cancelled before its first step runs none.
                    task.add_done_callback(ended)
                    tasks.append(task)
        except BaseExceptionGroup as errors:
            # What ended the run (outcomes never get here), without the group's wrapping.
            raise errors.exceptions[0] from None
    return Tally([_outcome(task, label) for task in tasks])


class Tally:
    """The outcomes of n trials, in the order in which the trials started.

    `ok` counts the trials that raised no exception. A response is no exception, whatever its
    status: a `503 Service Unavailable` counts as ok unless the trial calls `raise_for_status()`.
    As the last line of a cell it shows a table; its text holds no times, so it can be compared.
    """

    def __init__(self, outcomes: Sequence[Outcome]):
        if not outcomes:
            raise ValueError("a tally needs one outcome at least")
        self.outcomes = list(outcomes)

    @property
    def n(self) -> int:
        """How many trials ran."""
        return len(self.outcomes)

    @property
    def results(self) -> list[Any]:
        """What each trial returned or raised."""
        return [outcome.result for outcome in self.outcomes]

    @property
    def labels(self) -> list[str]:
        """The label of each trial's outcome."""
        return [outcome.label for outcome in self.outcomes]

    @property
    def exceptions(self) -> list[BaseException]:
        """What the failed trials raised."""
        return [outcome.result for outcome in self.outcomes if outcome.failed]

    @property
    def failed(self) -> int:
        """How many trials raised an exception."""
        return sum(outcome.failed for outcome in self.outcomes)

    @property
    def ok(self) -> int:
        """How many trials raised none."""
        return self.n - self.failed

    @property
    def counts(self) -> dict[str, int]:
        """How often each label came up: what succeeded first, then the most frequent first.

        Equal counts are in alphabetical order, so that a chance order of trials does not show.
        """
        return {kind.label: kind.count for kind in kinds_of(self.outcomes)}

    def rate(self, label: str | None = None) -> float:
        """Return the share of trials, 0 to 1, that raised an exception or, given one, have `label`.

        A label that never came up has the rate 0.
        """
        return self._count(label) / self.n

    def _count(self, label: str | None) -> int:
        return self.failed if label is None else self.counts.get(label, 0)

    def interval(self, label: str | None = None, confidence: float = 0.95) -> tuple[float, float]:
        """Return the Wilson score interval of `rate(label)`: its lower and upper bound, 0 to 1.

        It says which rates would explain the count, for trials that are independent of each
        other. After 0 failures in 200 trials it ends at 0.019: a failure that hits one request
        in a hundred has not been ruled out.

        Raises ValueError for a confidence that is not between 0 and 1.
        Source: E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical
        Inference", Journal of the American Statistical Association 22 (1927), 209-212.
        """
        if not 0 < confidence < 1:
            raise ValueError(f"confidence must lie between 0 and 1, such as 0.95; got {confidence}")
        return _wilson(self._count(label), self.n, confidence)

    def row(self, width: int = 80) -> str:
        """Return the trials in order as `OK FAIL OK FAIL`, in lines of `width` characters."""
        words = ("FAIL" if outcome.failed else "OK" for outcome in self.outcomes)
        return textwrap.fill(" ".join(words), width)

    def plot(self, title: str | None = None) -> Picture:
        """Return a bar picture: one bar for each outcome, failures hatched.

        title: the finding; without one it says how many trials raised an exception.
        """
        title = title or self._finding()
        kinds = at_most(_MOST_BARS, kinds_of(self.outcomes))
        return Picture(
            _draw_bars(kinds, self.n, title), f"{title.rstrip('.')}. {in_words(kinds, self.n)}."
        )

    def _finding(self) -> str:
        return f"{self.failed} of {self.n} trials raised an exception"

    def _table(self) -> "_Table":
        interval = _interval(self.failed, self.n)
        finding = f"{self._finding()} ({self.rate():.1%}, 95% interval {interval})"
        return _Table(finding, _OUTCOME_COLUMNS, _outcome_cells(self))

    def __repr__(self) -> str:
        return self._table().text()

    def _repr_html_(self) -> str:
        return self._table().html()


class Comparison:
    """Several tallies side by side, under the names they were given.

    As the last line of a cell it shows a table; `plot()` draws them.
    """

    def __init__(self, tallies: Mapping[Any, Tally]):
        self.tallies = {str(name): tally for name, tally in tallies.items()}

    def plot(self, title: str | None = None) -> Picture:
        """Return a picture with one bar of 100 % for each tally, divided by outcome.

        title: the finding; without one it says how many trials raised an exception in each.
        """
        title = title or self._finding()
        outcomes = [outcome for tally in self.tallies.values() for outcome in tally.outcomes]
        kinds = at_most(MOST_KINDS, kinds_of(outcomes))
        words = (
            f"{name}: {in_words(in_tally(kinds, tally), tally.n)}."
            for name, tally in self.tallies.items()
        )
        return Picture(
            _draw_shares(kinds, self.tallies, title), f"{title.rstrip('.')}. {' '.join(words)}"
        )

    def _finding(self) -> str:
        parts = (f"{name} {tally.failed} of {tally.n}" for name, tally in self.tallies.items())
        return f"Raised an exception: {', '.join(parts)}"

    def _table(self) -> "_Table":
        rows = [
            [name, str(tally.n), *cells]
            for name, tally in self.tallies.items()
            for cells in _outcome_cells(tally)
        ]
        return _Table(self._finding(), ("run", "trials", *_OUTCOME_COLUMNS), rows)

    def __repr__(self) -> str:
        return self._table().text()

    def _repr_html_(self) -> str:
        return self._table().html()


def compare(tallies: Mapping[Any, Tally]) -> Comparison:
    """Put tallies side by side: `compare({"alone": alone, "after the cure": cured})`.

    tallies: the tallies under their names; a name that is no text is shown as `str(name)`.

    Raises ValueError without a tally, TypeError for anything that is not one.
    """
    if not tallies:
        raise ValueError("compare needs one tally at least: compare({'alone': tally})")
    for name, tally in tallies.items():
        if not isinstance(tally, Tally):
            raise TypeError(f"compare takes tallies; {name!r} is a {type(tally).__name__}")
    return Comparison(tallies)


def _check_arguments(trial: Any, n: Any, at_once: Any) -> None:
    if not callable(trial):
        hint = ": write run_trials(trial, n), not trial()" if inspect.iscoroutine(trial) else ""
        raise TypeError(
            f"trial must be a function to call n times; got a {type(trial).__name__}{hint}"
        )
    try:
        inspect.signature(trial).bind()
    except TypeError as error:
        raise TypeError(f"trial must be callable without arguments: {error}") from None
    except ValueError:
        pass  # a callable written in C may have no signature to read
    _check_whole_number("n", n, MOST_TRIALS)
    _check_whole_number("at_once", at_once, n)


def _check_whole_number(name: str, value: Any, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number from 1 to {most}; got {value!r}")
    if not 1 <= value <= most:
        raise ValueError(f"{name} must lie between 1 and {most}; got {value}")


async def _attempt(trial: Callable[[], Awaitable[Any]]) -> tuple[bool, Any]:
    """Return whether the trial failed, and what it returned or raised.

    CancelledError passes: it ends this task as cancelled, which the run reads as an outcome
    unless the run itself is being cancelled.
    """
    try:
        awaitable = trial()
        if inspect.isawaitable(awaitable):
            return False, await awaitable
    except Exception as error:
        return True, error
    raise TypeError(
        "trial must be a coroutine function (`async def`) or return an awaitable; "
        f"{getattr(trial, '__name__', 'it')} returned an object of type "
        f"{type(awaitable).__name__!r}"
    )


def _outcome(task: asyncio.Task, label: Callable[[Any], str]) -> Outcome:
    try:
        failed, result = task.result()
    except asyncio.CancelledError as cancelled:
        failed, result = True, cancelled
    name = label(result)
    if not isinstance(name, str):
        raise TypeError(f"label must return a str; for {result!r} it returned {name!r}")
    return Outcome(name, result, failed)


def _first_line(message: str) -> str:
    first, *more = message.splitlines()
    printable = "".join(character if character.isprintable() else " " for character in first)
    return f"{printable} …" if more else printable


@dataclass(frozen=True)
class Kind:
    """All outcomes with the same label."""

    label: str
    count: int
    failed: bool


def kinds_of(outcomes: Sequence[Outcome]) -> list[Kind]:
    """Return what came up: success first, then by count, then by label.

    No order of trials is in it, so trials that run at once give the same table every time.
    """
    counts = Counter(outcome.label for outcome in outcomes)
    failed = {outcome.label for outcome in outcomes if outcome.failed}
    kinds = [Kind(label, count, label in failed) for label, count in counts.items()]
    return sorted(kinds, key=lambda kind: (kind.failed, -kind.count, kind.label))


def in_words(kinds: Sequence[Kind], n: int) -> str:
    return "; ".join(
        f"{kind.label} ({kind.count} of {n}, {kind.count / n:.1%})" for kind in kinds if kind.count
    )


def _wilson(count: int, n: int, confidence: float) -> tuple[float, float]:
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = count / n
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    # The two ends are exact; computed, they would be off by a rounding error.
    low = 0.0 if count == 0 else middle - reach
    high = 1.0 if count == n else middle + reach
    return low, high


def _interval(count: int, n: int) -> str:
    low, high = _wilson(count, n, 0.95)
    return f"{low:.1%} to {high:.1%}"


# The tables


_OUTCOME_COLUMNS = ("outcome", "count", "share", "95% interval")
_WORDS = ("run", "outcome")  # the columns that hold words, not numbers


def _outcome_cells(tally: Tally) -> list[list[str]]:
    return [
        [kind.label, str(kind.count), f"{kind.count / tally.n:.1%}", _interval(kind.count, tally.n)]
        for kind in kinds_of(tally.outcomes)
    ]


@dataclass(frozen=True)
class _Table:
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def text(self) -> str:
        """Return the table as plain text, the outcomes in the last column.

        There nothing stands behind them: where a message differs by Python version or port, the
        other columns do not move, so the rest of the text still compares equal.
        """
        columns = sorted(
            zip(self.columns, *self.rows, strict=True), key=lambda column: column[0] == "outcome"
        )
        aligned = []
        for head, *cells in columns:
            width = max(map(len, (head, *cells)))
            side = "<" if head in _WORDS else ">"
            aligned.append([f"{cell:{side}{width}}" for cell in (head, *cells)])
        lines = ["  ".join(cells).rstrip() for cells in zip(*aligned, strict=True)]
        return "\n".join([self.caption, "", *lines])

    def html(self) -> str:
        """Return the table as HTML, all text escaped: messages may hold < and >."""
        head = self._html_row("th", self.columns)
        rows = "\n".join(self._html_row("td", row) for row in self.rows)
        return (
            f"<table>\n<caption>{html.escape(self.caption, quote=False)}</caption>\n"
            f"<thead>\n{head}\n</thead>\n<tbody>\n{rows}\n</tbody>\n</table>"
        )

    def _html_row(self, tag: str, cells: Sequence[str]) -> str:
        row = ""
        for column, cell in zip(self.columns, cells, strict=True):
            side = "left" if column in _WORDS else "right"
            row += f'<{tag} style="text-align: {side}">{html.escape(cell, quote=False)}</{tag}>'
        return f"<tr>{row}</tr>"


# The pictures


_MOST_BARS = 10
MOST_KINDS = min(len(SUCCESSES), len(FAILURES))  # one style for each


def at_most(most: int, kinds: Sequence[Kind]) -> list[Kind]:
    """Return the kinds to draw: where there are more than fit, the last are put together."""
    if len(kinds) <= most:
        return list(kinds)
    rest = kinds[most - 1 :]
    failed = any(kind.failed for kind in rest)
    together = Kind(f"{len(rest)} other outcomes", sum(kind.count for kind in rest), failed)
    return [*kinds[: most - 1], together]


def in_tally(kinds: Sequence[Kind], tally: Tally) -> list[Kind]:
    """Return the kinds to draw with their counts in this tally."""
    own_piece = {kind.label for kind in kinds}
    counts = Counter(label if label in own_piece else kinds[-1].label for label in tally.labels)
    return [replace(kind, count=counts[kind.label]) for kind in kinds]


def wrapped(label: str, width: int) -> str:
    return textwrap.fill(label, width, max_lines=4, placeholder=" …")


def _draw_bars(kinds: Sequence[Kind], n: int, title: str) -> Figure:
    """Draw a bar for each kind of outcome, as long as its count."""
    labels = [wrapped(kind.label, 40) for kind in kinds]
    lines = 1 + max(label.count("\n") for label in labels)
    with house_style():
        figure = Figure(figsize=(WIDTH, 1.3 + len(kinds) * (0.2 + 0.2 * lines)))
        axes = figure.subplots()
        for position, kind in enumerate(kinds):
            style = FAILURES[0] if kind.failed else SUCCESSES[0]
            axes.barh(position, kind.count, height=0.65, **style)
            axes.annotate(
                f"{kind.count} ({kind.count / n:.1%})",
                (kind.count, position),
                xytext=(6, 0),
                textcoords="offset points",
                verticalalignment="center",
            )
        axes.set_yticks(range(len(kinds)), labels)
        axes.invert_yaxis()
        axes.set_xlim(0, n)
        axes.set_xlabel("trials" + ("; hatched: an exception" if kinds[-1].failed else ""))
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.grid(axis="x")
        set_title(figure, title)
    return figure


def _draw_shares(kinds: Sequence[Kind], tallies: Mapping[str, Tally], title: str) -> Figure:
    """Draw a bar of 100 % for each tally, one piece for each kind of outcome."""
    styles = styles_for(kinds)
    names = [wrapped(name, 24) for name in tallies]
    row_height = 0.5 + 0.2 * max(name.count("\n") for name in names)
    with house_style():
        figure = Figure(figsize=(WIDTH, 1.4 + 0.3 * len(kinds) + row_height * len(names)))
        axes = figure.subplots()
        for position, tally in enumerate(tallies.values()):
            left = 0.0
            for kind, style in zip(in_tally(kinds, tally), styles, strict=True):
                if not kind.count:
                    continue
                width = 100 * kind.count / tally.n
                axes.barh(position, width, left=left, height=0.65, **style)
                if width >= 6:  # narrower pieces have no room for a number
                    axes.text(left + width / 2, position, str(kind.count), **ON_A_BAR)
                left += width
            axes.annotate(
                f"{tally.failed} of {tally.n}\nraised",
                (100, position),
                xytext=(6, 0),
                textcoords="offset points",
                verticalalignment="center",
            )
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.set_xlim(0, 100)
        axes.set_xlabel("share of trials (%); hatched: an exception")
        axes.grid(axis="x")
        figure.legend(
            [Patch(**style) for style in styles],
            [wrapped(kind.label, 80) for kind in kinds],
            loc="outside lower left",
        )
        set_title(figure, title)
    return figure


ON_A_BAR = {
    "horizontalalignment": "center",
    "verticalalignment": "center",
    "bbox": {"facecolor": "white", "edgecolor": "none", "boxstyle": "round,pad=0.15"},
}


def styles_for(kinds: Sequence[Kind]) -> list[dict[str, str]]:
    """Return a colour, and for failures a hatch, for each kind of outcome."""
    successes, failures = iter(SUCCESSES), iter(FAILURES)
    return [next(failures if kind.failed else successes) for kind in kinds]
