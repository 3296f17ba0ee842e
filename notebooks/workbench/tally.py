"""The outcomes of one run of trials, and of several side by side: counts, table and picture.

`trials.run_trials` returns a `Tally`; a lesson compares several with `compare`.
"""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from workbench.bars import MOST_BARS, MOST_PIECES, draw_counts, draw_shares
from workbench.figures import Picture
from workbench.outcomes import (
    Outcome,
    at_most,
    counted_in,
    in_words,
    interval_in_words,
    kinds_of,
    wilson,
)
from workbench.table import Table, Tabular

NUMBERS = ("count", "share", "95% interval")
COLUMNS = ("outcome", *NUMBERS)
# An exception's message is evidence: it stands as it is, in the text form behind all else.
WORDS = {"last": "outcome", "verbatim": ("outcome",)}


class Tally(Tabular):
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
        """
        if not 0 < confidence < 1:
            raise ValueError(f"confidence must lie between 0 and 1, such as 0.95; got {confidence}")
        return wilson(self._count(label), self.n, confidence)

    def row(self, width: int = 80) -> str:
        """Return the trials in order as `OK FAIL OK FAIL`, in lines of `width` characters."""
        words = ("FAIL" if outcome.failed else "OK" for outcome in self.outcomes)
        return textwrap.fill(" ".join(words), width)

    def plot(self, title: str | None = None) -> Picture:
        """Return a bar picture: one bar for each outcome, failures hatched.

        title: the finding; without one it says how many trials raised an exception.
        """
        title = title or self._finding()
        kinds = at_most(MOST_BARS, kinds_of(self.outcomes))
        return Picture(
            draw_counts(kinds, self.n, title), f"{title.rstrip('.')}. {in_words(kinds, self.n)}."
        )

    def _finding(self) -> str:
        return f"{self.failed} of {self.n} trials raised an exception"

    def table(self) -> Table:
        """Return the table of the outcomes."""
        interval = interval_in_words(self.failed, self.n)
        finding = f"{self._finding()} ({self.rate():.1%}, 95% interval {interval})"
        return Table(COLUMNS, self.cells(), finding, numbers=NUMBERS, **WORDS)

    def cells(self) -> list[list[str]]:
        """Return a row of the table for each kind of outcome."""
        return [
            [
                kind.label,
                str(kind.count),
                f"{kind.count / self.n:.1%}",
                interval_in_words(kind.count, self.n),
            ]
            for kind in kinds_of(self.outcomes)
        ]


class Tallies(Tabular):
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
        runs = {name: tally.outcomes for name, tally in self.tallies.items()}
        kinds = at_most(MOST_PIECES, kinds_of([o for outcomes in runs.values() for o in outcomes]))
        words = (
            f"{name}: {in_words(counted_in(kinds, outcomes), len(outcomes))}."
            for name, outcomes in runs.items()
        )
        return Picture(draw_shares(kinds, runs, title), f"{title.rstrip('.')}. {' '.join(words)}")

    def _finding(self) -> str:
        parts = (f"{name}: {tally.failed} of {tally.n}" for name, tally in self.tallies.items())
        return f"Trials that raised an exception. {'; '.join(parts)}"

    def table(self) -> Table:
        """Return the table of the outcomes of each."""
        rows = [
            [name, str(tally.n), *cells]
            for name, tally in self.tallies.items()
            for cells in tally.cells()
        ]
        return Table(
            ("run", "trials", *COLUMNS),
            rows,
            self._finding(),
            numbers=("trials", *NUMBERS),
            **WORDS,
        )


def compare(tallies: Mapping[Any, Tally]) -> Tallies:
    """Put tallies side by side: `compare({"alone": alone, "after the cure": cured})`.

    tallies: the tallies under their names; a name that is no text is shown as `str(name)`.

    Raises ValueError without a tally, TypeError for anything that is not one.
    """
    if not tallies:
        raise ValueError("compare needs one tally at least: compare({'alone': tally})")
    for name, tally in tallies.items():
        if not isinstance(tally, Tally):
            raise TypeError(f"compare takes tallies; {name!r} is a {type(tally).__name__}")
    return Tallies(tallies)
