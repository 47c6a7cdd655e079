"""Decode perf's side-band records: which process forked, executed, mapped code, ended.

Invariant: total on any bytes. A record that makes no sense is counted and passed over; sizes that make no sense end the
batch, since nothing after them can be trusted.
Layouts: include/uapi/linux/perf_event.h, enum perf_event_type. Every record ends in a sample_id of one u64, the time
(PERF_SAMPLE_TIME alone), see capture/side_band.py.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from wirespan.counters import Counters
from wirespan.processes.mappings import MappedFile, make_device, split_path
from wirespan.processes.proc_fs import printable


@dataclass(frozen=True, slots=True)
class ProcessForked:
    """A new process (not a thread), a copy of its parent: it has the parent's mappings without a record for them."""

    pid: int
    parent_pid: int
    time_ns: int


@dataclass(frozen=True, slots=True)
class ProcessExecuted:
    """The process began another program; its mappings are gone, those of the program follow."""

    pid: int
    command_name: str
    time_ns: int


@dataclass(frozen=True, slots=True)
class FileMapped:
    """The process mapped a file as code. `generation` tells uses of one inode number apart where the filesystem keeps
    it (ext4, xfs), else 0."""

    pid: int
    file: MappedFile
    generation: int
    time_ns: int


@dataclass(frozen=True, slots=True)
class ProcessEnded:
    pid: int
    time_ns: int


@dataclass(frozen=True, slots=True)
class RecordsLost:
    """`count` records were dropped because the ring was full: only a scan tells what is true now."""

    count: int
    time_ns: int


SideBandEvent = ProcessForked | ProcessExecuted | FileMapped | ProcessEnded | RecordsLost

_RECORD_LOST, _RECORD_COMM, _RECORD_EXIT, _RECORD_FORK, _RECORD_MMAP2 = 2, 3, 4, 7, 10
_MISC_COMM_EXEC = 1 << 13
_MISC_MMAP_BUILD_ID = 1 << 14
_PROT_EXEC = 4

_HEADER = struct.Struct("=IHH")
_TIME = struct.Struct("=Q")
_LOST = struct.Struct("=QQ")
_COMM = struct.Struct("=II")
_TASK = struct.Struct("=IIIIQ")
_MMAP2 = struct.Struct("=IIQQQIIQQII")


def parse_records(data: bytes, counters: Counters) -> list[SideBandEvent]:
    """The events in `data`, whole records one after the other, in that order."""
    events: list[SideBandEvent] = []
    position = 0
    while position < len(data):
        if position + _HEADER.size > len(data):
            counters.add("processes.side_band_malformed")
            break
        kind, misc, size = _HEADER.unpack_from(data, position)
        if size < _HEADER.size or position + size > len(data):
            counters.add("processes.side_band_malformed")
            break
        try:
            event = _parse(kind, misc, data[position + _HEADER.size : position + size])
        except struct.error:
            counters.add("processes.side_band_malformed")
        else:
            if event is not None:
                events.append(event)
        position += size
    return events


def _parse(kind: int, misc: int, body: bytes) -> SideBandEvent | None:
    if kind == _RECORD_MMAP2:
        return _file_mapped(misc, body)
    if kind in (_RECORD_FORK, _RECORD_EXIT):
        pid, parent_pid, thread_id, _, time_ns = _TASK.unpack_from(body)
        if not _is_process(pid, thread_id):
            return None
        return ProcessForked(pid, parent_pid, time_ns) if kind == _RECORD_FORK else ProcessEnded(pid, time_ns)
    if kind == _RECORD_COMM and misc & _MISC_COMM_EXEC:
        pid, thread_id = _COMM.unpack_from(body)
        if not _is_process(pid, thread_id):
            return None
        return ProcessExecuted(pid, printable(_text(body, _COMM.size)), _time(body))
    if kind == _RECORD_LOST:
        return RecordsLost(_LOST.unpack_from(body)[1], _time(body))
    return None


def _is_process(pid: int, thread_id: int) -> bool:
    """Not one of its threads; nor a task of another pid namespace than ours, which shows as 0 or -1."""
    return pid == thread_id and 0 < pid < 1 << 31


def _file_mapped(misc: int, body: bytes) -> FileMapped | None:
    pid, _, start, length, _, major, minor, inode, generation, protection, _ = _MMAP2.unpack_from(body)
    if not 0 < pid < 1 << 31 or not inode or not protection & _PROT_EXEC or misc & _MISC_MMAP_BUILD_ID:
        return None
    raw_path = _text(body, _MMAP2.size)
    if not raw_path.startswith(b"/") or raw_path.startswith(b"//"):  # [vdso], //anon, //toolong
        return None
    path, deleted = split_path(raw_path)
    file = MappedFile(make_device(major, minor), inode, path, start, start + length, deleted)
    return FileMapped(pid, file, generation, _time(body))


def _text(body: bytes, start: int) -> bytes:
    return body[start : len(body) - _TIME.size].split(b"\0", 1)[0]


def _time(body: bytes) -> int:
    return int(_TIME.unpack_from(body, len(body) - _TIME.size)[0]) if len(body) >= _TIME.size else 0
