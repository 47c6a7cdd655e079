"""Named counts of everything that happens per event, above all of everything that was lost and why.

One mutable object is made by the daemon and handed to the rooms; they only add to it, from several threads.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping


class Counters:
    """Counts by name, e.g. "http.exchanges", "streams.lost_bytes". Names are dotted: room.what_is_counted."""

    def __init__(self) -> None:
        # No lock, a name may be added to per event: `+=` on a dict of ints runs no Python code between its load and
        # its store, where the interpreter could switch threads. collections.Counter does, for a name's first count
        # (its __missing__ is Python): measured with four threads, 8 to 43 of 240,000 counts were lost.
        self._counts: defaultdict[str, int] = defaultdict(int)

    def add(self, name: str, amount: int = 1) -> None:
        self._counts[name] += amount

    def __getitem__(self, name: str) -> int:
        return self._counts.get(name, 0)

    def snapshot(self) -> Mapping[str, int]:
        counts = dict(self._counts)  # at once, while others add
        return dict(sorted(counts.items()))
