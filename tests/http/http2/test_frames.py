"""Frames: whole, byte by byte, cut, with holes, and bytes that are none."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.http2_talk import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HAS_PRIORITY,
    HEADERS,
    PADDED,
    PING,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
)
from rig.splits import assert_four_ways
from wirespan.capture import ConnectionId, Direction
from wirespan.http.desync import DesynchronisedError
from wirespan.http.http2.frames import (
    DataGap,
    DataPiece,
    Frame,
    FrameReader,
    begins_with_frames,
    is_sound,
    parse_frame_header,
)
from wirespan.processes import Process, ProcessKey
from wirespan.streams import Connection, StreamData

CONNECTION = Connection(ConnectionId(1, 2, 3), Process(ProcessKey(1, 1)))


def event(data: bytes, time_ns: int = 0) -> StreamData:
    return StreamData(CONNECTION, Direction.WRITE, 0, time_ns, time_ns, True, 1, data)


def simple(said: Sequence[object]) -> list[object]:
    """Pieces of data joined, frames without the event that brought them."""
    plain: list[object] = []
    for each in said:
        if isinstance(each, Frame):
            plain.append((each.header.kind, each.header.flags, each.header.stream_id, each.payload))
        elif isinstance(each, DataPiece) and not each.ended:
            before = plain.pop() if plain and _is_data_of(plain[-1], each.stream_id) else ("data", each.stream_id, b"")
            assert isinstance(before, tuple)
            plain.append((*before[:2], before[2] + each.data))
        elif isinstance(each, DataPiece):
            plain.append(("end", each.stream_id))
        else:
            assert isinstance(each, DataGap)
            plain.append(("gap", each.stream_id, each.missing_bytes))
    return plain


def _is_data_of(said: object, stream_id: int) -> bool:
    return isinstance(said, tuple) and said[:2] == ("data", stream_id)


def read(pieces: Sequence[bytes]) -> list[object]:
    reader = FrameReader(1 << 20)
    return simple([said for piece in pieces for said in reader.feed(event(piece), 0)])


WIRE = b"".join(
    [
        frame(SETTINGS, 0, 0, b"\x00\x03\x00\x00\x00\x64"),
        frame(WINDOW_UPDATE, 0, 0, b"\x00\x01\x00\x00"),
        frame(HEADERS, END_HEADERS, 1, b"block"),
        frame(HEADERS, END_STREAM | END_HEADERS | PADDED | HAS_PRIORITY, 3, b"\x02\x80\x00\x00\x01\xffblock3\x00\x00"),
        frame(DATA, 0, 1, b"some data"),
        frame(DATA, 0, 1, b""),
        frame(DATA, PADDED, 1, b"\x05padded\x00\x00\x00\x00\x00"),
        frame(DATA, PADDED, 1, b"\x03\x00\x00\x00"),
        frame(0x4D, 0xFF, 7, b"of an unknown kind"),
        frame(PING, 0, 0, b"12345678"),
        frame(PRIORITY, 0, 1, b"\x00\x00\x00\x00\x10"),
        frame(PUSH_PROMISE, PADDED, 1, b"\x01\x00\x00\x00\x02push\x00"),
        frame(CONTINUATION, END_HEADERS, 1, b"ed"),
        frame(DATA, END_STREAM, 1, b"last"),
        frame(DATA, END_STREAM, 5, b""),
        frame(RST_STREAM, 0, 3, b"\x00\x00\x00\x08"),
        frame(GOAWAY, 0, 0, b"\x00\x00\x00\x05\x00\x00\x00\x00bye"),
    ]
)
SAID = [
    (HEADERS, END_HEADERS, 1, b"block"),
    (HEADERS, END_STREAM | END_HEADERS | PADDED | HAS_PRIORITY, 3, b"block3"),
    ("data", 1, b"some datapadded"),
    (PUSH_PROMISE, PADDED, 1, b"\x00\x00\x00\x02push"),
    (CONTINUATION, END_HEADERS, 1, b"ed"),
    ("data", 1, b"last"),
    ("end", 1),
    ("end", 5),
    (RST_STREAM, 0, 3, b"\x00\x00\x00\x08"),
    (GOAWAY, 0, 0, b"\x00\x00\x00\x05\x00\x00\x00\x00bye"),
]


def test_every_kind_of_frame_in_any_pieces() -> None:
    assert_four_ways(read, WIRE, SAID, trailing=b"\x00\x00\x04\x08\x00\x00", rounds=60)


def test_data_is_handed_on_before_its_frame_is_whole() -> None:
    reader = FrameReader(100)
    large = frame(DATA, END_STREAM, 1, b"x" * 1_000_000)
    assert list(reader.feed(event(large[:20]), 0)) == [DataPiece(1, b"x" * 11, False)]
    assert reader.held_bytes == 0
    assert simple(list(reader.feed(event(large[20:]), 0))) == [("data", 1, b"x" * 999_989), ("end", 1)]


def test_a_frame_knows_the_event_of_its_first_byte() -> None:
    reader = FrameReader(100)
    first, second = event(frame(HEADERS, 4, 1, b"block")[:3], 7), event(frame(HEADERS, 4, 1, b"block")[3:], 9)
    (said,) = [*reader.feed(first, 0), *reader.feed(second, 0)]
    assert isinstance(said, Frame)
    assert said.first is first


def test_a_frame_that_is_too_large_is_read_over() -> None:
    reader = FrameReader(10)
    wire = frame(HEADERS, 4, 1, b"x" * 11) + frame(HEADERS, 4, 3, b"x" * 10)
    said = simple([each for byte in wire for each in reader.feed(event(bytes([byte])), 0)])
    assert said == [(HEADERS, 4, 1, None), (HEADERS, 4, 3, b"x" * 10)]
    assert reader.held_bytes == 0


@pytest.mark.parametrize(
    "payload", [b"", b"\x05abcd", b"\xff"], ids=["no pad length", "more padding than payload", "only a pad length"]
)
def test_padding_that_does_not_fit_makes_a_frame_unreadable(payload: bytes) -> None:
    assert read([frame(HEADERS, PADDED | END_HEADERS, 1, payload)]) == [(HEADERS, PADDED | END_HEADERS, 1, None)]
    # Of DATA the framing stays what it is.
    assert read([frame(DATA, PADDED, 1, payload) + frame(DATA, 0, 1, b"ok")])[-1] == ("data", 1, b"ok")


@pytest.mark.parametrize(
    ("kind", "flags", "stream_id", "length_bytes"),
    [
        (DATA, 0, 0, 5),
        (HEADERS, 0, 0, 5),
        (HEADERS, 0, 1, (1 << 20) + 1),
        (SETTINGS, 0, 1, 6),
        (SETTINGS, 0, 0, 5),
        (SETTINGS, 1, 0, 6),
        (PING, 0, 0, 7),
        (GOAWAY, 0, 0, 7),
        (RST_STREAM, 0, 1, 5),
        (PRIORITY, 0, 1, 4),
        (WINDOW_UPDATE, 0, 1, 5),
        (PUSH_PROMISE, 0, 1, 3),
        (DATA, 0, 0x80000001, 5),
    ],
)
def test_what_no_peer_sends_ends_the_reading(kind: int, flags: int, stream_id: int, length_bytes: int) -> None:
    wire = length_bytes.to_bytes(3, "big") + bytes([kind, flags]) + stream_id.to_bytes(4, "big") + bytes(length_bytes)
    assert not is_sound(parse_frame_header(wire))
    assert not begins_with_frames(wire)
    with pytest.raises(DesynchronisedError):
        read([wire])


def gap_in(wire: bytes, start: int, missing_bytes: int) -> list[object]:
    """What is said when `missing_bytes` from `start` on don't arrive."""
    reader = FrameReader(1 << 20)
    said = [*reader.feed(event(wire[:start]), 0), *reader.gap(missing_bytes)]
    return simple([*said, *reader.feed(event(wire[start + missing_bytes :]), 0)])


def test_a_hole_in_data_keeps_the_framing() -> None:
    wire = frame(DATA, END_STREAM, 1, b"0123456789") + frame(DATA, 0, 3, b"next")
    assert gap_in(wire, 12, 4) == [
        ("data", 1, b"012"),
        ("gap", 1, 4),
        ("data", 1, b"789"),
        ("end", 1),
        ("data", 3, b"next"),
    ]
    assert gap_in(wire, 12, 7) == [("data", 1, b"012"), ("gap", 1, 7), ("end", 1), ("data", 3, b"next")]


def test_a_hole_in_padding_misses_nothing() -> None:
    wire = frame(DATA, PADDED, 1, b"\x06data\x00\x00\x00\x00\x00\x00") + frame(DATA, 0, 3, b"next")
    assert gap_in(wire, 15, 3) == [("data", 1, b"data"), ("data", 3, b"next")]
    assert gap_in(wire, 12, 5) == [("data", 1, b"da"), ("gap", 1, 2), ("data", 3, b"next")]


def test_a_hole_in_a_header_block_loses_the_block_only() -> None:
    wire = frame(HEADERS, END_HEADERS, 1, b"block") + frame(DATA, 0, 1, b"next")
    assert gap_in(wire, 11, 2) == [(HEADERS, END_HEADERS, 1, None), ("data", 1, b"next")]
    assert gap_in(wire, 9, 5) == [(HEADERS, END_HEADERS, 1, None), ("data", 1, b"next")]


@pytest.mark.parametrize("start", [0, 3, 9, 12])
def test_a_hole_over_the_end_of_a_frame_loses_the_framing(start: int) -> None:
    with pytest.raises(DesynchronisedError):
        gap_in(frame(DATA, 0, 1, b"0123456789") * 2, start, 11)


def test_a_hole_where_the_pad_length_stands_loses_the_framing() -> None:
    with pytest.raises(DesynchronisedError):
        gap_in(frame(DATA, PADDED, 1, b"\x02data\x00\x00"), 9, 1)


def test_held_bytes_can_be_freed_and_the_framing_goes_on() -> None:
    reader = FrameReader(100)
    wire = frame(HEADERS, END_HEADERS, 1, b"block") + frame(DATA, 0, 1, b"next")
    assert list(reader.feed(event(wire[:12]), 0)) == []
    assert reader.held_bytes == 3
    reader.drop_collected()
    assert reader.held_bytes == 0
    assert simple(list(reader.feed(event(wire[12:]), 0))) == [(HEADERS, END_HEADERS, 1, None), ("data", 1, b"next")]


@pytest.mark.parametrize(
    "data",
    [
        frame(SETTINGS, 0, 0),
        frame(HEADERS, END_HEADERS, 1, b"block") + frame(DATA, 1, 1, b"x"),
        frame(DATA, 0, 1, b"x" * 100)[:50],
        frame(DATA, 1, 1, b"x" * 20_000)[:9],
        frame(DATA, 0, 1, b"x") + b"\x00\x00",
    ],
)
def test_what_a_call_may_begin_with(data: bytes) -> None:
    assert begins_with_frames(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        frame(SETTINGS, 0, 0)[:8],
        b'{"model": "gpt", "messages": []}',
        b"\n\n\n\n\n\n\n\n\n\n",
        b"\x00" * 100,
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"\x81\x05hello-websocket",
        frame(DATA, 0, 2, b"pushed"),
        frame(HEADERS, 0x40, 1, b"block"),
        frame(DATA, 0, 1, b"x") + b"\xff" * 9,
        frame(CONTINUATION + 1, 0, 0, b"x"),
    ],
)
def test_what_no_call_begins_with(data: bytes) -> None:
    assert not begins_with_frames(data)


@given(st.binary(min_size=9, max_size=200))
def test_random_bytes_hardly_ever_look_like_frames(data: bytes) -> None:
    if begins_with_frames(data):  # then each header in it is one that could have been sent
        assert is_sound(parse_frame_header(data))
        assert data[0] < 8
        assert data[3] <= CONTINUATION


@given(st.lists(st.one_of(st.binary(max_size=60), st.just(WIRE[:100]), st.integers(1, 50)), max_size=8))
def test_garbage_and_holes_raise_only_the_documented_error(pieces: list[bytes | int]) -> None:
    reader = FrameReader(1000)
    for piece in pieces:
        try:
            list(reader.gap(piece) if isinstance(piece, int) else reader.feed(event(piece), 0))
        except DesynchronisedError:
            reader.restart()
        assert reader.held_bytes <= 1000
