from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wirespan.capture import (
    CloseReason,
    ConnectionClosed,
    ConnectionId,
    ConnectionOpened,
    Direction,
    PeerNamed,
    TlsData,
)
from wirespan.capture.decode import RecordDecoder
from wirespan.capture.layout import Layouts, load_layouts, parse_layouts

LAYOUTS = load_layouts(Path(__file__).parents[2] / "bpf" / "events.h")
CONNECTION = ConnectionId(7, 0xABC, 99)


def record(kind: str, payload: bytes = b"", padding: int = 0, **fields: int) -> memoryview:
    """As the BPF programs make it: header, payload, and the unused rest of the size class."""
    known = {"handle": 0xABC, "generation": 99, "process_id": 7, "thread_id": 8, "time_ns": 20, "entry_ns": 10}
    header = LAYOUTS.structs["record_header"].pack(
        **(known | {"kind": LAYOUTS.constants[kind], "length": len(payload)} | fields)
    )
    return memoryview(header + payload + bytes(padding))


def test_data() -> None:
    decoded = RecordDecoder(LAYOUTS).decode(
        record("RECORD_DATA", b"GET / ", 250, direction=1, offset=5, call_offset=3, call_bytes=9, request_seq=2)
    )
    assert decoded == TlsData(20, 10, CONNECTION, 8, Direction.WRITE, 5, 3, 9, 2, b"GET / ", 0)


def test_data_that_could_not_be_read() -> None:
    decoded = RecordDecoder(LAYOUTS).decode(record("RECORD_DATA", missing_bytes=300))
    assert isinstance(decoded, TlsData)
    assert (decoded.data, decoded.missing_bytes) == (b"", 300)


def test_the_life_of_a_connection() -> None:
    decoder = RecordDecoder(LAYOUTS)
    opened = LAYOUTS.structs["opened"].pack(user_id=1000, command_name=b"agent\0garbage")
    assert decoder.decode(record("RECORD_OPENED", opened)) == ConnectionOpened(20, CONNECTION, 1000, "agent")
    assert decoder.decode(record("RECORD_NAMED", b"api.example.com")) == PeerNamed(20, CONNECTION, "api.example.com")
    for flag, reason in (("CLOSED_FREED", CloseReason.FREED), ("CLOSED_SHUTDOWN", CloseReason.SHUTDOWN)):
        closed = record("RECORD_CLOSED", flags=LAYOUTS.constants[flag], offset=11, offset_write=22)
        assert decoder.decode(closed) == ConnectionClosed(20, CONNECTION, reason, 11, 22)


def test_names_that_are_no_text_and_kinds_that_are_not_known() -> None:
    decoder = RecordDecoder(LAYOUTS)
    named = decoder.decode(record("RECORD_NAMED", b"\xff\xfe"))
    assert named == PeerNamed(20, CONNECTION, "��")
    unknown = memoryview(LAYOUTS.structs["record_header"].pack(kind=200))
    assert decoder.decode(unknown) is None


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=20))
def test_equal_connections_compare_equal(keys: list[tuple[int, int]]) -> None:
    decoder = RecordDecoder(LAYOUTS)
    for handle, generation in keys:
        decoded = decoder.decode(record("RECORD_DATA", b"x", handle=handle, generation=generation))
        assert isinstance(decoded, TlsData)
        assert decoded.connection == ConnectionId(7, handle, generation)


def test_a_header_that_changed_is_refused_at_start() -> None:
    text = "struct record_header { u64 time_ns; }; struct opened { u64 x; };"
    constants = parse_layouts("")
    changed = Layouts(parse_layouts(text).structs, LAYOUTS.constants | constants.constants)
    with pytest.raises(ValueError, match="record_header changed"):
        RecordDecoder(changed)
