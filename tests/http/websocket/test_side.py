"""One direction by itself: what is held, what is given back, and closes."""

from __future__ import annotations

import zlib

import pytest

from rig.websocket_talk import CLOSE, CONTINUATION, PING, TEXT, frame
from wirespan.counters import Counters
from wirespan.http.budget import Account, Budget
from wirespan.http.desync import DesynchronisedError
from wirespan.http.settings import HttpSettings
from wirespan.http.websocket.deflate import INFLATER_BYTES, MessageInflater
from wirespan.http.websocket.side import Close, Message, WebSocketSide

JSON = b'{"type":"error"}'


class OneSide:
    def __init__(self, deflates: bool = False, max_content_bytes: int = 1000) -> None:
        self.account = Account(Budget())
        self.counters = Counters()
        inflater = MessageInflater(takes_over=True) if deflates else None
        settings = HttpSettings(max_content_bytes=max_content_bytes)
        self.side = WebSocketSide(False, inflater, settings, self.counters, self.account)

    def feed(self, data: bytes, at_ns: int = 0) -> list[Message | Close]:
        return list(self.side.feed(data, True, at_ns, at_ns))


def deflated(data: bytes) -> bytes:
    deflate = zlib.compressobj(wbits=-15)
    return (deflate.compress(data) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4]


def contents(said: list[Message | Close]) -> list[tuple[bytes, str | None]]:
    return [(each.data, each.problem) for each in said if isinstance(each, Message)]


def test_what_is_held_of_a_message_is_charged_and_given_back() -> None:
    one = OneSide()
    assert one.feed(frame(TEXT, b"x" * 100, fin=False), 5) == []
    assert (one.account.held_bytes, one.account.standing_bytes, one.side.start_ns) == (100, 0, 5)
    assert contents(one.feed(frame(CONTINUATION, b"y"))) == [(b"x" * 100 + b"y", None)]
    assert (one.account.held_bytes, one.side.start_ns) == (0, None)


def test_the_words_of_earlier_messages_stand_as_long_as_the_connection() -> None:
    one = OneSide(deflates=True)
    assert contents(one.feed(frame(TEXT, deflated(b"hello"), rsv=4))) == [(b"hello", None)]
    assert (one.account.held_bytes, one.account.standing_bytes) == (INFLATER_BYTES, INFLATER_BYTES)
    one.side.release()
    assert one.account.held_bytes == 0
    assert contents(one.feed(frame(TEXT, deflated(b"again"), rsv=4))) == [(b"again", None)]


def test_finishing_hands_on_what_is_there_once() -> None:
    one = OneSide()
    one.feed(frame(TEXT, b"begin", fin=False))
    assert contents(list(one.side.finish("unfinished"))) == [(b"begin", "unfinished")]
    assert list(one.side.finish("unfinished")) == []
    assert one.account.held_bytes == 0


@pytest.mark.parametrize(
    ("payload", "code"), [(b"", None), (b"\x03", None), (b"\x03\xe8", 1000), (b"\x0f\xa1tell why", 4001)]
)
def test_a_close_and_its_code(payload: bytes, code: int | None) -> None:
    assert OneSide().feed(frame(CLOSE, payload)) == [Close(code)]


def test_a_hole_in_a_control_frame_costs_no_message() -> None:
    one = OneSide()
    wire = frame(TEXT, b"be", fin=False) + frame(PING, b"0123456789") + frame(CONTINUATION, b"gin")
    said = one.feed(wire[:8]) + list(one.side.gap(4, 1)) + one.feed(wire[12:])
    assert contents(said) == [(b"begin", None)]
    # a close with a hole in it is one without a code
    wire = frame(CLOSE, b"\x03\xe8bye")
    assert one.feed(wire[:3]) + list(one.side.gap(4, 1)) == [Close(None)]


@pytest.mark.parametrize(("missing_bytes", "cause"), [(None, "gap_of_unknown_size"), (1, "gap_in_websocket_frames")])
def test_a_hole_between_frames_loses_them(missing_bytes: int | None, cause: str) -> None:
    one = OneSide()
    with pytest.raises(DesynchronisedError) as caught:
        list(one.side.gap(missing_bytes, 1))
    assert caught.value.cause == cause
    assert list(one.side.lose_frames()) == []
    assert one.feed(b"rest of something") == []
    assert one.feed(frame(TEXT, b"no json")) == []
    assert contents(one.feed(frame(TEXT, JSON))) == [(JSON, None)]
    assert one.counters["http.stray_bytes"] == 17 + 9
    with pytest.raises(DesynchronisedError):
        list(OneSide().side.gap(5, 1))


def test_a_bomb_is_stopped_and_what_refers_to_it_is_not_guessed() -> None:
    one = OneSide(deflates=True)
    deflate = zlib.compressobj(wbits=-15)
    bomb = (deflate.compress(b"\x00" * 10_000_000) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4]
    later = (deflate.compress(b"\x00" * 500) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4]
    assert contents(one.feed(frame(TEXT, bomb, rsv=4))) == [(b"\x00" * 1000, "truncated")]
    assert one.account.held_bytes == 0
    ((data, problem),) = contents(one.feed(frame(TEXT, later, rsv=4)))
    assert (problem, (b"\x00" * 500).startswith(data)) == ("undecodable", True)
