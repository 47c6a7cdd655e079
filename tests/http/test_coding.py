"""Decoders against what the gzip, zlib, brotli and zstandard libraries write, with flushes and cuts anywhere."""

from __future__ import annotations

import contextlib
import gzip
import random
import zlib
from collections.abc import Callable, Sequence

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from rig.splits import assert_four_ways, cut
from wirespan.http.coding import DecodeError, make_decoder, parse_codings

TEXT = b"".join(b'data: {"delta": %d, "text": "w%d"}\n\n' % (number, number * 7919) for number in range(300))
LIMIT = 64 * 1024 * 1024


def decode(codings: Sequence[str], pieces: Sequence[bytes]) -> bytes:
    out = bytearray()
    decoder = make_decoder(codings, out.extend, LIMIT)
    for piece in pieces:
        decoder.feed(piece)
    return bytes(out)


def flushed_zlib(parts: Sequence[bytes], wbits: int) -> bytes:
    compressor = zlib.compressobj(wbits=wbits)
    return (
        b"".join(compressor.compress(part) + compressor.flush(zlib.Z_SYNC_FLUSH) for part in parts) + compressor.flush()
    )


def flushed_brotli(parts: Sequence[bytes]) -> bytes:
    compressor = brotli.Compressor(quality=4)
    return b"".join(compressor.process(part) + compressor.flush() for part in parts) + compressor.finish()


def flushed_zstd(parts: Sequence[bytes]) -> bytes:
    compressor = zstandard.ZstdCompressor().compressobj()
    flush = zstandard.COMPRESSOBJ_FLUSH_BLOCK
    return b"".join(compressor.compress(part) + compressor.flush(flush) for part in parts) + compressor.flush()


ENCODERS: dict[str, tuple[str, Callable[[Sequence[bytes]], bytes]]] = {
    "gzip": ("gzip", lambda parts: flushed_zlib(parts, 31)),
    "x-gzip": ("x-gzip", lambda parts: flushed_zlib(parts, 31)),
    "zlib": ("deflate", lambda parts: flushed_zlib(parts, 15)),
    "zlib, small window": ("deflate", lambda parts: flushed_zlib(parts, 9)),
    "raw deflate": ("deflate", lambda parts: flushed_zlib(parts, -15)),
    "br": ("br", flushed_brotli),
    "zstd": ("zstd", flushed_zstd),
    "gzip, member by member": ("gzip", lambda parts: b"".join(gzip.compress(part) for part in parts)),
    "zstd, frame by frame": ("zstd", lambda parts: b"".join(zstandard.compress(part) for part in parts)),
}


def parts_of(data: bytes, seed: int) -> list[bytes]:
    chance = random.Random(seed)
    return cut(data, [chance.randrange(len(data)) for _ in range(6)])


@pytest.mark.parametrize("name", ENCODERS)
def test_what_the_libraries_write_is_read_however_it_is_cut(name: str) -> None:
    coding, encode = ENCODERS[name]
    for seed in range(3):
        wire = encode(parts_of(TEXT, seed))
        assert_four_ways(lambda pieces: [decode([coding], pieces)], wire, [TEXT], trailing=b"", rounds=4)


@pytest.mark.parametrize("name", [name for name in ENCODERS if "by" not in name])
def test_each_flush_is_handed_on_at_once(name: str) -> None:
    coding, encode = ENCODERS[name]
    parts = parts_of(TEXT, 1)
    ends = [len(b"".join(parts[: count + 1])) for count in range(len(parts))]
    out = bytearray()
    decoder = make_decoder([coding], out.extend, LIMIT)
    seen = []
    # The prefix of a flushed stream is what the same encoder writes for the prefix of its parts.
    wires = [encode(parts[: count + 1]) for count in range(len(parts))]
    whole = wires[-1]
    at = 0
    for shorter, longer in zip(wires, [*wires[1:], whole], strict=True):
        same = next(
            (place for place in range(len(shorter)) if shorter[place] != longer[place : place + 1][0]), len(shorter)
        )
        decoder.feed(whole[at:same])
        at = same
        seen.append(len(out))
    decoder.feed(whole[at:])
    assert bytes(out) == TEXT
    assert [have >= end for have, end in zip(seen, ends, strict=True)] == [True] * len(ends)


def test_output_that_zlib_still_holds_is_asked_for() -> None:
    # Cut somewhere, zlib has taken all input, given a whole piece of 64 KiB, and still holds the rest of a match.
    wire = gzip.compress(b"\x00" * 200_000)
    for end in range(len(wire)):
        assert decode(["gzip"], [wire[:end]]) == zlib.decompressobj(31).decompress(wire[:end])


def test_several_codings_are_undone_from_the_last_to_the_first() -> None:
    wire = brotli.compress(gzip.compress(TEXT))
    assert_four_ways(lambda pieces: [decode(["gzip", "br"], pieces)], wire, [TEXT], trailing=b"")
    wire = gzip.compress(zstandard.compress(zlib.compress(TEXT)))
    assert decode(["deflate", "zstd", "gzip"], [wire]) == TEXT


def test_padding_behind_the_end_is_ignored() -> None:
    for coding, wire in [("gzip", gzip.compress(TEXT)), ("deflate", zlib.compress(TEXT))]:
        assert decode([coding], [wire + b"\x00" * 100]) == TEXT
        assert decode([coding], [wire, b"\x00" * 100]) == TEXT
    assert decode(["br"], [brotli.compress(TEXT), b"\x00" * 100]) == TEXT


def test_skippable_zstd_frames_are_skipped() -> None:
    wire = zstandard.compress(b"one") + b"\x50\x2a\x4d\x18\x04\x00\x00\x00skip" + zstandard.compress(b"two")
    assert_four_ways(lambda pieces: [decode(["zstd"], pieces)], wire, [b"onetwo"], trailing=b"")


@pytest.mark.parametrize(
    ("codings", "wire", "message"),
    [
        (["gzip"], b"not gzip at all", "gzip: "),
        (["gzip"], gzip.compress(TEXT)[:40] + b"\xff" * 40, "gzip: "),
        (["deflate"], b"\xff\xff\xff\xff", "deflate: "),
        (["br"], b"\xff\xff\xff\xff not brotli", "br: "),
        (["zstd"], b"not zstd at all", "zstd: "),
        (["br", "gzip"], gzip.compress(b"\xff\xff\xff\xff not brotli"), "br: "),
    ],
)
def test_broken_codings(codings: list[str], wire: bytes, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        decode(codings, [wire])


def test_codings_nobody_knows() -> None:
    with pytest.raises(DecodeError, match="unknown coding: aws-chunked"):
        make_decoder(["aws-chunked"], bytearray().extend, LIMIT)
    with pytest.raises(DecodeError, match="too many codings: 5"):
        make_decoder(["gzip"] * 5, bytearray().extend, LIMIT)


def test_a_zstd_window_beyond_the_standard_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=25)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    wire = compressor.compress(TEXT) + compressor.flush()
    with pytest.raises(DecodeError, match="zstd: "):
        decode(["zstd"], [wire])


class EnoughError(Exception):
    pass


BOMBS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, 1),
    "deflate": lambda data: zlib.compress(data, 1),
    "br": lambda data: brotli.compress(data, quality=1),
    "zstd": zstandard.compress,
}


@pytest.mark.parametrize("coding", BOMBS)
def test_a_sink_can_stop_a_bomb(coding: str) -> None:
    # GIVEN 64 MiB of zeros in one small piece
    zeros = b"\x00" * (64 * 1024 * 1024)
    bomb = BOMBS[coding](zeros)
    assert len(bomb) < 400_000
    largest = 0
    total = 0

    def sink(piece: bytes) -> None:
        nonlocal largest, total
        largest = max(largest, len(piece))
        total += len(piece)
        if total > 1_000_000:
            raise EnoughError

    # WHEN the sink has had enough after a megabyte
    with pytest.raises(EnoughError):
        make_decoder([coding], sink, LIMIT).feed(bomb)
    # THEN it has been given small pieces, and little beyond its limit
    assert largest <= 512 * 1024
    assert total <= 1_600_000


def test_a_bomb_between_two_codings_is_stopped() -> None:
    # The inner member is over after a few bytes; all the rest is padding that the sink never hears of.
    bomb = gzip.compress(gzip.compress(b"hello") + b"\x00" * 10_000_000)
    out = bytearray()
    with pytest.raises(DecodeError, match="too much between two codings"):
        make_decoder(["gzip", "gzip"], out.extend, 1_000_000).feed(bomb)
    assert out == b"hello"


def test_ended_says_whether_the_end_mark_has_come() -> None:
    for coding, wire in [
        ("gzip", gzip.compress(TEXT)),
        ("deflate", zlib.compress(TEXT)),
        ("br", brotli.compress(TEXT)),
    ]:
        decoder = make_decoder([coding], bytearray().extend, LIMIT)
        assert not decoder.ended
        decoder.feed(wire[:-1])
        assert not decoder.ended
        decoder.feed(wire[-1:])
        assert decoder.ended


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ()),
        (b"", ()),
        (b"identity", ()),
        (b"gzip", ("gzip",)),
        (b" GZip ,, br, identity", ("gzip", "br")),
    ],
)
def test_parse_codings(value: bytes | None, expected: tuple[str, ...]) -> None:
    assert parse_codings(value) == expected


@given(
    data=st.binary(max_size=300),
    seed=st.integers(0, 1000),
    name=st.sampled_from(sorted(ENCODERS)),
)
def test_any_bytes_survive_any_coding(data: bytes, seed: int, name: str) -> None:
    coding, encode = ENCODERS[name]
    wire = encode(parts_of(data, seed) if data else [b""])
    assert decode([coding], cut(wire, [seed % (len(wire) + 1), seed * 7 % (len(wire) + 1)])) == data


@given(
    pieces=st.lists(st.binary(max_size=40), max_size=6),
    start=st.sampled_from([b"", gzip.compress(b"x")[:12], zlib.compress(b"x")[:4], zstandard.compress(b"x" * 50)[:8]]),
    coding=st.sampled_from(["gzip", "deflate", "br", "zstd"]),
)
def test_garbage_raises_only_the_documented_error(pieces: list[bytes], start: bytes, coding: str) -> None:
    with contextlib.suppress(DecodeError):
        decode([coding], [start, *pieces])
