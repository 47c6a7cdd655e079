"""HTTP/2 frames out of one direction's bytes (RFC 9113 sections 4 and 6).

The payload of DATA is handed on as it arrives, so that nothing waits for the end of a frame of up to 16 MiB; the frames
that steer the connection are collected. Invariant: each byte is looked at once, however small the pieces are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from wirespan.http.desync import DesynchronisedError
from wirespan.streams import StreamData

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"  # section 3.4

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)

END_STREAM = ACK = 0x01
END_HEADERS = 0x04
PADDED = 0x08
HAS_PRIORITY = 0x20

FRAME_HEADER_BYTES = 9
# No stack is known to send other frames than DATA above 16 KiB; each is held until it is whole.
_MAX_COLLECTED_BYTES = 1 << 20
# Text never passes for a frame: its first byte would make a length of half a megabyte at least.
_MAX_SOUGHT_BYTES = 512 * 1024
_PRIORITY_BYTES = 5

_COLLECTED = frozenset({HEADERS, RST_STREAM, PUSH_PROMISE, GOAWAY, CONTINUATION})
_OF_A_STREAM = frozenset({DATA, HEADERS, PRIORITY, RST_STREAM, PUSH_PROMISE, CONTINUATION})
_OF_THE_CONNECTION = frozenset({SETTINGS, PING, GOAWAY})
_FIXED_BYTES = {PRIORITY: 5, RST_STREAM: 4, PING: 8, WINDOW_UPDATE: 4}
_LEAST_BYTES = {PUSH_PROMISE: 4, GOAWAY: 8}
_FLAGS = {
    DATA: END_STREAM | PADDED,
    HEADERS: END_STREAM | END_HEADERS | PADDED | HAS_PRIORITY,
    SETTINGS: ACK,
    PUSH_PROMISE: END_HEADERS | PADDED,
    PING: ACK,
    CONTINUATION: END_HEADERS,
}


@dataclass(frozen=True, slots=True)
class FrameHeader:
    kind: int
    flags: int
    stream_id: int
    length_bytes: int


@dataclass(frozen=True, slots=True)
class Frame:
    """A collected frame, without padding and priority. `payload` is None if a part of it is missing, or if it was too
    large to be held. `first` brought its first byte."""

    header: FrameHeader
    payload: bytes | None
    first: StreamData


@dataclass(frozen=True, slots=True)
class DataPiece:
    """What arrived of a DATA frame; `ended`: behind it the stream ends in this direction."""

    stream_id: int
    data: bytes
    ended: bool


@dataclass(frozen=True, slots=True)
class DataGap:
    """So many bytes of a DATA frame's content are missing here."""

    stream_id: int
    missing_bytes: int


Said = Frame | DataPiece | DataGap


def parse_frame_header(data: bytes | bytearray, at: int = 0) -> FrameHeader:
    length_bytes = int.from_bytes(data[at : at + 3], "big")
    return FrameHeader(data[at + 3], data[at + 4], int.from_bytes(data[at + 5 : at + 9], "big"), length_bytes)


def is_sound(header: FrameHeader) -> bool:
    """Can a peer that keeps the rules have sent this? Unknown kinds can (section 5.5). `stream_id` still has the
    reserved bit, which is to be sent as 0 (section 4.1)."""
    kind, length_bytes = header.kind, header.length_bytes
    if header.stream_id >> 31 or (kind in _OF_A_STREAM and not header.stream_id):
        return False
    if kind in _OF_THE_CONNECTION and header.stream_id:
        return False
    if length_bytes != _FIXED_BYTES.get(kind, length_bytes) or length_bytes < _LEAST_BYTES.get(kind, 0):
        return False
    if kind == SETTINGS and (length_bytes % 6 or (header.flags & ACK and length_bytes)):
        return False
    return kind == DATA or length_bytes <= _MAX_COLLECTED_BYTES


def begins_with_frames(data: bytes) -> bool:
    """Is this what a TLS call moves on an HTTP/2 connection? Stricter than `is_sound`, since it decides for bytes that
    may be anything: only known kinds, only their flags, up to the end of `data` or into a frame that lies across it.
    Random bytes pass once in some 10**9 times."""
    at = 0
    while at + FRAME_HEADER_BYTES <= len(data):
        header = parse_frame_header(data, at)
        if header.kind > CONTINUATION or header.flags & ~_FLAGS.get(header.kind, 0) or not is_sound(header):
            return False
        if header.length_bytes > _MAX_SOUGHT_BYTES or header.stream_id >> 24:
            return False
        if header.kind in (DATA, HEADERS) and not header.stream_id % 2:
            return False  # pushed streams are even, and no one pushes to API clients
        at += FRAME_HEADER_BYTES + header.length_bytes
    return at >= FRAME_HEADER_BYTES


class FrameReader:
    """`held_bytes`: of a frame that is being collected. After an error call `restart`."""

    __slots__ = (
        "_collected",
        "_content_left",
        "_first",
        "_head_bytes",
        "_header",
        "_is_whole",
        "_left_bytes",
        "_max_collected_bytes",
        "_pad_is_next",
    )

    def __init__(self, max_collected_bytes: int) -> None:
        self._max_collected_bytes = max_collected_bytes
        self._collected = bytearray()
        self._head_bytes = bytearray()
        self._is_whole = True
        self.restart()

    @property
    def held_bytes(self) -> int:
        return len(self._collected)

    def restart(self) -> None:
        """The next byte is the first of a frame."""
        self._header: FrameHeader | None = None
        self._first: StreamData | None = None
        self._head_bytes.clear()
        self._drop_collected()
        self._left_bytes = 0
        self._content_left = 0
        self._pad_is_next = False

    def drop_collected(self) -> None:
        """Free what is held. The framing goes on; the frame it belonged to is handed on without its payload."""
        self._drop_collected()
        self._is_whole = False

    def feed(self, event: StreamData, at: int) -> Iterator[Said]:
        """What the bytes of `event` from `at` on complete. Raises DesynchronisedError for what can't be a frame."""
        data, end = event.data, len(event.data)
        while True:
            if self._header is None:
                at = self._take_header(event, at)
                if self._header is None:
                    return
            if self._pad_is_next and at < end and self._left_bytes:
                self._take_pad_length(data[at])
                at += 1
            taken_bytes = min(self._left_bytes, end - at)
            if taken_bytes:
                piece = data if taken_bytes == end else data[at : at + taken_bytes]
                at += taken_bytes
                yield from self._take_payload(self._header, piece)
            if self._left_bytes:
                return
            yield from self._close(self._header)

    def gap(self, missing_bytes: int) -> Iterator[Said]:
        """So many bytes are missing here. Raises DesynchronisedError if the framing is lost with them."""
        header = self._header
        if header is None or self._pad_is_next or missing_bytes > self._left_bytes:
            raise DesynchronisedError("gap_in_frames")
        content_bytes = min(missing_bytes, self._content_left)
        self._left_bytes -= missing_bytes
        self._content_left -= content_bytes
        self._is_whole = False
        self._drop_collected()
        if header.kind == DATA and content_bytes:
            yield DataGap(header.stream_id, content_bytes)
        if not self._left_bytes:
            yield from self._close(header)

    def _take_header(self, event: StreamData, at: int) -> int:
        data = event.data
        if at == len(data):
            return at
        if self._first is None:
            self._first = event
        if not self._head_bytes and at + FRAME_HEADER_BYTES <= len(data):
            self._open(parse_frame_header(data, at))
            return at + FRAME_HEADER_BYTES
        taken = data[at : at + FRAME_HEADER_BYTES - len(self._head_bytes)]
        self._head_bytes += taken
        if len(self._head_bytes) == FRAME_HEADER_BYTES:
            self._open(parse_frame_header(self._head_bytes))
            self._head_bytes.clear()
        return at + len(taken)

    def _open(self, header: FrameHeader) -> None:
        if not is_sound(header):
            raise DesynchronisedError("bad_frame_header")
        self._header = header
        self._left_bytes = self._content_left = header.length_bytes
        self._pad_is_next = header.kind == DATA and bool(header.flags & PADDED) and header.length_bytes > 0
        self._is_whole = header.length_bytes <= self._max_collected_bytes

    def _take_pad_length(self, pad_bytes: int) -> None:
        self._pad_is_next = False
        self._left_bytes -= 1
        self._content_left = max(0, self._left_bytes - pad_bytes)

    def _take_payload(self, header: FrameHeader, piece: bytes) -> Iterator[Said]:
        self._left_bytes -= len(piece)
        if header.kind == DATA:
            content = piece if len(piece) <= self._content_left else piece[: self._content_left]
            self._content_left -= len(content)
            if content:
                yield DataPiece(header.stream_id, content, False)
        elif header.kind in _COLLECTED and self._is_whole:
            self._collected += piece

    def _close(self, header: FrameHeader) -> Iterator[Said]:
        """The whole payload has passed."""
        first = self._first
        assert first is not None
        payload = _without_padding(header, bytes(self._collected)) if self._is_whole else None
        self.restart()
        if header.kind in _COLLECTED:
            yield Frame(header, payload, first)
        elif header.kind == DATA and header.flags & END_STREAM:
            yield DataPiece(header.stream_id, b"", True)

    def _drop_collected(self) -> None:
        if self._collected:
            self._collected = bytearray()


def _without_padding(header: FrameHeader, payload: bytes) -> bytes | None:
    """Also without the priority fields of HEADERS. None if they don't fit in (section 6.2: a protocol error)."""
    flags = header.flags & _FLAGS.get(header.kind, 0)
    start, end = 0, len(payload)
    if flags & PADDED:
        start, end = 1, end - (payload[0] if payload else 0)
    if flags & HAS_PRIORITY:
        start += _PRIORITY_BYTES
    return payload[start:end] if start <= end else None
