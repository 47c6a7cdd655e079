"""Counts that one thread writes and any thread reads."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping


class Tally:
    """Counts by reason; `snapshot` gives them as `prefix.reason`."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def add(self, reason: str, amount: int = 1) -> None:
        with self._lock:
            self._counts[reason] += amount

    def snapshot(self) -> Mapping[str, int]:
        with self._lock:
            return {f"{self._prefix}.{reason}": count for reason, count in sorted(self._counts.items())}
