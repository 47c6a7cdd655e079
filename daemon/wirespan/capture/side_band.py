"""perf's side band: every fork, exec, code mapping and end of a process on this host, within milliseconds.

One software dummy event a CPU counts nothing; the kernel adds the records that tools like perf need to make sense of
samples. Records go through `processes.parse_records`; here are only the system call and the rings.
Layout: include/uapi/linux/perf_event.h, struct perf_event_attr and perf_event_mmap_page.
Invariant: `read()` gives each record once; what did not fit shows as RecordsLost.
"""

from __future__ import annotations

import errno
import mmap
import os
import select
import struct
import threading
from pathlib import Path

from wirespan.capture import syscalls
from wirespan.counters import Counters
from wirespan.errors import CaptureError
from wirespan.processes import SideBandEvent, parse_records

# About 2,000 records a CPU (300 processes starting). perf_event_mlock_kb allows 516 KiB a CPU without CAP_IPC_LOCK.
RING_BYTES = 256 << 10

_TYPE_SOFTWARE, _COUNT_SW_DUMMY = 1, 9
_SAMPLE_TIME = 1 << 2
_CLOCK_MONOTONIC = 1
# Bits of the attr flags word. exclude_kernel and exclude_hv: nothing is sampled, but without them more privilege is
# asked for. watermark, with wakeup_watermark = 1: wakeup_events does not fire for side-band records (measured: 50 ms
# late).
_EXCLUDE_KERNEL, _EXCLUDE_HV, _MMAP, _COMM = 1 << 5, 1 << 6, 1 << 8, 1 << 9
_TASK, _WATERMARK, _SAMPLE_ID_ALL = 1 << 13, 1 << 14, 1 << 18
_MMAP2, _COMM_EXEC, _USE_CLOCKID = 1 << 23, 1 << 24, 1 << 25
_FLAGS = (_EXCLUDE_KERNEL | _EXCLUDE_HV | _MMAP | _COMM | _TASK | _WATERMARK | _SAMPLE_ID_ALL) | (
    _MMAP2 | _COMM_EXEC | _USE_CLOCKID
)
# perf_event_mmap_page: data_head and data_tail, then where the data is.
_HEAD_WORD, _TAIL_WORD, _DATA_OFFSET_WORD, _DATA_SIZE_WORD = 128, 129, 130, 131
_ONLINE = Path("/sys/devices/system/cpu/online")


class SideBand:
    """`open()`, then poll `fileno()` for EPOLLIN (it is an epoll descriptor, which can be put into another epoll) and
    `read()`. Call `refresh_cpus()` now and then, for CPUs that came online. `close()` may be called twice."""

    def __init__(self, counters: Counters, ring_bytes: int = RING_BYTES) -> None:
        if ring_bytes < mmap.PAGESIZE or ring_bytes & (ring_bytes - 1):
            raise ValueError(f"a ring of {ring_bytes} bytes: it must be a power of two of pages")
        self._counters = counters
        self._ring_bytes = ring_bytes
        self._rings: dict[int, _CpuRing] = {}
        self._epoll = select.epoll()

    @classmethod
    def open(cls, counters: Counters, ring_bytes: int = RING_BYTES) -> SideBand:
        """Raises CaptureError with a remedy if the kernel doesn't let us."""
        side_band = cls(counters, ring_bytes)
        try:
            side_band.refresh_cpus()
        except OSError as error:
            side_band.close()
            raise CaptureError(f"can't watch processes start: {error.strerror}", _remedy(error)) from error
        return side_band

    def fileno(self) -> int:
        return self._epoll.fileno()

    def refresh_cpus(self) -> None:
        """A ring for each CPU that is online, none for one that is not: its event died with it and stays dead when the
        CPU comes back. Raises OSError if no CPU lets us."""
        failure: OSError | None = None
        online = online_cpus()
        for cpu in self._rings.keys() - set(online):
            self._close_ring(self._rings[cpu].descriptor)
        for cpu in online:
            if cpu in self._rings:
                continue
            try:
                ring = _CpuRing(cpu, self._ring_bytes)
            except OSError as error:  # also a CPU that went offline between the two calls
                failure = error
                continue
            self._rings[cpu] = ring
            self._epoll.register(ring.descriptor, select.EPOLLIN)
        if failure is not None and not self._rings:
            raise failure

    def read(self) -> list[SideBandEvent]:
        """All events that are there, in order of time, without waiting. Two that happened on two CPUs within
        microseconds of this call may come in two reads, the later one first."""
        for descriptor, what in self._epoll.poll(0):
            if what & ~select.EPOLLIN:  # the event is dead, and would wake us for ever
                self._close_ring(descriptor)
        events: list[SideBandEvent] = []
        for ring in self._rings.values():
            events += parse_records(ring.take(), self._counters)
        events.sort(key=lambda event: event.time_ns)
        return events

    def close(self) -> None:
        for ring in self._rings.values():
            ring.close()
        self._rings.clear()
        self._epoll.close()

    def __enter__(self) -> SideBand:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _close_ring(self, descriptor: int) -> None:
        for cpu, ring in list(self._rings.items()):
            if ring.descriptor == descriptor:
                self._counters.add("processes.side_band_cpu_offline")
                self._epoll.unregister(descriptor)
                ring.close()
                del self._rings[cpu]


class _CpuRing:
    """One CPU's event and its ring: one control page, then `ring_bytes` of data."""

    def __init__(self, cpu: int, ring_bytes: int) -> None:
        self.descriptor = _open_event(cpu)
        try:
            self._map = mmap.mmap(self.descriptor, mmap.PAGESIZE + ring_bytes)
        except OSError:
            os.close(self.descriptor)
            raise
        # One aligned 64-bit load or store each; struct's "=Q" would go byte by byte and let the kernel see halves.
        self._control = memoryview(self._map)[: mmap.PAGESIZE].cast("Q")
        start = self._control[_DATA_OFFSET_WORD] or mmap.PAGESIZE  # 0 before Linux 4.1
        size = self._control[_DATA_SIZE_WORD] or ring_bytes
        self._data = memoryview(self._map)[start : start + size]

    def take(self) -> bytes:
        """Whole records, copied out; then the room is the kernel's again."""
        head, tail = self._control[_HEAD_WORD], self._control[_TAIL_WORD]
        if head == tail:
            return b""
        _order_memory()
        size = len(self._data)
        start, count = tail % size, head - tail
        first = self._data[start : start + count]
        data = bytes(first) + bytes(self._data[: count - len(first)])
        _order_memory()
        self._control[_TAIL_WORD] = head
        return data

    def close(self) -> None:
        self._control.release()
        self._data.release()
        self._map.close()
        os.close(self.descriptor)


_lock = threading.Lock()


def _order_memory() -> None:
    """The head must be read before the data, the data before the tail is written (the kernel's counterpart is
    perf_output_put_handle in kernel/events/ring_buffer.c). x86-64 keeps that order anyway; elsewhere a lock's release
    and acquire are the barriers that Python has."""
    with _lock:
        pass
    with _lock:
        pass


def _open_event(cpu: int) -> int:
    attributes = bytearray(syscalls.PERF_ATTR_BYTES)
    struct.pack_into("=IIQ", attributes, 0, _TYPE_SOFTWARE, syscalls.PERF_ATTR_BYTES, _COUNT_SW_DUMMY)
    struct.pack_into("=Q", attributes, 24, _SAMPLE_TIME)
    struct.pack_into("=QI", attributes, 40, _FLAGS, 1)  # wakeup_watermark
    struct.pack_into("=i", attributes, 92, _CLOCK_MONOTONIC)
    return syscalls.perf_event_open(attributes, pid=-1, cpu=cpu)


def online_cpus(text: str | None = None) -> list[int]:
    """The CPUs of /sys/devices/system/cpu/online ("0-3,6")."""
    if text is None:
        try:
            text = _ONLINE.read_text(encoding="ascii")
        except OSError:
            text = f"0-{(os.cpu_count() or 1) - 1}"
    cpus: list[int] = []
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        cpus.extend(range(int(first), int(last or first) + 1))
    return cpus


def _remedy(error: OSError) -> str:
    if error.errno in (errno.EPERM, errno.EACCES):
        return "CAP_PERFMON is needed (run as root, or give the service that capability)"
    if error.errno == errno.EMFILE:
        return "raise the limit of open files (LimitNOFILE): two descriptors a CPU are needed"
    return "run `wirespan doctor`: the kernel needs CONFIG_PERF_EVENTS"
