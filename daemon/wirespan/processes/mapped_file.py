"""Open the very file a process has mapped, wherever it lies: deleted, in a container, a memfd.

Invariant: what is opened is a regular file with the inode that was mapped, or nothing. A path alone proves nothing: the
process chooses what lies at it. So each candidate is first opened with O_PATH, which has no effect on FIFOs or devices,
and read only when it is the right one. Attach and locate through `OpenedFile.path`: it can't be swapped or vanish.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType

from wirespan.processes.mappings import FileKey, MappedFile


@dataclass(frozen=True, slots=True)
class FileStamp:
    """One state of one real file. Two files with the same `content` and `changed_ns` are one inode, whatever device
    shows them: the change time (ctime) can't be set by anybody, so two inodes never share it to the nanosecond, not
    even a copy-up of overlayfs, which keeps inode number, size and time of modification. (Filesystem images are made
    with equal times; there the block device tells.) `at_host_path`: the path means the same file to us as to the
    process."""

    inode: int
    size_bytes: int
    modified_ns: int
    changed_ns: int
    deleted: bool = False
    at_host_path: bool = False

    @property
    def content(self) -> tuple[int, int, int]:
        """What stays while only links or permissions of the file change."""
        return (self.inode, self.size_bytes, self.modified_ns)

    def same_content(self, other: FileStamp) -> bool:
        return self.content == other.content


class OpenedFile:
    """A descriptor of the mapped file. `path` opens it again, for whoever wants a path, until `close()`."""

    def __init__(self, descriptor: int, stamp: FileStamp) -> None:
        self.descriptor = descriptor
        self.stamp = stamp

    @property
    def path(self) -> str:
        return f"/proc/self/fd/{self.descriptor}"

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def __enter__(self) -> OpenedFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def paths_to_open(pid: int, mapped: MappedFile, proc_root: str = "/proc") -> tuple[str, ...]:
    """Where the file may be opened, best first. map_files leads to it whatever happened to its path, but needs
    CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN; root needs CAP_SYS_PTRACE for other users' processes; the plain path needs
    nothing and is right for what lives in our own mount namespace, also after the process is gone."""
    if pid <= 0:
        return (mapped.path,)
    process = f"{proc_root}/{pid}"
    paths = [f"{process}/map_files/{mapped.start:x}-{mapped.end:x}"] if mapped.end else []
    if not mapped.path.startswith("/memfd:"):
        paths += [f"{process}/root{mapped.path}", mapped.path]
    return (*paths, f"{process}/exe")


def open_mapped_file(key: FileKey, paths: Iterable[str], host_path: str = "") -> OpenedFile | None:
    """The first of `paths` that is the file `key`; None if none is (gone, replaced, not ours to open). The caller
    closes it."""
    for path in paths:
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except (OSError, ValueError):  # ValueError: a path with a NUL
            continue
        try:
            status = os.fstat(place)
            if _is_file(status, key):
                descriptor = os.open(f"/proc/self/fd/{place}", os.O_RDONLY | os.O_CLOEXEC)
                return OpenedFile(descriptor, stamp_of(status, host_path))
        except OSError:
            continue
        finally:
            os.close(place)
    return None


def stamp_of(status: os.stat_result, host_path: str = "") -> FileStamp:
    return FileStamp(
        inode=status.st_ino,
        size_bytes=status.st_size,
        modified_ns=status.st_mtime_ns,
        changed_ns=status.st_ctime_ns,
        deleted=status.st_nlink == 0,
        at_host_path=bool(host_path) and _same_file(host_path, status),
    )


class HostFiles:
    """The files of this host as `Discovery` asks for them."""

    def __init__(self, proc_root: str = "/proc") -> None:
        self._proc_root = proc_root

    def paths_to_open(self, pid: int, mapped: MappedFile) -> tuple[str, ...]:
        return paths_to_open(pid, mapped, self._proc_root)

    def stamp(self, key: FileKey, paths: Sequence[str], path_seen: str) -> FileStamp | None:
        opened = open_mapped_file(key, paths, path_seen)
        if opened is None:
            return None
        with opened:
            return opened.stamp

    def find(self, path: str) -> MappedFile | None:
        try:
            status = os.stat(path)  # noqa: PTH116 - paths may hold surrogates
        except (OSError, ValueError):
            return None
        return MappedFile(status.st_dev, status.st_ino, path, 0, 0) if stat.S_ISREG(status.st_mode) else None


def is_pseudo_device(device: int) -> bool:
    """A filesystem without a block device of its own: overlay, btrfs, tmpfs, network, FUSE."""
    return os.major(device) == 0


def _is_file(status: os.stat_result, key: FileKey) -> bool:
    """Overlayfs shows one device in maps (before Linux 6.8 that of the file below it, later its own) and another in
    stat; btrfs has one a subvolume. The inode number is the same, so it must do where a pseudo device is involved."""
    if not stat.S_ISREG(status.st_mode) or status.st_ino != key.inode:
        return False
    return status.st_dev == key.device or is_pseudo_device(status.st_dev) or is_pseudo_device(key.device)


def _same_file(path: str, status: os.stat_result) -> bool:
    try:
        here = os.stat(path)  # noqa: PTH116 - a path as the kernel gave it, surrogates and all
    except (OSError, ValueError):
        return False
    return (here.st_dev, here.st_ino) == (status.st_dev, status.st_ino)
