"""One direction by itself: where frames begin, and header blocks that come in several frames."""

from __future__ import annotations

import pytest
from hpack import Encoder

from rig.http2_talk import CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, SETTINGS, frame
from wirespan.capture import ConnectionId, Direction
from wirespan.counters import Counters
from wirespan.http.budget import Account, Budget
from wirespan.http.desync import DesynchronisedError
from wirespan.http.http2.side import HeaderBlock, Http2Side, Said
from wirespan.http.settings import HttpSettings
from wirespan.processes import Process, ProcessKey
from wirespan.streams import Connection, StreamData

CONNECTION = Connection(ConnectionId(1, 2, 3), Process(ProcessKey(1, 1)))
SETTINGS_FRAME = frame(SETTINGS, 0, 0)


class OneSide:
    def __init__(self, max_head_bytes: int = 1000) -> None:
        self.counters = Counters()
        self.account = Account(Budget())
        self.side = Http2Side(HttpSettings(max_head_bytes=max_head_bytes), self.counters, self.account)

    def feed(self, data: bytes, call_start: bool = True) -> list[Said]:
        return list(self.side.feed(StreamData(CONNECTION, Direction.WRITE, 0, 0, 0, call_start, 1, data)))


def fields(said: list[Said]) -> list[tuple[int, dict[bytes, bytes] | None, bool]]:
    return [
        (each.stream_id, {**each.head.pseudo, **dict(each.head.fields)} if each.head else None, each.ended)
        for each in said
        if isinstance(each, HeaderBlock)
    ]


def block(*extra: tuple[str, str], encoder: Encoder | None = None) -> bytes:
    return (encoder or Encoder()).encode([(":method", "GET"), *extra])


@pytest.mark.parametrize("piece_bytes", [1, 5, 24, 100])
def test_the_preface_in_any_pieces(piece_bytes: int) -> None:
    one = OneSide()
    wire = PREFACE + SETTINGS_FRAME + frame(HEADERS, END_HEADERS | END_STREAM, 1, block())
    said = [each for at in range(0, len(wire), piece_bytes) for each in one.feed(wire[at : at + piece_bytes])]
    assert fields(said) == [(1, {b":method": b"GET"}, True)]
    assert (one.side.synced, one.side.preface_seen) == (True, True)
    assert one.counters["http.stray_bytes"] == 0


def test_the_rest_of_a_preface_whose_begin_was_read_elsewhere() -> None:
    one = OneSide()
    one.side.expect_preface(18)
    assert fields(one.feed(b"SM\r\n\r\n" + frame(HEADERS, END_HEADERS, 1, block()))) == [
        (1, {b":method": b"GET"}, False)
    ]
    assert one.side.preface_seen


def test_without_a_preface_it_begins_with_a_call_that_begins_with_frames() -> None:
    one = OneSide()
    assert one.feed(b"the rest of something") == []
    assert one.feed(SETTINGS_FRAME, call_start=False) == []
    assert not one.side.synced
    assert one.counters["http.stray_bytes"] == 30
    assert fields(one.feed(frame(HEADERS, END_HEADERS, 3, block()))) == [(3, {b":method": b"GET"}, False)]
    assert one.side.synced
    assert not one.side.preface_seen


def test_a_table_is_whole_if_the_first_frame_is_settings() -> None:
    encoder = Encoder()
    block(("x-one", "1"), encoder=encoder)
    unseen = frame(HEADERS, END_HEADERS, 3, block(("x-one", "1"), encoder=encoder))
    joined, fresh = OneSide(), OneSide()
    ((_, said, _),) = fields(joined.feed(unseen))
    assert said == {b":method": b"GET", b"?": b"?"}
    assert joined.counters["http.h2.unknown_fields"] == 1
    # Seen from the begin such a reference is an error, and nothing is made of it.
    assert fields(fresh.feed(SETTINGS_FRAME + unseen)) == [(3, None, False)]
    assert fresh.counters["http.desync.bad_header_index"] == 1


def test_a_block_in_several_frames_and_what_is_held_of_it() -> None:
    one = OneSide()
    data = block(("x-long", "v" * 300))
    one.feed(SETTINGS_FRAME + frame(HEADERS, END_STREAM, 1, data[:100]) + frame(CONTINUATION, 0, 1, data[100:150]))
    assert one.account.held_bytes == 150
    ((_, said, ended),) = fields(one.feed(frame(CONTINUATION, END_HEADERS, 1, data[150:])))
    assert (said, ended) == ({b":method": b"GET", b"x-long": b"v" * 300}, True)
    assert one.account.held_bytes == one.account.standing_bytes == 32 + len("x-long") + 300


@pytest.mark.parametrize("other", [frame(CONTINUATION, END_HEADERS, 3, b""), frame(HEADERS, END_HEADERS, 3, b"\x82")])
def test_a_block_that_is_not_gone_on_with_is_lost_and_the_table_with_it(other: bytes) -> None:
    encoder = Encoder()
    one = OneSide()
    first = block(("x-one", "1"), encoder=encoder)
    one.feed(SETTINGS_FRAME + frame(HEADERS, END_HEADERS, 1, first) + frame(HEADERS, 0, 5, b"\x82") + other)
    ((_, said, _),) = fields(one.feed(frame(HEADERS, END_HEADERS, 7, block(("x-one", "1"), encoder=encoder))))
    assert said == {b":method": b"GET", b"?": b"?"}


def test_a_continuation_without_a_begin_is_a_lost_block() -> None:
    one = OneSide()
    assert one.feed(SETTINGS_FRAME + frame(CONTINUATION, END_HEADERS, 1, block())) == []


def test_after_an_error_it_waits_for_frames_again() -> None:
    one = OneSide()
    one.feed(SETTINGS_FRAME)
    with pytest.raises(DesynchronisedError):
        one.feed(b"\xff" * 9)
    one.side.lose_frames()
    assert one.feed(b"\xff" * 9) == []
    assert len(one.feed(frame(DATA, 0, 1, b"x"))) == 1


def test_freeing_gives_all_back_and_keeps_the_framing() -> None:
    one = OneSide()
    one.feed(SETTINGS_FRAME + frame(HEADERS, END_HEADERS, 1, block(("x-one", "1"))) + frame(HEADERS, 0, 3, b"\x82"))
    one.feed(frame(CONTINUATION, 0, 3, b"\x82" * 50)[:30])
    assert one.account.held_bytes > one.account.standing_bytes > 0
    one.side.free()
    assert one.account.held_bytes == one.account.standing_bytes == 0
    said = one.feed(frame(CONTINUATION, 0, 3, b"\x82" * 50)[30:] + frame(HEADERS, END_HEADERS, 5, b"\x82"))
    assert fields(said) == [(5, {b":method": b"GET"}, False)]
