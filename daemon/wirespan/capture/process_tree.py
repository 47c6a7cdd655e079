"""The processes that descend from one, for `wirespan run`. Pure: fed with forks and ends."""

from __future__ import annotations


class ProcessTree:
    """A child that outlives its parent stays a member."""

    def __init__(self, root_pid: int) -> None:
        self._members = {root_pid}

    def forked(self, pid: int, parent_pid: int) -> None:
        if parent_pid in self._members:
            self._members.add(pid)

    def ended(self, pid: int) -> None:
        self._members.discard(pid)

    def __contains__(self, pid: int) -> bool:
        return pid in self._members
