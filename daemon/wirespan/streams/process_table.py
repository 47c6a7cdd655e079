"""Who owns a pid now.

Invariant: at most `limit` processes are kept; the one that was asked for least recently goes first.
"""

from __future__ import annotations

from collections import OrderedDict

from wirespan.processes import Process, ProcessKey


class ProcessTable:
    """A process stays known after its exit, because its last records may still be on their way; only the next owner
    of the pid replaces it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._processes: OrderedDict[int, Process] = OrderedDict()

    def put(self, process: Process) -> None:
        self._processes[process.pid] = process
        self._processes.move_to_end(process.pid)
        while len(self._processes) > self._limit:
            self._processes.popitem(last=False)

    def get(self, pid: int) -> Process | None:
        process = self._processes.get(pid)
        if process is not None:
            self._processes.move_to_end(pid)
        return process


def unknown_process(pid: int, user_id: int | None = None, command_name: str = "") -> Process:
    """What stands in for a process nobody told us about; its start time is 0."""
    return Process(key=ProcessKey(pid, 0), user_id=user_id, command_name=command_name)


def is_unknown(process: Process) -> bool:
    return process.key.start_time_ns == 0 and not process.executable
