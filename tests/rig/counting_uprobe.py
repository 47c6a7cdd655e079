"""A uprobe that only counts, without BPF: the kernel's own opinion on whether an offset is where calls pass."""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path

from wirespan.capture import syscalls


class CountingUprobe:
    """Counts how often process `pid` (-1: any) runs the instruction at `offset` of the file."""

    def __init__(self, path: str | Path, offset: int, pid: int) -> None:
        # Every process on one CPU, or one process on every CPU: perf_event_open(2) has nothing wider.
        targets = [(pid, -1)] if pid >= 0 else [(-1, cpu) for cpu in sorted(os.sched_getaffinity(0))]
        self._descriptors = [self._open(path, offset, *target) for target in targets]

    def _open(self, path: str | Path, offset: int, pid: int, cpu: int) -> int:
        name = ctypes.create_string_buffer(os.fsencode(path))
        attributes = bytearray(syscalls.PERF_ATTR_BYTES)
        struct.pack_into("=IIQ", attributes, 0, syscalls.uprobe_event_type(), len(attributes), 0)
        struct.pack_into("=QQ", attributes, 56, ctypes.addressof(name), offset)
        return syscalls.perf_event_open(attributes, pid=pid, cpu=cpu)

    @property
    def hits(self) -> int:
        return sum(struct.unpack("=Q", os.read(descriptor, 8))[0] for descriptor in self._descriptors)

    def close(self) -> None:
        for descriptor in self._descriptors:
            os.close(descriptor)
