"""Which files processes have mapped as code, from /proc/PID/maps.

Invariant: a mapped file is known by (device, inode) as the kernel shows it in maps and in perf's mmap2 records (the two
agree, measured on 6.18). On overlayfs and btrfs that device is not what stat(2) says: `mapped_file.py` bridges that.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wirespan.counters import Counters

# A JVM or a browser has a few thousand lines of ~100 bytes; what can be mapped is limited to 65,530 by default.
MAX_MAPS_BYTES = 32 << 20

_DELETED = " (deleted)"
# start-end, perms with x, offset, major:minor, inode, path. A mapping without a file has inode 0.
_CODE_LINE = re.compile(
    rb"^([0-9a-f]{1,16})-([0-9a-f]{1,16}) ..x. [0-9a-f]+ ([0-9a-f]{1,8}):([0-9a-f]{1,8}) ([1-9][0-9]{0,19}) +"
    rb"(/[^\n]*)$",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class FileKey:
    device: int
    inode: int


@dataclass(frozen=True, slots=True)
class MappedFile:
    """One executable mapping of a file. `path` is as the process itself sees it, without " (deleted)"; it may hold
    surrogates (os.fsdecode). `device` is as makedev(3) builds it, as in os.stat."""

    device: int
    inode: int
    path: str
    start: int
    end: int
    deleted: bool = False

    @property
    def key(self) -> FileKey:
        return FileKey(self.device, self.inode)


def parse_maps(text: bytes) -> list[MappedFile]:
    """The executable file mappings, each file once (its first). What is no such line is passed over."""
    found: dict[tuple[int, int], MappedFile] = {}
    for match in _CODE_LINE.finditer(text):
        start, end, major, minor, inode, raw_path = match.groups()
        device = make_device(int(major, 16), int(minor, 16))
        key = (device, int(inode))
        if key not in found:
            # fs/proc/task_mmu.c escapes newlines and nothing else.
            path, deleted = split_path(raw_path.replace(b"\\012", b"\n"))
            found[key] = MappedFile(device, key[1], path, int(start, 16), int(end, 16), deleted)
    return list(found.values())


def split_path(raw: bytes) -> tuple[str, bool]:
    """A path as the kernel prints it, with " (deleted)" after one that is gone. A file whose name really ends so can't
    be told apart."""
    path = os.fsdecode(raw)
    return path.removesuffix(_DELETED), path.endswith(_DELETED)


def make_device(major: int, minor: int) -> int:
    """As makedev(3); os.makedev refuses what a damaged record may hold (more than 31 bits)."""
    return (major & 0xFFFFF000) << 32 | (major & 0xFFF) << 8 | (minor & 0xFFFFFF00) << 12 | minor & 0xFF


def read_mappings(pid: int, proc_root: str = "/proc") -> list[MappedFile]:
    """The code files of one process. Raises OSError if they can't be read (gone, or not ours to see)."""
    with open(f"{proc_root}/{pid}/maps", "rb", buffering=0) as file:
        parts: list[bytes] = []
        size = 0
        while size < MAX_MAPS_BYTES:
            part = file.read(1 << 20)
            if not part:
                break
            parts.append(part)
            size += len(part)
    return parse_maps(b"".join(parts))


def process_ids(proc_root: str = "/proc") -> list[int]:
    return sorted(int(entry.name) for entry in Path(proc_root).iterdir() if entry.name.isdigit())


def scan(proc_root: str = "/proc", counters: Counters | None = None) -> Iterator[tuple[int, MappedFile]]:
    """Every code file of every process, once a process. Processes that can't be read are counted as
    `processes.unreadable.maps` and left out."""
    for pid in process_ids(proc_root):
        try:
            mappings = read_mappings(pid, proc_root)
        except OSError:
            if counters is not None:
                counters.add("processes.unreadable.maps")
            continue
        for mapped in mappings:
            yield pid, mapped
