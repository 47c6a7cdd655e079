"""Read one process's identity from /proc. Never raises for what a process may do meanwhile: vanish, hide, change.

Invariant: all fields are of one process. Every file is opened below one descriptor of /proc/PID, which the kernel ties
to that process: when the pid is reused halfway, the rest reads as gone instead of as the other process.
"""

from __future__ import annotations

import os
import pwd
from functools import lru_cache

from wirespan.counters import Counters
from wirespan.processes.cgroups import CgroupMembership, parse_cgroups
from wirespan.processes.process import Process, ProcessKey

MAX_COMMAND_BYTES = 64 << 10
MAX_ENVIRONMENT_BYTES = 2 << 20
_MAX_SMALL_FILE_BYTES = 64 << 10

_OPT_OUT_NAME = b"WIRESPAN_DISABLE="
_OPT_OUT_VALUES = frozenset({b"1", b"true", b"yes", b"on"})
_NS_PER_S = 1_000_000_000


def read_process(pid: int, proc_root: str = "/proc", counters: Counters | None = None) -> Process | None:
    """Who `pid` is now; None if there is no such process. Fields that can't be read stay empty and are counted as
    `processes.unreadable.FIELD`, a process that is gone as `processes.vanished`."""
    reading = _Reading(counters)
    try:
        directory = os.open(f"{proc_root}/{pid}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        reading.count("vanished")
        return None
    try:
        return _read(pid, directory, reading)
    finally:
        os.close(directory)


class _Reading:
    """Reads below one directory, counting what can't be read."""

    def __init__(self, counters: Counters | None) -> None:
        self._counters = counters

    def count(self, name: str) -> None:
        if self._counters is not None:
            self._counters.add(f"processes.{name}")

    def file(self, directory: int, name: str, limit: int = _MAX_SMALL_FILE_BYTES) -> bytes | None:
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
        except OSError:
            self.count(f"unreadable.{name}")
            return None
        try:
            return _read_up_to(descriptor, limit)
        except OSError:
            self.count(f"unreadable.{name}")
            return None
        finally:
            os.close(descriptor)

    def link(self, directory: int, name: str) -> str:
        try:
            return printable(os.readlink(os.fsencode(name), dir_fd=directory))
        except OSError:
            self.count(f"unreadable.{name}")
            return ""


def _read_up_to(descriptor: int, limit: int) -> bytes:
    parts: list[bytes] = []
    while limit > 0:
        part = os.read(descriptor, min(limit, 1 << 16))
        if not part:
            break
        parts.append(part)
        limit -= len(part)
    return b"".join(parts)


def printable(raw: bytes) -> str:
    """Text that can be encoded as UTF-8 again: bytes that are no UTF-8 become \\xNN."""
    return raw.decode("utf-8", "backslashreplace")


def _read(pid: int, directory: int, reading: _Reading) -> Process | None:
    stat = reading.file(directory, "stat")
    if stat is None:
        reading.count("vanished")
        return None
    name, parent_pid, start_time_ns = parse_stat(stat)
    user_id = parse_real_user_id(reading.file(directory, "status") or b"")
    cgroup_text = reading.file(directory, "cgroup")
    membership = CgroupMembership("", None) if cgroup_text is None else parse_cgroups(printable(cgroup_text))
    return Process(
        key=ProcessKey(pid, start_time_ns),
        parent_pid=parent_pid,
        executable=reading.link(directory, "exe").removesuffix(" (deleted)"),
        command_args=parse_arguments(reading.file(directory, "cmdline", MAX_COMMAND_BYTES) or b""),
        command_name=name,
        working_directory=reading.link(directory, "cwd").removesuffix(" (deleted)"),
        user_id=user_id,
        user_name="" if user_id is None else user_name(user_id),
        cgroup=membership.path,
        container_id=membership.container_id,
        opted_out=has_opted_out(reading.file(directory, "environ", MAX_ENVIRONMENT_BYTES) or b""),
    )


def parse_stat(raw: bytes) -> tuple[str, int, int]:
    """(command name, parent pid, start in ns after boot) of /proc/PID/stat; empty and 0 where it makes no sense. The
    name is in parentheses and may itself hold spaces and parentheses: the last one closes it."""
    head, _, tail = raw.rpartition(b")")
    name = printable(head.partition(b"(")[2])
    fields = tail.split()  # from field 3 (state) on
    try:
        return name, int(fields[1]), int(fields[19]) * _NS_PER_S // os.sysconf("SC_CLK_TCK")
    except (IndexError, ValueError):
        return name, 0, 0


def parse_real_user_id(raw: bytes) -> int | None:
    """The real uid of /proc/PID/status, which is what bpf_get_current_uid_gid() tells too."""
    for line in raw.splitlines():
        if line.startswith(b"Uid:"):
            fields = line.split()
            return int(fields[1]) if len(fields) > 1 and fields[1].isdigit() else None
    return None


def parse_arguments(raw: bytes) -> tuple[str, ...]:
    """argv of /proc/PID/cmdline. A process that wrote its own title has one argument; a kernel thread none."""
    if not raw:
        return ()
    return tuple(printable(argument) for argument in raw.removesuffix(b"\0").split(b"\0"))


def has_opted_out(environment: bytes) -> bool:
    """WIRESPAN_DISABLE=1 (or true, yes, on) in /proc/PID/environ."""
    for entry in environment.split(b"\0"):
        if entry.startswith(_OPT_OUT_NAME):
            return entry[len(_OPT_OUT_NAME) :].strip().lower() in _OPT_OUT_VALUES
    return False


@lru_cache(maxsize=4096)
def user_name(user_id: int) -> str:
    """The host's name for a uid, empty if it has none (users of containers). Asked once: directories are slow."""
    try:
        return pwd.getpwuid(user_id).pw_name
    except (KeyError, OverflowError, OSError):
        return ""
