"""WebSocket frames out of one direction's bytes (RFC 6455 section 5), unmasked, handed on as they arrive.

Invariant: each byte is looked at once, however small the pieces are, and nothing but a frame's header is held.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from wirespan.http.desync import DesynchronisedError

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

_FIN = 0x80
_COMPRESSED = 0x40  # RSV1: the first frame of a message, with permessage-deflate (RFC 7692 section 6)
_RESERVED = 0x30
_MASKED = 0x80
_KINDS = frozenset({CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG})
_MASK_BYTES = 4
_MAX_CONTROL_BYTES = 125  # section 5.5
# No API sends a message of a gigabyte: such a length is a hole that nobody saw, or an attack.
_MAX_FRAME_BYTES = 1 << 30
# How a JSON value begins that an API sends.
_JSON_BEGINS = b'{["'
# A message is written in one call if it fits in a TLS record of 16 KiB; what goes on in another one is not small.
_CUT_CALL_BYTES = 4096


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """`mask` is empty for an unmasked frame. `size_bytes`: of this header."""

    kind: int
    is_final: bool
    is_compressed: bool
    mask: bytes
    length_bytes: int
    size_bytes: int

    @property
    def is_control(self) -> bool:
        return self.kind >= CLOSE


@dataclass(frozen=True, slots=True)
class FrameBegin:
    header: FrameHeader
    start_ns: int


@dataclass(frozen=True, slots=True)
class FrameEnd:
    header: FrameHeader


Said = FrameBegin | bytes | FrameEnd


def parse_frame_header(data: bytes | bytearray, at: int = 0) -> FrameHeader | None:
    """None: it is not complete. Raises DesynchronisedError for what RFC 6455 section 5.2 does not allow."""
    if len(data) - at < 2:
        return None
    first, second = data[at], data[at + 1]
    kind, length_bytes, end = first & 0x0F, second & 0x7F, at + 2
    if kind not in _KINDS or first & _RESERVED:
        raise DesynchronisedError("bad_websocket_frame")
    if length_bytes >= 126:
        size = 2 if length_bytes == 126 else 8
        if len(data) < end + size:
            return None
        length_bytes = int.from_bytes(data[end : end + size], "big")
        end += size
        if length_bytes < 126 or (size == 8 and length_bytes < 1 << 16):
            raise DesynchronisedError("bad_websocket_length")  # "the minimal number of bytes must be used"
    if length_bytes > _MAX_FRAME_BYTES:
        raise DesynchronisedError("websocket_frame_too_large")
    is_control, is_compressed = kind >= CLOSE, bool(first & _COMPRESSED)
    if is_control and (length_bytes > _MAX_CONTROL_BYTES or not first & _FIN or is_compressed):
        raise DesynchronisedError("bad_websocket_control_frame")
    if kind == CONTINUATION and is_compressed:
        raise DesynchronisedError("bad_websocket_frame")
    mask = b""
    if second & _MASKED:
        if len(data) < end + _MASK_BYTES:
            return None
        mask = bytes(data[end : end + _MASK_BYTES])
        end += _MASK_BYTES
    return FrameHeader(kind, bool(first & _FIN), is_compressed, mask, length_bytes, end - at)


def unmask(data: bytes, mask: bytes, position: int) -> bytes:
    """`data` stands at `position` of a payload (section 5.3). As one large number: a loop over bytes takes a hundred
    times as long."""
    turn = position % _MASK_BYTES
    key = (mask[turn:] + mask[:turn]) * (len(data) // _MASK_BYTES + 1)
    return (int.from_bytes(data, "little") ^ int.from_bytes(key[: len(data)], "little")).to_bytes(len(data), "little")


def begins_with_frames(data: bytes) -> bool:
    """Is this what a TLS call moves on a WebSocket whose handshake was not seen? Stricter than the header's rules,
    since it decides for bytes that may be anything: a whole JSON text, or the beginning of one too large for a call,
    and behind it whole frames up to the end."""
    try:
        header = parse_frame_header(data)
        if header is None or header.kind not in (TEXT, BINARY) or header.is_compressed or not header.length_bytes:
            return False
        begin = data[header.size_bytes : header.size_bytes + 1]
        if not begin or (unmask(begin, header.mask, 0) if header.mask else begin) not in _JSON_BEGINS:
            return False
        at = header.size_bytes + header.length_bytes
        if at > len(data):
            return header.is_final and len(data) >= _CUT_CALL_BYTES
        while at < len(data):
            header = parse_frame_header(data, at)
            if header is None:
                return False
            at += header.size_bytes + header.length_bytes
    except DesynchronisedError:
        return False
    return at == len(data)


class FrameReader:
    """`masked`: whether this direction is the client's, whose frames all are (section 5.1). After an error call
    `restart`."""

    __slots__ = ("_head", "_header", "_left_bytes", "_masked", "_position", "_start_ns")

    def __init__(self, masked: bool) -> None:
        self._masked = masked
        self._head = bytearray()
        self.restart()

    def restart(self) -> None:
        """The next byte is the first of a frame."""
        self._head.clear()
        self._header: FrameHeader | None = None
        self._left_bytes = 0
        self._position = 0
        self._start_ns: int | None = None

    def feed(self, data: bytes, at: int, start_ns: int) -> Iterator[Said]:
        """What the bytes from `at` on complete. `start_ns` is when they began to move. Raises DesynchronisedError for
        what can't be a frame."""
        while True:
            if self._header is None:
                at = self._take_header(data, at, start_ns)
                if self._header is None:
                    return
                yield FrameBegin(self._header, start_ns if self._start_ns is None else self._start_ns)
            taken_bytes = min(self._left_bytes, len(data) - at)
            if taken_bytes:
                piece = data[at : at + taken_bytes]
                at += taken_bytes
                mask = self._header.mask
                yield unmask(piece, mask, self._position) if mask else piece
                self._advance(taken_bytes)
            if self._left_bytes:
                return
            yield self._close(self._header)

    def gap(self, missing_bytes: int) -> Iterator[Said]:
        """So many bytes of a payload are missing here; says FrameEnd if they were its last. Raises DesynchronisedError
        if the framing is lost with them."""
        header = self._header
        if header is None or missing_bytes > self._left_bytes:
            raise DesynchronisedError("gap_in_websocket_frames")
        self._advance(missing_bytes)
        if not self._left_bytes:
            yield self._close(header)

    def _take_header(self, data: bytes, at: int, start_ns: int) -> int:
        head = self._head
        if not head:
            header = parse_frame_header(data, at)
            if header is None:
                head += data[at:]
                self._start_ns = start_ns if head else None
                return len(data)
            self._open(header)
            return at + header.size_bytes
        while at < len(data):
            head.append(data[at])
            at += 1
            header = parse_frame_header(head)
            if header is not None:
                head.clear()
                self._open(header)
                break
        return at

    def _open(self, header: FrameHeader) -> None:
        if bool(header.mask) is not self._masked:
            raise DesynchronisedError("bad_websocket_mask")
        self._header = header
        self._left_bytes = header.length_bytes
        self._position = 0

    def _advance(self, size_bytes: int) -> None:
        self._left_bytes -= size_bytes
        self._position += size_bytes

    def _close(self, header: FrameHeader) -> FrameEnd:
        self.restart()
        return FrameEnd(header)
