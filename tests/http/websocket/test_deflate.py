"""permessage-deflate against zlib and the RFC's examples: takeover, windows, losses, bombs."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.splits import cut
from wirespan.http.websocket.deflate import Agreement, InflateError, MessageInflater, read_agreement

WORDS = b'{"type":"response.output_text.delta","item_id":"msg_1","delta":"word"}'


class Deflater:
    """As a sender does it (RFC 7692 section 7.2.1)."""

    def __init__(self, takes_over: bool = True, window_bits: int = 15) -> None:
        self._takes_over = takes_over
        self._window_bits = window_bits
        self._deflate = zlib.compressobj(wbits=-window_bits)

    def message(self, data: bytes) -> bytes:
        if not self._takes_over:
            self._deflate = zlib.compressobj(wbits=-self._window_bits)
        compressed = self._deflate.compress(data) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        assert compressed.endswith(b"\x00\x00\xff\xff")
        return compressed[:-4]


def inflate(inflater: MessageInflater, *pieces: bytes) -> bytes:
    inflater.begin()
    said = [part for piece in pieces for part in inflater.feed(piece)]
    return b"".join([*said, *inflater.end()])


@pytest.mark.parametrize(
    ("value", "agreement"),
    [
        (None, None),
        (b"", None),
        (b"x-other; server_no_context_takeover", None),
        (b"permessage-deflate", Agreement(True, True)),
        (b"permessage-deflate; server_no_context_takeover", Agreement(True, False)),
        (b"x-other, permessage-deflate ;client_no_context_takeover; client_max_window_bits=12", Agreement(False, True)),
        (b"Permessage-Deflate; server_max_window_bits=10; Server_No_Context_Takeover", Agreement(True, False)),
    ],
)
def test_what_was_agreed(value: bytes | None, agreement: Agreement | None) -> None:
    headers = ((b"Sec-WebSocket-Extensions", value),) if value is not None else ()
    assert read_agreement(headers) == agreement


def test_the_messages_of_the_rfc() -> None:
    # section 7.2.3.1: "Hello"; 7.2.3.2: again, referring to the first one
    inflater = MessageInflater(takes_over=True)
    assert inflate(inflater, bytes.fromhex("f248cdc9c90700")) == b"Hello"
    assert inflate(inflater, bytes.fromhex("f200110000")) == b"Hello"
    # 7.2.3.3: not compressed; 7.2.3.4: a block that says it is the last; 7.2.3.5: two blocks
    assert inflate(MessageInflater(True), bytes.fromhex("000500faff48656c6c6f00")) == b"Hello"
    assert inflate(MessageInflater(True), bytes.fromhex("f348cdc9c9070000")) == b"Hello"
    assert inflate(MessageInflater(True), bytes.fromhex("f248050000 00ffffcac9c90700".replace(" ", ""))) == b"Hello"


def test_after_a_last_block_later_messages_are_read_if_they_need_no_words_before_it() -> None:
    inflater = MessageInflater(True)
    assert inflate(inflater, bytes.fromhex("f348cdc9c9070000")) == b"Hello"
    assert inflater.held_bytes == 0
    assert inflate(inflater, bytes.fromhex("f248cdc9c90700")) == b"Hello"
    # and a message may go on behind such a block
    last = zlib.compressobj(wbits=-15)
    both = last.compress(b"first ") + last.flush(zlib.Z_FINISH) + Deflater().message(b"second")
    assert inflate(MessageInflater(True), both) == b"first second"


@pytest.mark.parametrize("takes_over", [True, False])
@pytest.mark.parametrize("window_bits", [9, 12, 15])
def test_many_messages(takes_over: bool, window_bits: int) -> None:
    deflater, inflater = Deflater(takes_over, window_bits), MessageInflater(takes_over)
    sizes = []
    for number in range(50):
        message = WORDS.replace(b"word", b"word %d" % number) * (number % 3 + 1)
        compressed = deflater.message(message)
        sizes.append(len(compressed))
        assert inflate(inflater, compressed) == message
    assert (sizes[30] < sizes[0] // 2) == takes_over  # it was shown what it claims


@given(st.lists(st.binary(max_size=300), max_size=6), st.lists(st.integers(0, 200), max_size=6), st.booleans())
def test_any_messages_in_any_pieces(messages: list[bytes], places: list[int], takes_over: bool) -> None:
    deflater, inflater = Deflater(takes_over), MessageInflater(takes_over)
    for message in messages:
        assert inflate(inflater, *cut(deflater.message(message), places)) == message


def test_behind_a_loss_what_needs_lost_words_stops_in_front_of_them() -> None:
    deflater, inflater = Deflater(), MessageInflater(True)
    inflate(inflater, deflater.message(WORDS))
    deflater.message(b"lost words " * 20)
    inflater.lose()
    assert inflater.held_bytes == 0
    with pytest.raises(InflateError):
        inflate(inflater, deflater.message(b"a new begin and then " + WORDS))
    # one that needs none is whole, and so is what refers to that one
    assert inflate(inflater, Deflater().message(b"nothing known")) == b"nothing known"


@given(st.lists(st.tuples(st.sampled_from([WORDS, WORDS[:30], b"other", b"x" * 99]), st.booleans()), max_size=10))
def test_whatever_is_lost_nothing_is_invented(story: list[tuple[bytes, bool]]) -> None:
    deflater, inflater = Deflater(), MessageInflater(True)
    for message, is_lost in story:
        compressed = deflater.message(message)
        if is_lost:
            inflater.lose()
            continue
        said = b""
        try:
            inflater.begin()
            for piece in inflater.feed(compressed):
                said += piece
            for piece in inflater.end():
                said += piece
            assert said == message
        except InflateError:
            assert message.startswith(said)


def test_without_takeover_a_loss_ends_with_its_message() -> None:
    deflater, inflater = Deflater(takes_over=False), MessageInflater(False)
    inflate(inflater, deflater.message(WORDS))
    deflater.message(b"lost")
    inflater.lose()
    assert inflate(inflater, deflater.message(WORDS)) == WORDS


def test_a_bomb_comes_in_pieces_that_can_be_stopped() -> None:
    bomb = Deflater().message(b"\x00" * (1 << 26))
    assert len(bomb) < 70_000
    inflater = MessageInflater(True)
    inflater.begin()
    taken = 0
    for piece in inflater.feed(bomb):
        taken += len(piece)
        assert len(piece) <= 65_536
        if taken > 1 << 20:
            inflater.lose()
            break
    assert taken < 1 << 21
    assert inflate(inflater, Deflater().message(b"next")) == b"next"


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_garbage_raises_only_the_documented_error(pieces: list[bytes]) -> None:
    inflater = MessageInflater(True)
    inflater.begin()
    try:
        for piece in pieces:
            list(inflater.feed(piece))
        list(inflater.end())
    except InflateError:
        assert inflater.held_bytes == 0
