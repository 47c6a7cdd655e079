"""Content codings undone piece by piece (RFC 9110 section 8.4): gzip, deflate, br, zstd, several on top of each other.

Each decoder pushes what it could decode into a sink in pieces of bounded size, so that a sink that has had enough can
stop a decompression bomb by raising. Invariant: the only other error is DecodeError.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import IO, Protocol, cast

import brotli
import zstandard

Sink = Callable[[bytes], object]

_PIECE_BYTES = 64 * 1024
_MAX_CODINGS = 4  # one is usual, two are rare; each multiplies what a bomb can do
_ZSTD_WINDOW_BYTES = 8 * 1024 * 1024  # RFC 9659: the largest window of the zstd content coding


class DecodeError(Exception):
    """The coding is unknown, or the bytes are not of this coding. The message names the coding."""


class Decoder(Protocol):
    def feed(self, data: bytes) -> None:
        """Raises DecodeError, and what the sink raises."""

    @property
    def ended(self) -> bool:
        """False if the coding has an end mark of its own and it has not come yet."""


def parse_codings(value: bytes | None) -> tuple[str, ...]:
    """The names in a Content-Encoding or Transfer-Encoding field, in the order they were applied; identity left out."""
    names = (name.strip().lower().decode("latin-1") for name in (value or b"").split(b","))
    return tuple(name for name in names if name and name != "identity")


def make_decoder(codings: Sequence[str], sink: Sink, max_between_bytes: int) -> Decoder:
    """Undoes `codings` (at least one), the last one first. Raises DecodeError for one that is unknown.

    What one coding hands to the next is limited to `max_between_bytes`: the sink never sees it and can't stop it.
    """
    if len(codings) > _MAX_CODINGS:
        raise DecodeError(f"too many codings: {len(codings)}")
    decoder: Decoder | None = None
    for name in codings:
        kind = _KINDS.get(name)
        if kind is None:
            raise DecodeError(f"unknown coding: {name[:64]}")
        decoder = kind(sink if decoder is None else _Limited(decoder, max_between_bytes).feed)
    assert decoder is not None
    return decoder


class _Limited:
    def __init__(self, decoder: Decoder, max_bytes: int) -> None:
        self._decoder = decoder
        self._left_bytes = max_bytes

    def feed(self, data: bytes) -> None:
        self._left_bytes -= len(data)
        if self._left_bytes < 0:
            raise DecodeError("too much between two codings")
        self._decoder.feed(data)


class _Gzip:
    """One member or several (RFC 1952 section 2.2). What follows the last one and is no member is padding."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)

    @property
    def ended(self) -> bool:
        return self._inflate.eof

    def feed(self, data: bytes) -> None:
        while data:
            if self._inflate.eof:
                if data[0] != 0x1F:
                    return
                self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
            data = _inflate(self._inflate, data, self._sink, "gzip")


class _Deflate:
    """ "deflate" is the zlib format (RFC 9110 section 8.4.1.2), but some servers send raw deflate. The two header bytes
    of RFC 1950 section 2.2 tell them apart: method 8, and divisible by 31."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._begin = b""
        self._inflate: zlib._Decompress | None = None

    @property
    def ended(self) -> bool:
        return self._inflate is not None and self._inflate.eof

    def feed(self, data: bytes) -> None:
        if self._inflate is None:
            self._begin = data = self._begin + data
            if len(data) < 2:
                return
            zlib_header = data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0
            self._inflate = zlib.decompressobj(zlib.MAX_WBITS if zlib_header else -zlib.MAX_WBITS)
        if not self._inflate.eof:
            _inflate(self._inflate, data, self._sink, "deflate")


def _inflate(inflate: zlib._Decompress, data: bytes, sink: Sink, name: str) -> bytes:
    """Feed `data`; gives what stands behind the end of the compressed data."""
    while True:
        try:
            piece = inflate.decompress(data, _PIECE_BYTES)
        except zlib.error as error:
            raise DecodeError(f"{name}: {error}") from None
        if piece:
            sink(piece)
        if inflate.eof:
            return inflate.unused_data
        data = inflate.unconsumed_tail
        # A full piece may mean that zlib holds more output although it has taken all input.
        if not data and len(piece) < _PIECE_BYTES:
            return b""


class _Brotli:
    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._decompressor = brotli.Decompressor()

    @property
    def ended(self) -> bool:
        return bool(self._decompressor.is_finished())

    def feed(self, data: bytes) -> None:
        while not self._decompressor.is_finished():
            try:
                piece = self._decompressor.process(data, output_buffer_limit=_PIECE_BYTES)
            except brotli.error as error:
                raise DecodeError(f"br: {error}") from None
            if piece:
                self._sink(piece)
            if self._decompressor.can_accept_more_data():
                return
            data = b""


class _Zstd:
    """Any number of frames, skippable ones among them (RFC 8878 section 3.1). The library does not say whether the last
    one is whole."""

    ended = True

    def __init__(self, sink: Sink) -> None:
        decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES)
        # It is typed as a file and only needs write() (zstandard's documentation of stream_writer).
        destination = cast("IO[bytes]", _ZstdSink(sink))
        self._writer = decompressor.stream_writer(destination, write_size=_PIECE_BYTES)

    def feed(self, data: bytes) -> None:
        try:
            self._writer.write(data)
        except zstandard.ZstdError as error:
            raise DecodeError(f"zstd: {error}") from None


class _ZstdSink:
    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def write(self, piece: bytes) -> int:
        self._sink(bytes(piece))
        return len(piece)


_KINDS: dict[str, Callable[[Sink], Decoder]] = {
    "gzip": _Gzip,
    "x-gzip": _Gzip,
    "deflate": _Deflate,
    "br": _Brotli,
    "zstd": _Zstd,
}
