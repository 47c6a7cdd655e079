from __future__ import annotations

import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wirespan.counters import Counters
from wirespan.processes import (
    FileMapped,
    MappedFile,
    ProcessEnded,
    ProcessExecuted,
    ProcessForked,
    RecordsLost,
    SideBandEvent,
    parse_records,
)

USER = 2  # PERF_RECORD_MISC_USER
EXEC = 1 << 13


def _record(kind: int, body: bytes, time_ns: int, misc: int = USER) -> bytes:
    body = body.ljust(-(-len(body) // 8) * 8, b"\0") + struct.pack("=Q", time_ns)
    return struct.pack("=IHH", kind, misc, 8 + len(body)) + body


def _mmap2(
    path: bytes,
    *,
    pid: int = 100,
    thread: int = 101,
    inode: int = 77,
    protection: int = 5,
    misc: int = USER,
    time_ns: int = 5,
) -> bytes:
    place = struct.pack("=QQQ", 0x7F0000001000, 0x2000, 0x1000)
    file = struct.pack("=IIQQII", 254, 3, inode, 9, protection, 2)
    return _record(10, struct.pack("=II", pid, thread) + place + file + path + b"\0", time_ns, misc)


def _fork(pid: int, parent: int, thread: int, time_ns: int) -> bytes:
    return _record(7, struct.pack("=IIIIQ", pid, parent, thread, parent, time_ns), time_ns)


def _exit(pid: int, thread: int, time_ns: int) -> bytes:
    return _record(4, struct.pack("=IIIIQ", pid, 1, thread, 1, time_ns), time_ns)


def _comm(pid: int, thread: int, name: bytes, time_ns: int, misc: int) -> bytes:
    return _record(3, struct.pack("=II", pid, thread) + name + b"\0", time_ns, misc)


def _parse(data: bytes) -> list[SideBandEvent]:
    counters = Counters()
    events = parse_records(data, counters)
    assert counters.snapshot() == {}
    return events


def test_one_record_of_each_kind_in_order() -> None:
    data = (
        _fork(100, 50, 100, 1)
        + _comm(100, 100, b"node", 2, USER | EXEC)
        + _mmap2(b"/usr/bin/node", time_ns=3)
        + _record(2, struct.pack("=QQ", 1, 17), 4)
        + _exit(100, 100, 5)
    )
    assert _parse(data) == [
        ProcessForked(100, 50, 1),
        ProcessExecuted(100, "node", 2),
        FileMapped(
            100, MappedFile(os.makedev(254, 3), 77, "/usr/bin/node", 0x7F0000001000, 0x7F0000003000), 9, time_ns=3
        ),
        RecordsLost(17, 4),
        ProcessEnded(100, 5),
    ]


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(_fork(100, 100, 101, 1), id="a thread starts"),
        pytest.param(_exit(100, 101, 1), id="a thread ends"),
        pytest.param(_comm(100, 100, b"worker", 1, USER), id="a process renames itself"),
        pytest.param(_comm(100, 101, b"worker", 1, USER | EXEC), id="a thread that is not the process"),
        pytest.param(_mmap2(b"[vdso]", inode=0), id="no file"),
        pytest.param(_mmap2(b"//anon"), id="anonymous"),
        pytest.param(_mmap2(b"//toolong"), id="a path the kernel could not write"),
        pytest.param(_mmap2(b"anon_inode:[perf_event]"), id="not a path"),
        pytest.param(_mmap2(b"/data", protection=1), id="not code"),
        pytest.param(_mmap2(b"/x", misc=USER | 1 << 14), id="a build-id in the inode's place"),
        pytest.param(_fork(0xFFFFFFFF, 1, 0xFFFFFFFF, 1), id="a process outside our pid namespace"),
        pytest.param(_fork(0, 0, 0, 1), id="the idle task"),
        pytest.param(_record(9, b"x" * 16, 1), id="a sample"),
        pytest.param(_record(77, b"", 1), id="a kind of the future"),
    ],
)
def test_what_is_not_for_us(record: bytes) -> None:
    assert _parse(record + _exit(7, 7, 9)) == [ProcessEnded(7, 9)]


def test_a_mapping_by_any_thread_is_the_process_s() -> None:
    (event,) = _parse(_mmap2(b"/lib/x.so", pid=100, thread=4711))
    assert isinstance(event, FileMapped)
    assert event.pid == 100


def test_paths() -> None:
    paths = (b"/memfd:jit (deleted)", b"/opt/a b\xff", b"/opt/back\\012slash", b"/x" * 300)
    files = [event.file for event in _parse(b"".join(map(_mmap2, paths))) if isinstance(event, FileMapped)]
    assert [(os.fsencode(file.path), file.deleted) for file in files] == [
        (b"/memfd:jit", True),
        (b"/opt/a b\xff", False),
        (b"/opt/back\\012slash", False),  # perf does not escape
        (b"/x" * 300, False),
    ]


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(b"\x01", id="less than a header"),
        pytest.param(struct.pack("=IHH", 4, 0, 0), id="size 0"),
        pytest.param(struct.pack("=IHH", 4, 0, 7), id="smaller than a header"),
        pytest.param(struct.pack("=IHH", 4, 0, 64), id="longer than what is there"),
    ],
)
def test_a_size_that_makes_no_sense_ends_the_batch(garbage: bytes) -> None:
    counters = Counters()
    assert parse_records(_exit(7, 7, 9) + garbage, counters) == [ProcessEnded(7, 9)]
    assert counters.snapshot() == {"processes.side_band_malformed": 1}


def test_a_record_too_short_for_its_kind_is_passed_over() -> None:
    counters = Counters()
    short = b"".join(struct.pack("=IHHQ", kind, EXEC, 16, 0) for kind in (2, 4, 7, 10))
    assert parse_records(short + _exit(7, 7, 9), counters) == [ProcessEnded(7, 9)]
    assert counters.snapshot() == {"processes.side_band_malformed": 4}


RECORDS = [
    _fork(100, 50, 100, 1),
    _comm(100, 100, b"node", 2, USER | EXEC),
    _mmap2(b"/usr/bin/node"),
    _record(2, struct.pack("=QQ", 1, 17), 4),
    _exit(100, 100, 5),
]


@given(st.lists(st.sampled_from(RECORDS), max_size=20), st.data())
def test_whole_records_parse_alike_however_they_are_grouped(records: list[bytes], data: st.DataObject) -> None:
    together = _parse(b"".join(records))
    cut = data.draw(st.integers(0, len(records)))
    assert _parse(b"".join(records[:cut])) + _parse(b"".join(records[cut:])) == together
    assert len(together) == len(records)


@given(st.binary(max_size=300))
def test_any_bytes(garbage: bytes) -> None:
    counters = Counters()
    parse_records(garbage, counters)
    parse_records(b"".join(RECORDS) + garbage, counters)
    assert set(counters.snapshot()) <= {"processes.side_band_malformed"}


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=10), st.integers(0, 400))
def test_damaged_records(flips: list[tuple[int, int]], length: int) -> None:
    data = bytearray(b"".join(RECORDS))
    for place, value in flips:
        data[place % len(data)] = value
    counters = Counters()
    parse_records(bytes(data[:length]), counters)
    assert set(counters.snapshot()) <= {"processes.side_band_malformed"}
