"""The identity of a process as the rest of the pipeline sees it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProcessKey:
    """`start_time_ns` is nanoseconds after boot (proc(5), /proc/PID/stat field 22, in USER_HZ steps); 0 = unknown."""

    pid: int
    start_time_ns: int


@dataclass(frozen=True, slots=True)
class Process:
    """Who a process is. Every field but `key` may be empty or None when /proc could not be read in time.

    `command_args` is argv as /proc/PID/cmdline gives it. `executable` is the link target of /proc/PID/exe, without
    the kernel's " (deleted)". `opted_out`: WIRESPAN_DISABLE=1 is in the environment it was started with.
    """

    key: ProcessKey
    parent_pid: int = 0
    executable: str = ""
    command_args: tuple[str, ...] = ()
    command_name: str = ""
    working_directory: str = ""
    user_id: int | None = None
    user_name: str = ""
    cgroup: str = ""
    container_id: str | None = None
    opted_out: bool = False

    @property
    def pid(self) -> int:
        return self.key.pid
