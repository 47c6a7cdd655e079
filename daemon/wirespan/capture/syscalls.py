"""bpf(2) and perf_event_open(2), as far as attaching and maps need them. Errors are OSError with the kernel's errno.

Numbers and layouts: include/uapi/linux/bpf.h (union bpf_attr), include/uapi/linux/perf_event.h.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import struct
from collections.abc import Sequence
from pathlib import Path

_NUMBERS = {"x86_64": (321, 298), "aarch64": (280, 241)}

BPF_MAP_LOOKUP_ELEM = 1
BPF_MAP_UPDATE_ELEM = 2
BPF_MAP_DELETE_ELEM = 3
BPF_LINK_CREATE = 28
BPF_TRACE_UPROBE_MULTI = 48
BPF_TRACE_UPROBE_SESSION = 57
BPF_F_UPROBE_MULTI_RETURN = 1

PERF_EVENT_IOC_ENABLE = 0x2400
PERF_EVENT_IOC_SET_BPF = 0x40042408
PERF_FLAG_FD_CLOEXEC = 8
PERF_ATTR_BYTES = 136

_libc = ctypes.CDLL(None, use_errno=True)


def _numbers() -> tuple[int, int]:
    try:
        return _NUMBERS[platform.machine()]
    except KeyError:
        raise OSError(errno.ENOSYS, f"no system call numbers for {platform.machine()}") from None


def _syscall(number: int, *arguments: object) -> int:
    result = int(_libc.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def bpf(command: int, attributes: bytes) -> int:
    """One bpf(2) call; `attributes` is the union for that command. Returns what the kernel returns."""
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    return _syscall(_numbers()[0], ctypes.c_int(command), buffer, ctypes.c_uint(len(attributes)))


def _map_operation(command: int, map_fd: int, key: bytes, value: ctypes.Array[ctypes.c_char] | None) -> None:
    key_buffer = ctypes.create_string_buffer(key, len(key))
    value_address = ctypes.addressof(value) if value is not None else 0
    bpf(command, struct.pack("=IIQQQ", map_fd, 0, ctypes.addressof(key_buffer), value_address, 0))


def map_update(map_fd: int, key: bytes, value: bytes) -> None:
    _map_operation(BPF_MAP_UPDATE_ELEM, map_fd, key, ctypes.create_string_buffer(value, len(value)))


def map_delete(map_fd: int, key: bytes) -> bool:
    """False if there was no such key."""
    try:
        _map_operation(BPF_MAP_DELETE_ELEM, map_fd, key, None)
    except OSError as error:
        if error.errno == errno.ENOENT:
            return False
        raise
    return True


def map_lookup(map_fd: int, key: bytes, value_bytes: int) -> bytes:
    """The value; for a per-CPU map pass the size of all CPUs' values, each rounded up to 8."""
    value = ctypes.create_string_buffer(value_bytes)
    _map_operation(BPF_MAP_LOOKUP_ELEM, map_fd, key, value)
    return value.raw


def possible_cpus(text: str | None = None) -> int:
    """How many values a per-CPU map holds: the length of /sys/devices/system/cpu/possible ("0-3", "0,2-5")."""
    if text is None:
        text = Path("/sys/devices/system/cpu/possible").read_text(encoding="ascii")
    return max(int(part.split("-")[-1]) for part in text.strip().split(",")) + 1


def create_uprobe_multi_link(
    program_fd: int,
    path: bytes,
    offsets: Sequence[int],
    *,
    on_return: bool,
    attach_type: int = BPF_TRACE_UPROBE_MULTI,
) -> int:
    """Attach one program to file offsets of one inode, in every process now and later. Closing the fd detaches.
    `attach_type` is the one the program was loaded with."""
    path_buffer = ctypes.create_string_buffer(path)
    offset_array = (ctypes.c_uint64 * len(offsets))(*offsets)
    flags = BPF_F_UPROBE_MULTI_RETURN if on_return else 0
    attributes = struct.pack(
        "=IIIIQQQQIIII",
        program_fd,
        0,
        attach_type,
        0,
        ctypes.addressof(path_buffer),
        ctypes.addressof(offset_array),
        0,  # ref_ctr_offsets: none, so other tracers of the same place are not refused
        0,  # cookies
        len(offsets),
        flags,
        0,  # every process
        0,
    )
    return bpf(BPF_LINK_CREATE, attributes)


def supports_uprobe_link(program_fd: int, attach_type: int) -> bool:
    """Probe the feature, not the version: with "/" for a path a kernel that knows `attach_type` says EBADF (not a
    regular file), one that doesn't says EINVAL."""
    try:
        os.close(create_uprobe_multi_link(program_fd, b"/", [0], on_return=False, attach_type=attach_type))
    except OSError as error:
        return error.errno == errno.EBADF
    return True


def uprobe_event_type() -> int:
    return int(Path("/sys/bus/event_source/devices/uprobe/type").read_text(encoding="ascii"))


def perf_event_open(attributes: bytearray, *, pid: int, cpu: int) -> int:
    """`attributes` is a struct perf_event_attr of PERF_ATTR_BYTES; pid -1 is every process, cpu -1 every CPU."""
    buffer = (ctypes.c_char * len(attributes)).from_buffer(attributes)
    return _syscall(
        _numbers()[1],
        buffer,
        ctypes.c_int(pid),
        ctypes.c_int(cpu),
        ctypes.c_int(-1),
        ctypes.c_ulong(PERF_FLAG_FD_CLOEXEC),
    )


def open_perf_uprobe(program_fd: int, path: bytes, offset: int, *, on_return: bool) -> int:
    """The way before Linux 6.6: one perf event a site. Needs CAP_SYS_ADMIN on kernels with the fix for
    CVE-2025-38466. Closing it costs ~110 ms, serially (measured on 6.18)."""
    path_buffer = ctypes.create_string_buffer(path)
    attributes = bytearray(PERF_ATTR_BYTES)
    struct.pack_into("=IIQ", attributes, 0, uprobe_event_type(), PERF_ATTR_BYTES, 1 if on_return else 0)
    struct.pack_into("=QQ", attributes, 16, 1, 0)  # sample_period
    struct.pack_into("=QQ", attributes, 56, ctypes.addressof(path_buffer), offset)  # config1 (path), config2
    fd = perf_event_open(attributes, pid=-1, cpu=0)
    try:
        fcntl.ioctl(fd, PERF_EVENT_IOC_SET_BPF, program_fd)
        fcntl.ioctl(fd, PERF_EVENT_IOC_ENABLE, 0)
    except OSError:
        os.close(fd)
        raise
    return fd
