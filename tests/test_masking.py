from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from wirespan.capture import CloseReason, ConnectionClosed, ConnectionId, Direction, ProcessStarted, TlsData
from wirespan.masking import EventMask
from wirespan.processes import Process, ProcessKey

CONNECTION = ConnectionId(1, 2, 3)
CANARY = b"sk-canary-0123456789abcdefghij"
HEAD = (
    b"POST /v1/messages?key=" + CANARY + b" HTTP/1.1\r\nHost: api.example\r\nAuthorization: Bearer " + CANARY + b"\r\n"
    b"X-Api-Key: " + CANARY + b"\r\nContent-Length: 2\r\n\r\n"
)


def event(data: bytes, call_offset: int = 0) -> TlsData:
    return TlsData(0, 0, CONNECTION, 1, Direction.WRITE, 0, call_offset, len(data), 1, data)


def test_a_head_in_one_piece_keeps_its_length_and_loses_its_credentials() -> None:
    masked = EventMask().apply(event(HEAD + b"{}"))
    assert isinstance(masked, TlsData)
    assert len(masked.data) == len(HEAD) + 2
    assert CANARY not in masked.data
    assert masked.data.startswith(
        b"POST /v1/messages?key=" + b"*" * len(CANARY) + b" HTTP/1.1\r\nHost: api.example\r\n"
    )
    assert b"Authorization: Bearer " + b"*" * len(CANARY) in masked.data
    assert masked.data.endswith(b"\r\n\r\n{}")


@given(st.lists(st.integers(1, len(HEAD) - 1), max_size=6))
def test_a_head_in_pieces_is_masked_too(cuts: list[int]) -> None:
    # a cut inside the start line's first bytes can't be told from other traffic, and no call of a client ends there
    bounds = [0, *sorted({cut for cut in cuts if cut > 10}), len(HEAD)]
    mask = EventMask()
    pieces = [HEAD[start:end] for start, end in pairwise(bounds)]
    masked = [mask.apply(event(piece)) for piece in pieces]
    joined = b"".join(piece.data for piece in masked if isinstance(piece, TlsData))
    assert len(joined) == len(HEAD)
    # what a piece held of a value before the piece that completes it was seen is masked by its field's name
    for marker in (b"Authorization: Bearer ", b"X-Api-Key: "):
        start = HEAD.index(marker) + len(marker)
        assert joined[start : start + len(CANARY)] == b"*" * len(CANARY)


def test_bodies_are_left_alone() -> None:
    mask = EventMask()
    body = b'{"note": "x-api-key: not a header"}\r\nAuthorization: Bearer in-a-body\r\n'
    assert mask.apply(event(body)) == event(body)
    assert mask.apply(event(HEAD, call_offset=16384)) == event(HEAD, call_offset=16384)


def test_a_closed_connection_is_forgotten() -> None:
    mask = EventMask()
    mask.apply(event(b"POST / HTTP/1.1\r\nHost"))
    closed = ConnectionClosed(0, CONNECTION, CloseReason.FREED)
    assert mask.apply(closed) == closed
    tail = event(b": x\r\nX-Api-Key: visible\r\n\r\n")
    assert mask.apply(tail) == tail


def test_command_lines_lose_their_keys() -> None:
    process = Process(ProcessKey(1, 1), command_args=("agent", "--api-key", CANARY.decode(), "--model", "m"))
    masked = EventMask().apply(ProcessStarted(0, process))
    assert isinstance(masked, ProcessStarted)
    assert CANARY.decode() not in " ".join(masked.process.command_args)
    assert masked.process == replace(process, command_args=masked.process.command_args)
    assert masked.process.command_args[-2:] == ("--model", "m")
