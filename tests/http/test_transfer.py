"""Bodies read out of the stream: by length, in chunks, until the close; with holes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.splits import assert_four_ways, cut
from wirespan.http.body import BodyCoding, BodyCollector
from wirespan.http.budget import Account, Budget
from wirespan.http.desync import DesynchronisedError
from wirespan.http.exchange import Body, BodyGap
from wirespan.http.settings import HttpSettings
from wirespan.http.transfer import BodyReader, ChunkReader, CloseReader, LengthReader

MakeReader = Callable[[BodyCollector], BodyReader]


def collector() -> BodyCollector:
    return BodyCollector(BodyCoding(), HttpSettings(), Account(Budget()))


def read(make: MakeReader, pieces: Sequence[bytes | int]) -> tuple[Body, BodyReader, bytes]:
    """Feed pieces and holes (ints); gives the body, the reader and what it did not take."""
    body = collector()
    reader = make(body)
    rest = b""
    for piece in pieces:
        if isinstance(piece, int):
            reader.gap(piece)
        elif reader.done:
            rest += piece
        else:
            rest += piece[reader.feed(piece, 0, 1) :]
    return body.freeze(reader.done), reader, rest


def whole(make: MakeReader) -> Callable[[Sequence[bytes]], list[object]]:
    def parse(pieces: Sequence[bytes]) -> list[object]:
        body, reader, _ = read(make, pieces)
        return [body.raw, body.size_bytes, body.complete, reader.done]

    return parse


CHUNKED = {
    "two chunks": (b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", b"hello world"),
    "no chunk but the last": (b"0\r\n\r\n", b""),
    "extensions": (b'5;a=b;c="d"\r\nhello\r\n0;last\r\n\r\n', b"hello"),
    "trailers": (b"5\r\nhello\r\n0\r\nx-checksum: 1\r\nb: \r\n\r\n", b"hello"),
    "hexadecimal of any case": (b"a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n", b"01234567890123456789a"),
    "padded sizes": (b"0005 \r\nhello\r\n 1\t\r\n!\r\n000\r\n\r\n", b"hello!"),
    "bare LF": (b"5\nhello\n6\n world\n0\n\n", b"hello world"),
    "LF and CRLF mixed": (b"5\r\nhello\n6\n world\r\n0\r\nt: 1\n\n", b"hello world"),
    "data that looks like framing": (b"7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", b"\r\n0\r\n\r\n"),
}


@pytest.mark.parametrize("name", CHUNKED)
def test_chunked(name: str) -> None:
    wire, expected = CHUNKED[name]
    assert_four_ways(whole(ChunkReader), wire, [expected, len(expected), True, True])
    assert read(ChunkReader, [wire + b"HTTP/1.1 200"])[2] == b"HTTP/1.1 200"


@pytest.mark.parametrize(
    ("wire", "cause"),
    [
        (b"\r\nhello", "bad_chunk_line"),
        (b"x\r\n", "bad_chunk_line"),
        (b"-5\r\nhello", "bad_chunk_line"),
        (b"+5\r\nhello", "bad_chunk_line"),
        (b"0x5\r\nhello", "bad_chunk_line"),
        (b"5_0\r\nhello", "bad_chunk_line"),
        (b"5 5\r\nhello", "bad_chunk_line"),
        (b"1" * 16 + b"\r\n", "bad_chunk_line"),
        (b"5\r\nhello!\r\n", "bad_chunk_end"),
        (b"5\r\nhello\r\r\n", "bad_chunk_end"),
        (b"5;" + b"e" * 20_000, "chunk_line_too_large"),
        (b"0\r\n" + b"t: 1\r\n" * 50_000, "trailers_too_large"),
    ],
)
def test_broken_chunks(wire: bytes, cause: str) -> None:
    with pytest.raises(DesynchronisedError, match=cause):
        read(ChunkReader, [wire])
    with pytest.raises(DesynchronisedError, match=cause):
        read(ChunkReader, [wire[at : at + 1] for at in range(len(wire))])


def test_by_length() -> None:
    assert_four_ways(whole(lambda body: LengthReader(body, 11)), b"hello world", [b"hello world", 11, True, True])
    assert read(lambda body: LengthReader(body, 5), [b"hello world"])[2] == b" world"
    assert LengthReader(collector(), 0).done


def test_until_the_close() -> None:
    body, reader, rest = read(CloseReader, [b"hello", b" world"])
    assert (body.raw, body.complete, reader.done, rest) == (b"hello world", False, False, b"")
    collected = collector()
    until_close = CloseReader(collected)
    until_close.feed(b"xhello", 1, 1)
    until_close.close()
    assert until_close.done
    assert collected.freeze(until_close.done).complete


def test_a_close_ends_nothing_that_has_a_length() -> None:
    for reader in (LengthReader(collector(), 5), ChunkReader(collector())):
        reader.close()
        assert not reader.done


def test_holes_in_a_body_of_known_length() -> None:
    body, reader, _ = read(lambda each: LengthReader(each, 10), [b"ab", 3, b"fg", 3])
    assert body == Body(
        raw=b"abfg",
        content=b"ab",
        size_bytes=10,
        complete=False,
        gaps=(BodyGap(2, 3), BodyGap(4, 3)),
        timeline=((2, 1),),
    )
    assert reader.done


def test_a_hole_beyond_a_body_of_known_length() -> None:
    body = collector()
    reader = LengthReader(body, 10)
    reader.feed(b"abcdef", 0, 1)
    assert reader.gap(9) == 5
    assert reader.done
    assert body.missing_bytes == 4


def test_holes_within_chunks() -> None:
    body, reader, _ = read(ChunkReader, [b"5\r\nab", 2, b"e\r\n4\r\nfg", 2, b"\r\n0\r\n\r\n"])
    assert (body.raw, body.gaps, body.size_bytes, reader.done) == (b"abefg", (BodyGap(2, 2), BodyGap(5, 2)), 9, True)


@pytest.mark.parametrize(
    "pieces", [[b"5\r\nab", 4], [b"5\r", 1], [1], [b"5\r\nabcde", 1], [b"5\r\nabcde\r\n", 1], [b"0\r\n", 1]]
)
def test_holes_in_the_framing_of_chunks(pieces: list[bytes | int]) -> None:
    with pytest.raises(DesynchronisedError, match="gap_in_chunk_framing"):
        read(ChunkReader, pieces)


def test_holes_until_the_close() -> None:
    body, _, _ = read(CloseReader, [2, b"ab", 1, 1, b"c"])
    assert (body.raw, body.content, body.gaps) == (b"abc", b"", (BodyGap(0, 2), BodyGap(2, 2)))


@given(chunks=st.lists(st.binary(min_size=1, max_size=30), max_size=8), cuts=st.lists(st.integers(0, 400), max_size=12))
def test_any_chunks_however_cut(chunks: list[bytes], cuts: list[int]) -> None:
    wire = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    body, reader, rest = read(ChunkReader, cut(wire, cuts))
    assert (body.raw, reader.done, rest) == (b"".join(chunks), True, b"")


@given(
    pieces=st.lists(
        st.binary(max_size=20) | st.integers(1, 9) | st.sampled_from([b"5\r\n", b"0\r\n", b"\r\n", b"hello"])
    )
)
def test_garbage_raises_only_the_documented_error(pieces: list[bytes | int]) -> None:
    for make in (ChunkReader, CloseReader, lambda body: LengthReader(body, 12)):
        try:
            body, _, _ = read(make, pieces)
        except DesynchronisedError:
            continue
        assert body.size_bytes == len(body.raw) + sum(gap.missing_bytes or 0 for gap in body.gaps)
