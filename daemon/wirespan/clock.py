"""CLOCK_MONOTONIC becomes wall time here and nowhere else.

Invariant: for every event time the offset that held at that time is used, so a stepped clock or a suspend moves the
events after it and leaves those before it alone. Pure: it knows only the `ClockSync` events it was given.
"""

from __future__ import annotations

from bisect import bisect_right

from wirespan.capture import ClockSync

# NTP slews by at most 500 ppm, which is 0.5 ms a second: below this a new offset is noise of reading two clocks.
_SAME_OFFSET_NS = 1_000_000
_MAX_OFFSETS = 1024


class ClockNotSyncedError(LookupError):
    """No `ClockSync` was received yet, so no wall time can be given."""


class WallClock:
    """Offsets between the monotonic and the wall clock, by the monotonic time from which they hold."""

    def __init__(self) -> None:
        self._from_ns: list[int] = []
        self._offsets_ns: list[int] = []

    def receive(self, sync: ClockSync) -> None:
        offset_ns = sync.wall_ns - sync.monotonic_ns
        place = bisect_right(self._from_ns, sync.monotonic_ns)
        if place and abs(self._offsets_ns[place - 1] - offset_ns) < _SAME_OFFSET_NS:
            return
        self._from_ns.insert(place, sync.monotonic_ns)
        self._offsets_ns.insert(place, offset_ns)
        if len(self._from_ns) > _MAX_OFFSETS:
            del self._from_ns[0], self._offsets_ns[0]

    def wall_ns(self, monotonic_ns: int) -> int:
        """Nanoseconds since the epoch. Times before the first sync use its offset.

        Raises ClockNotSyncedError before the first sync.
        """
        if not self._from_ns:
            raise ClockNotSyncedError("no ClockSync event was seen yet")
        place = bisect_right(self._from_ns, monotonic_ns)
        return monotonic_ns + self._offsets_ns[max(place - 1, 0)]
