"""Content codings, streamed: each part is flushed, so that a peer can decode every event when it arrives."""

from __future__ import annotations

import gzip
import zlib
from typing import Protocol

import brotli
import zstandard

CODINGS = ("gzip", "deflate", "br", "zstd")


class Coder(Protocol):
    """Feed parts, then `finish` once. The outputs in a row are the encoded body."""

    def encode(self, part: bytes) -> bytes: ...

    def finish(self) -> bytes: ...


class _Identity:
    def encode(self, part: bytes) -> bytes:
        return part

    def finish(self) -> bytes:
        return b""


class _Zlib:
    def __init__(self, window_bits: int) -> None:
        self._compressor = zlib.compressobj(6, zlib.DEFLATED, window_bits)

    def encode(self, part: bytes) -> bytes:
        return self._compressor.compress(part) + self._compressor.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        return self._compressor.flush()


class _Brotli:
    def __init__(self) -> None:
        self._compressor = brotli.Compressor(quality=4)

    def encode(self, part: bytes) -> bytes:
        return bytes(self._compressor.process(part)) + bytes(self._compressor.flush())

    def finish(self) -> bytes:
        return bytes(self._compressor.finish())


class _Zstandard:
    def __init__(self) -> None:
        self._compressor = zstandard.ZstdCompressor().compressobj()

    def encode(self, part: bytes) -> bytes:
        return self._compressor.compress(part) + self._compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)

    def finish(self) -> bytes:
        return self._compressor.flush()


def coder(name: str) -> Coder:
    """`name` is a value of Content-Encoding, "" for none. "deflate" is the zlib format (RFC 9110 section 8.4.1.2)."""
    if name == "gzip":
        return _Zlib(zlib.MAX_WBITS | 16)
    if name == "deflate":
        return _Zlib(zlib.MAX_WBITS)
    if name == "br":
        return _Brotli()
    if name == "zstd":
        return _Zstandard()
    if name:
        raise ValueError(f"unknown content coding {name!r}")
    return _Identity()


def offered(accept_encoding: str) -> str:
    """The strongest of our codings that the client takes; "" if none. Weights are ignored except q=0."""
    takes = set()
    for item in accept_encoding.lower().split(","):
        name, _, weight = item.partition(";")
        if weight.replace(" ", "") not in ("q=0", "q=0.0"):
            takes.add(name.strip())
    return next((name for name in reversed(CODINGS) if name in takes), "")


def decode(body: bytes, content_encoding: str) -> bytes:
    """A request body without its content coding. Raises ValueError if it is unknown or broken."""
    try:
        for name in reversed([item.strip().lower() for item in content_encoding.split(",") if item.strip()]):
            body = _decode_one(body, name)
    except (zlib.error, gzip.BadGzipFile, EOFError, brotli.error, zstandard.ZstdError) as error:
        raise ValueError(f"the body is not {content_encoding}: {error}") from error
    return body


def _decode_one(body: bytes, name: str) -> bytes:
    if name == "gzip":
        return gzip.decompress(body)
    if name == "deflate":
        return zlib.decompress(body)
    if name == "br":
        return bytes(brotli.decompress(body))
    if name == "zstd":
        return zstandard.ZstdDecompressor().decompressobj(read_across_frames=True).decompress(body)
    if name == "identity":
        return body
    raise ValueError(f"unknown content coding {name!r}")
