"""A uprobe that only counts, without BPF: the kernel's own opinion on whether an offset is where calls pass."""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path

from wirespan.capture import syscalls


class CountingUprobe:
    """Counts how often process `pid` (all its threads of today) runs the instruction at `offset` of the file."""

    def __init__(self, path: str | Path, offset: int, pid: int) -> None:
        name = ctypes.create_string_buffer(os.fsencode(path))
        attributes = bytearray(syscalls.PERF_ATTR_BYTES)
        struct.pack_into("=IIQ", attributes, 0, syscalls.uprobe_event_type(), len(attributes), 0)
        struct.pack_into("=QQ", attributes, 56, ctypes.addressof(name), offset)
        self._descriptor = syscalls.perf_event_open(attributes, pid=pid, cpu=-1)

    @property
    def hits(self) -> int:
        return int(struct.unpack("=Q", os.read(self._descriptor, 8))[0])

    def close(self) -> None:
        os.close(self._descriptor)
