"""What came of trials: outcomes, the kinds that they fall into, and how sure a rate is.

`tally` counts and shows them, `bars` draws them.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any


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


def at_most(most: int, kinds: Sequence[Kind]) -> list[Kind]:
    """Return the kinds to draw: where there are more than fit, the last are put together."""
    if len(kinds) <= most:
        return list(kinds)
    rest = kinds[most - 1 :]
    failed = any(kind.failed for kind in rest)
    together = Kind(f"{len(rest)} other outcomes", sum(kind.count for kind in rest), failed)
    return [*kinds[: most - 1], together]


def counted_in(kinds: Sequence[Kind], outcomes: Sequence[Outcome]) -> list[Kind]:
    """Return the kinds to draw with their counts among these outcomes."""
    own_piece = {kind.label for kind in kinds}
    counts = Counter(
        outcome.label if outcome.label in own_piece else kinds[-1].label for outcome in outcomes
    )
    return [replace(kind, count=counts[kind.label]) for kind in kinds]


def in_words(kinds: Sequence[Kind], n: int) -> str:
    """Return what a picture of these kinds shows, of n trials in all."""
    return "; ".join(
        f"{kind.label} ({kind.count} of {n}, {kind.count / n:.1%})" for kind in kinds if kind.count
    )


def wilson(count: int, n: int, confidence: float) -> tuple[float, float]:
    """Return the Wilson score interval of the rate count / n: its two bounds, 0 to 1.

    Source: E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical
    Inference", Journal of the American Statistical Association 22 (1927), 209-212.
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = count / n
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    # The two ends are exact; computed, they would be off by a rounding error.
    low = 0.0 if count == 0 else middle - reach
    high = 1.0 if count == n else middle + reach
    return low, high


def interval_in_words(count: int, n: int) -> str:
    """Return the 95 % interval as it is written: `1.2% to 3.4%`."""
    low, high = wilson(count, n, 0.95)
    return f"{low:.1%} to {high:.1%}"
