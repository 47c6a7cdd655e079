"""Who the processes are whose events pass by: read once a program, kept until it ends.

Invariant: `get` answers with the program that runs now or, when /proc is already gone, with None; never with another
process of the same pid.
"""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatch

from wirespan.counters import Counters
from wirespan.processes import Process, read_process


class Identities:
    """`exclude_executables` and `exclude_uids` as in CaptureSettings."""

    def __init__(
        self,
        counters: Counters,
        exclude_executables: tuple[str, ...] = (),
        exclude_uids: tuple[int, ...] = (),
        read: Callable[[int], Process | None] = read_process,
    ) -> None:
        self._counters = counters
        self._exclude_executables = exclude_executables
        self._exclude_uids = frozenset(exclude_uids)
        self._read = read
        self._known: dict[int, Process | None] = {}

    def knows(self, pid: int) -> bool:
        return pid in self._known

    def get(self, pid: int) -> Process | None:
        if pid not in self._known:
            self._known[pid] = self._read(pid)
        return self._known[pid]

    def forget(self, pid: int) -> None:
        """It ended, or executes another program now."""
        self._known.pop(pid, None)

    def is_excluded(self, process: Process | None) -> bool:
        """The process opted out (WIRESPAN_DISABLE=1), or the configuration leaves it alone."""
        if process is None:
            return False
        if process.opted_out:
            self._counters.add("capture.processes_opted_out")
            return True
        by_path = any(fnmatch(process.executable, pattern) for pattern in self._exclude_executables)
        if by_path or process.user_id in self._exclude_uids:
            self._counters.add("capture.processes_excluded")
            return True
        return False
