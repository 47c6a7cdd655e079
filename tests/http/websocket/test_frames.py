"""Frames: all lengths, masks, pieces, holes, and bytes that are none."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.splits import assert_four_ways
from rig.websocket_talk import BINARY, CLOSE, CONTINUATION, MASK, PING, PONG, TEXT, frame
from wirespan.http.desync import DesynchronisedError
from wirespan.http.websocket.frames import (
    FrameBegin,
    FrameEnd,
    FrameReader,
    begins_with_frames,
    parse_frame_header,
    unmask,
)


def simple(said: Sequence[FrameBegin | bytes | FrameEnd]) -> list[object]:
    plain: list[object] = []
    for each in said:
        if isinstance(each, bytes):
            before = plain.pop() if plain and isinstance(plain[-1], bytes) else b""
            assert isinstance(before, bytes)
            plain.append(before + each)
        elif isinstance(each, FrameBegin):
            plain.append((each.header.kind, each.header.is_final, each.header.is_compressed))
        else:
            plain.append("end")
    return plain


def read(pieces: Sequence[bytes], masked: bool = True) -> list[object]:
    reader = FrameReader(masked)
    return simple([said for piece in pieces for said in reader.feed(piece, 0, 0)])


@pytest.mark.parametrize("mask", [b"", MASK])
def test_every_kind_of_frame_in_any_pieces(mask: bytes) -> None:
    payloads = [b"", b"x", b"x" * 125, b"y" * 126, b"z" * 65_535, b"w" * 65_536]
    wire = b"".join(frame(TEXT, payload, mask=mask) for payload in payloads)
    wire += frame(BINARY, b"begin", fin=False, mask=mask, rsv=4) + frame(PING, b"are you there", mask=mask)
    wire += frame(CONTINUATION, b"end", mask=mask) + frame(PONG, mask=mask) + frame(CLOSE, b"\x03\xe8bye", mask=mask)
    said: list[object] = []
    for payload in payloads:
        said += [(TEXT, True, False), *([payload] if payload else []), "end"]
    said += [(BINARY, False, True), b"begin", "end", (PING, True, False), b"are you there", "end"]
    said += [(CONTINUATION, True, False), b"end", "end", (PONG, True, False), "end"]
    said += [(CLOSE, True, False), b"\x03\xe8bye", "end"]
    assert_four_ways(lambda pieces: read(pieces, bool(mask)), wire, said, trailing=b"\x81", rounds=20)


def test_the_masked_frame_of_the_rfc() -> None:
    # RFC 6455 section 5.7
    assert read([bytes.fromhex("818537fa213d7f9f4d5158")]) == [(TEXT, True, False), b"Hello", "end"]


@given(st.binary(max_size=300), st.binary(min_size=4, max_size=4), st.integers(0, 9))
def test_unmasking_is_the_rfc_s_loop(data: bytes, mask: bytes, position: int) -> None:
    assert unmask(data, mask, position) == bytes(byte ^ mask[(position + place) % 4] for place, byte in enumerate(data))


def test_a_frame_knows_when_its_first_byte_moved() -> None:
    reader = FrameReader(False)
    wire = frame(TEXT, b"x" * 200)
    (begin, *_), (again, *_) = [*reader.feed(wire[:1], 0, 7), *reader.feed(wire[1:], 0, 9)], [*reader.feed(wire, 0, 11)]
    assert isinstance(begin, FrameBegin)
    assert isinstance(again, FrameBegin)
    assert (begin.start_ns, again.start_ns) == (7, 11)


@pytest.mark.parametrize(
    ("wire", "cause"),
    [
        (b"\x83\x00", "bad_websocket_frame"),
        (b"\xa1\x00", "bad_websocket_frame"),
        (b"\xc0\x00", "bad_websocket_frame"),
        (b"\x81\x7e\x00\x7d", "bad_websocket_length"),
        (b"\x81\x7f\x00\x00\x00\x00\x00\x00\xff\xff", "bad_websocket_length"),
        (b"\x81\x7f\x00\x00\x00\x00\x40\x00\x00\x01", "websocket_frame_too_large"),
        (b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff", "websocket_frame_too_large"),
        (b"\x89\x7e\x00\x80", "bad_websocket_control_frame"),
        (b"\x09\x00", "bad_websocket_control_frame"),
        (b"\xc9\x00", "bad_websocket_control_frame"),
        (frame(TEXT, b"x", mask=MASK), "bad_websocket_mask"),
    ],
)
def test_what_no_endpoint_sends_ends_the_reading(wire: bytes, cause: str) -> None:
    for pieces in ([wire], [wire[at : at + 1] for at in range(len(wire))]):
        with pytest.raises(DesynchronisedError) as caught:
            read(pieces, masked=False)
        assert caught.value.cause == cause


def test_a_hole_in_a_payload_keeps_framing_and_mask() -> None:
    wire = frame(TEXT, b"0123456789", mask=MASK) + frame(TEXT, b"next", mask=MASK)
    for start, missing in ((8, 3), (6, 10), (15, 1)):
        reader = FrameReader(True)
        said = [*reader.feed(wire[:start], 0, 0), *reader.gap(missing), *reader.feed(wire[start + missing :], 0, 0)]
        first, *contents, end = simple(said)[:-3]
        assert (first, end) == ((TEXT, True, False), "end")
        kept = b"0123456789"[: start - 6] + b"0123456789"[start - 6 + missing :]
        assert contents == ([kept] if kept else [])
        assert simple(said)[-3:] == [(TEXT, True, False), b"next", "end"]


@pytest.mark.parametrize(("start", "missing"), [(0, 1), (1, 3), (8, 9), (16, 1)])
def test_a_hole_over_a_header_loses_the_framing(start: int, missing: int) -> None:
    reader = FrameReader(True)
    list(reader.feed(frame(TEXT, b"0123456789", mask=MASK)[:start], 0, 0))
    with pytest.raises(DesynchronisedError):
        list(reader.gap(missing))


JSON = b'{"type":"response.create"}'


@pytest.mark.parametrize(
    "data",
    [
        frame(TEXT, JSON),
        frame(TEXT, JSON, mask=MASK),
        frame(BINARY, JSON),
        frame(TEXT, JSON) + frame(PING, b"x"),
        frame(TEXT, b'{"a":"' + b"x" * 40_000, mask=MASK)[:16_384],
        frame(TEXT, b'"text"'),
    ],
)
def test_what_a_call_on_an_unknown_socket_may_begin_with(data: bytes) -> None:
    assert begins_with_frames(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x81",
        JSON,
        frame(PING, b"x"),
        frame(TEXT, b""),
        frame(TEXT, b"no json"),
        frame(TEXT, JSON, rsv=4),
        frame(TEXT, JSON)[:-1],
        frame(TEXT, JSON) + b"\x81",
        frame(TEXT, JSON) + b"\xff\xff\xff",
        b"\x81\xfe\x00",
        b"HTTP/1.1 200 OK\r\n",
    ],
)
def test_what_no_call_on_a_socket_begins_with(data: bytes) -> None:
    assert not begins_with_frames(data)


@given(
    st.booleans(),
    st.lists(st.one_of(st.binary(max_size=40), st.integers(1, 30), st.just(frame(TEXT, JSON))), max_size=8),
)
def test_garbage_and_holes_raise_only_the_documented_error(masked: bool, pieces: list[bytes | int]) -> None:
    reader = FrameReader(masked)
    for piece in pieces:
        try:
            list(reader.gap(piece) if isinstance(piece, int) else reader.feed(piece, 0, 0))
        except DesynchronisedError:
            reader.restart()


@given(st.binary(max_size=40))
def test_a_header_is_read_the_same_however_much_of_it_is_there(data: bytes) -> None:
    try:
        whole = parse_frame_header(data)
    except DesynchronisedError:
        return
    if whole is not None:
        assert parse_frame_header(data[: whole.size_bytes - 1]) is None
        assert parse_frame_header(data[: whole.size_bytes]) == whole
    assert not begins_with_frames(data) or whole is not None
