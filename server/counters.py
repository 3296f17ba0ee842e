"""Counters by key, for faults that depend on how often they were asked."""

from collections import OrderedDict
from collections.abc import Hashable

KEPT_KEYS = 10_000


class Counters:
    """How often each key was counted. The key that was not used for longest is forgotten first."""

    def __init__(self, kept: int = KEPT_KEYS) -> None:
        self._kept = kept
        self._counts: OrderedDict[Hashable, int] = OrderedDict()

    def next(self, key: Hashable) -> int:
        """Count once more and return the new count, from 1."""
        count = self._counts.pop(key, 0) + 1
        self._counts[key] = count
        if len(self._counts) > self._kept:
            self._counts.popitem(last=False)
        return count
