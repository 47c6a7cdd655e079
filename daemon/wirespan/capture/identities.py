"""Who the processes are whose events pass by: read once a program, kept until it ends.

Invariant: `get` answers with the program that runs now or, when /proc is already gone, with None; never with another
process of the same pid.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fnmatch import fnmatch

from wirespan.counters import Counters
from wirespan.processes import Process, ProcessKey, read_process

_PROGRAMS_MAX = 8192


@dataclass(slots=True)
class _Program:
    command_name: str
    executable: str = ""


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
        self._programs: dict[int, _Program] = {}

    def knows(self, pid: int) -> bool:
        return pid in self._known

    def get(self, pid: int) -> Process | None:
        if pid not in self._known:
            self._known[pid] = self._identify(pid)
        return self._known[pid]

    def executed(self, pid: int, command_name: str) -> None:
        """It executes another program now."""
        self._known.pop(pid, None)
        if len(self._programs) >= _PROGRAMS_MAX:
            self._programs.pop(next(iter(self._programs)))
        self._programs[pid] = _Program(command_name)

    def mapped(self, pid: int, path: str) -> None:
        """The first file a new program maps as code is its executable (fs/binfmt_elf.c: before the interpreter)."""
        program = self._programs.get(pid)
        if program is not None and not program.executable:
            program.executable = path

    def forget(self, pid: int) -> None:
        """It ended."""
        self._known.pop(pid, None)
        self._programs.pop(pid, None)

    def _identify(self, pid: int) -> Process | None:
        """From /proc, and what /proc no longer tells of a process that was too quick from what perf said of it."""
        process, program = self._read(pid), self._programs.get(pid)
        if program is None or not program.executable or (process is not None and process.executable):
            return process
        self._counters.add("capture.processes_named_by_side_band")
        known = process or Process(ProcessKey(pid, 0), command_name=program.command_name)
        return replace(known, executable=program.executable)

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
