"""Content codings against independent decoders: the standard library's, brotli's and zstandard's own."""

from __future__ import annotations

import contextlib
import gzip
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from wirespan.demo.coding import CODINGS, coder, decode, offered

_DECODERS = {
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
    "br": brotli.decompress,
    "zstd": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
    "": bytes,
}
_PARTIAL = {
    "gzip": lambda: zlib.decompressobj(47).decompress,
    "deflate": lambda: zlib.decompressobj().decompress,
    "br": lambda: brotli.Decompressor().process,
    "zstd": lambda: zstandard.ZstdDecompressor().decompressobj().decompress,
    "": lambda: bytes,
}


@pytest.mark.parametrize("name", ["", *CODINGS])
@given(st.lists(st.binary(max_size=200), max_size=6))
def test_the_parts_in_a_row_are_the_whole(name: str, parts: list[bytes]) -> None:
    encoder = coder(name)
    encoded = b"".join(encoder.encode(part) for part in parts) + encoder.finish()
    assert _DECODERS[name](encoded) == b"".join(parts)


@pytest.mark.parametrize("name", ["", *CODINGS])
def test_each_part_can_be_read_when_it_arrives(name: str) -> None:
    encoder, take = coder(name), _PARTIAL[name]()
    for part in (b"data: one\n\n", b"data: two\n\n", "data: 月光\n\n".encode()):
        assert take(encoder.encode(part)) == part


def test_an_unknown_coding_is_refused() -> None:
    with pytest.raises(ValueError, match="rot13"):
        coder("rot13")


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, deflate, br", "br"),
        ("gzip, deflate", "deflate"),
        ("br;q=0, gzip;q=0.5", "gzip"),
        ("identity", ""),
        ("", ""),
    ],
)
def test_the_strongest_coding_that_is_offered(accept: str, expected: str) -> None:
    assert offered(accept) == expected


def test_request_bodies_are_decoded_last_coding_first() -> None:
    assert decode(b"plain", "") == b"plain"
    assert decode(gzip.compress(brotli.compress(b"x" * 50)), "br, gzip") == b"x" * 50
    assert decode(zstandard.ZstdCompressor().compress(b"y" * 50), "zstd") == b"y" * 50
    assert decode(zlib.compress(b"z"), "deflate") == b"z"


@given(st.binary(max_size=100), st.sampled_from([*CODINGS, "rot13", "gzip, br"]))
def test_a_broken_body_raises_only_value_error(body: bytes, coding: str) -> None:
    with contextlib.suppress(ValueError):
        decode(body, coding)
