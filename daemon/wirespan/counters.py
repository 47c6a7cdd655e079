"""Named counts of everything that happens per event, above all of everything that was lost and why.

One mutable object is made by the pipeline and handed to the rooms; they only add to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping


class Counters:
    """Counts by name, e.g. "http.exchanges", "streams.lost_bytes". Names are dotted: room.what_is_counted."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, name: str, amount: int = 1) -> None:
        self._counts[name] += amount

    def __getitem__(self, name: str) -> int:
        return self._counts[name]

    def snapshot(self) -> Mapping[str, int]:
        return dict(sorted(self._counts.items()))
