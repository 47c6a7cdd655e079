"""HTTP/1.1 requests off a stream, with every byte kept (RFC 9112).

Own framing because a library would hide what the truth log is for: the raw head and the body as it was framed.
Invariant: `read_head` and `read_body` raise `FramingError` and nothing else for whatever bytes a peer sends.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

MAX_HEAD_BYTES = 64 * 1024
MAX_BODY_BYTES = 256 * 1024 * 1024
_MAX_CHUNK_LINE_BYTES = 4096

Headers = tuple[tuple[str, str], ...]


class FramingError(Exception):
    """What came is no HTTP/1.1 request, or the connection ended inside one."""


@dataclass(frozen=True, slots=True)
class Head:
    """The request line and the header fields; `raw` is both as received, with the empty line. Names are lower case."""

    method: str
    target: str
    version: str
    headers: Headers
    raw: bytes
    start_ns: int

    def header(self, name: str) -> str:
        """The value of field `name` (lower case), repeated fields joined (RFC 9110 section 5.3); "" if absent."""
        return ", ".join(value for key, value in self.headers if key == name)


@dataclass(frozen=True, slots=True)
class RequestBody:
    """`wire` as received; `body` the same with the chunked coding undone (equal to `wire` if there was none)."""

    wire: bytes
    body: bytes
    end_ns: int


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """The next request's head, or None if the peer closed between requests."""
    raw = await _first_line(reader)
    if not raw:
        return None
    start_ns = time.monotonic_ns()
    while not raw.endswith(b"\r\n\r\n"):
        line = await _line(reader, MAX_HEAD_BYTES)
        raw += line
        if len(raw) > MAX_HEAD_BYTES:
            raise FramingError(f"the head is larger than {MAX_HEAD_BYTES} bytes")
    return _parse_head(raw, start_ns)


async def read_body(reader: asyncio.StreamReader, head: Head) -> RequestBody:
    """The body as `head` frames it: Transfer-Encoding first, then Content-Length, else none (RFC 9112 section 6.3)."""
    coding, length = head.header("transfer-encoding").lower(), head.header("content-length")
    if coding:
        if coding != "chunked":
            raise FramingError(f"unknown transfer coding {coding!r}")
        if length:
            raise FramingError("both Transfer-Encoding and Content-Length")
        wire, body = await _read_chunked(reader)
    else:
        wire = body = await _exactly(reader, _content_length(length))
    return RequestBody(wire, body, time.monotonic_ns())


async def _first_line(reader: asyncio.StreamReader) -> bytes:
    while True:
        line = await _line(reader, MAX_HEAD_BYTES, end_allowed=True)
        if line != b"\r\n":  # RFC 9112 section 2.2: an empty line before the request line is to be ignored
            return line


async def _line(reader: asyncio.StreamReader, limit_bytes: int, *, end_allowed: bool = False) -> bytes:
    try:
        line = await reader.readuntil(b"\n")
    except asyncio.IncompleteReadError as error:
        if end_allowed and not error.partial:
            return b""
        raise FramingError("the connection ended inside a message") from error
    except asyncio.LimitOverrunError as error:
        raise FramingError("a line is too long") from error
    except (ConnectionError, OSError) as error:
        if end_allowed:
            return b""
        raise FramingError(f"the connection broke: {error}") from error
    if len(line) > limit_bytes:
        raise FramingError(f"a line is longer than {limit_bytes} bytes")
    if not line.endswith(b"\r\n"):
        raise FramingError("a line ends without CR")
    return line


async def _exactly(reader: asyncio.StreamReader, count: int) -> bytes:
    if count > MAX_BODY_BYTES:
        raise FramingError(f"the body is larger than {MAX_BODY_BYTES} bytes")
    try:
        return await reader.readexactly(count)
    except (asyncio.IncompleteReadError, OSError) as error:
        raise FramingError("the connection ended inside a body") from error


async def _read_chunked(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    wire, body = bytearray(), bytearray()
    while True:
        line = await _line(reader, _MAX_CHUNK_LINE_BYTES)
        size = _hexadecimal(line.split(b";")[0].strip())
        wire += line
        if size == 0:
            break
        if len(body) + size > MAX_BODY_BYTES:
            raise FramingError(f"the body is larger than {MAX_BODY_BYTES} bytes")
        chunk = await _exactly(reader, size + 2)
        if not chunk.endswith(b"\r\n"):
            raise FramingError("a chunk is longer than it says")
        wire += chunk
        body += chunk[:-2]
    wire += await _read_trailers(reader)
    return bytes(wire), bytes(body)


async def _read_trailers(reader: asyncio.StreamReader) -> bytes:
    trailers = b""
    while not trailers.endswith(b"\r\n\r\n") and trailers != b"\r\n":
        trailers += await _line(reader, _MAX_CHUNK_LINE_BYTES)
        if len(trailers) > MAX_HEAD_BYTES:
            raise FramingError("the trailers are too large")
    return trailers


def _parse_head(raw: bytes, start_ns: int) -> Head:
    lines = raw[:-4].split(b"\r\n")
    words = lines[0].split(b" ")
    if len(words) != 3 or words[2] not in (b"HTTP/1.1", b"HTTP/1.0") or not words[0].isalpha() or not words[1]:
        raise FramingError(f"no request line: {lines[0][:80]!r}")
    method, target, version = (word.decode("latin-1") for word in words)
    return Head(method, target, version, tuple(_parse_field(line) for line in lines[1:]), raw, start_ns)


def _parse_field(line: bytes) -> tuple[str, str]:
    name, colon, value = line.partition(b":")
    if not colon or not name or name != name.strip() or b" " in name:  # RFC 9112 section 5.1
        raise FramingError(f"no header field: {line[:80]!r}")
    return name.decode("latin-1").lower(), value.strip().decode("latin-1")


def _content_length(value: str) -> int:
    if not value:
        return 0
    if not (value.isascii() and value.isdigit() and len(value) < 16):
        raise FramingError(f"Content-Length {value[:40]!r}")
    return int(value)


def _hexadecimal(digits: bytes) -> int:
    if not 0 < len(digits) < 16 or digits.strip(b"0123456789abcdefABCDEF"):
        raise FramingError(f"chunk size {digits[:40]!r}")
    return int(digits, 16)
