"""One direction of an HTTP/2 connection: in step with its frames or looking for one, and its header fields decoded.

Invariant: a header block that can't be read is announced with `head` None, and the table of its direction then holds
nothing from before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from wirespan.counters import Counters
from wirespan.http.budget import Account
from wirespan.http.desync import DesynchronisedError
from wirespan.http.http2.frames import (
    ACK,
    CONTINUATION,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PREFACE,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    DataGap,
    DataPiece,
    Frame,
    FrameReader,
    begins_with_frames,
    parse_frame_header,
)
from wirespan.http.http2.head import BlockHead, read_head
from wirespan.http.http2.header_block import decode_block
from wirespan.http.http2.header_table import HeaderTable
from wirespan.http.settings import HttpSettings
from wirespan.streams import StreamData

_STREAM_ID = 0x7FFFFFFF
_PROMISED_ID_BYTES = 4


@dataclass(frozen=True, slots=True)
class HeaderBlock:
    """A whole block of HEADERS and CONTINUATION. `head` None: it can't be read, and the fields in it are lost.
    `size_bytes`: of its names and values. `ended`: the stream ends in this direction. `first` brought its first
    byte."""

    stream_id: int
    head: BlockHead | None
    ended: bool
    size_bytes: int
    first: StreamData


@dataclass(frozen=True, slots=True)
class StreamReset:
    stream_id: int


@dataclass(frozen=True, slots=True)
class GoAway:
    """Streams above `last_stream_id` were not and will not be processed (RFC 9113 section 6.8)."""

    last_stream_id: int


Said = HeaderBlock | DataPiece | DataGap | StreamReset | GoAway


class Http2Side:
    """`preface_seen`: this direction is the client's, from its first byte on."""

    __slots__ = (
        "_account",
        "_block",
        "_block_frame",
        "_charged_bytes",
        "_counters",
        "_preface_left",
        "_reader",
        "_settings",
        "_table",
        "_table_bytes",
        "preface_seen",
        "synced",
    )

    def __init__(self, settings: HttpSettings, counters: Counters, account: Account) -> None:
        self._settings = settings
        self._counters = counters
        self._account = account
        self._reader = FrameReader(settings.max_head_bytes)
        self._table = HeaderTable(settings.max_header_table_bytes)
        self._block: bytearray | None = bytearray()  # None: it can't be read any more
        self._block_frame: Frame | None = None  # the HEADERS or PUSH_PROMISE that CONTINUATION frames go on with
        self._preface_left = PREFACE
        self._charged_bytes = 0
        self._table_bytes = 0
        self.preface_seen = False
        self.synced = False

    def expect_preface(self, seen_bytes: int) -> None:
        """The first `seen_bytes` of the preface have passed already."""
        self._preface_left = PREFACE[seen_bytes:]

    def expect_frames(self) -> None:
        """The next byte begins a frame, if nothing was missed."""
        self.synced = self.synced or bool(self._preface_left)

    def feed(self, event: StreamData) -> Iterator[Said]:
        """What the bytes of `event` complete. Raises DesynchronisedError for what can't be a frame; then `lose_frames`
        is due."""
        at = 0 if self.synced else self._synchronise(event)
        if not self.synced:
            self._counters.add("http.stray_bytes", len(event.data) - at)
            return
        for frame in self._reader.feed(event, at):
            yield from self._frame(frame)
        self._settle()

    def gap(self, missing_bytes: int | None) -> Iterator[Said]:
        """Raises DesynchronisedError if the frames are lost with the missing bytes."""
        if missing_bytes is None or not self.synced:
            raise DesynchronisedError("gap_of_unknown_size" if self.synced else "gap_between_frames")
        for frame in self._reader.gap(missing_bytes):
            yield from self._frame(frame)
        self._settle()

    def lose_frames(self) -> None:
        """Nobody knows where the next frame begins, nor which header blocks are missing."""
        self.synced = False
        self._preface_left = b""
        self._reader.restart()
        self._lose_fields()
        self._settle()

    def free(self) -> None:
        """Give back all memory. The frames go on, fields are lost."""
        self._reader.drop_collected()
        self._lose_fields()
        self._settle()

    def _synchronise(self, event: StreamData) -> int:
        """The place where frames begin; `synced` says whether there is one."""
        expected, data = self._preface_left, event.data
        if expected and data[: len(expected)] == expected[: len(data)]:
            self._preface_left = expected[len(data) :]
            if not self._preface_left:
                self.preface_seen = self.synced = True
            return min(len(expected), len(data))
        if event.call_start and begins_with_frames(data):
            # A server's first frame is SETTINGS (section 3.4). With anything else in front, header blocks were missed.
            first = parse_frame_header(data)
            if not expected or first.kind != SETTINGS or first.flags & ACK:
                self._table.lose()
            self.synced = True
        self._preface_left = b""
        return 0

    def _frame(self, said: Frame | DataPiece | DataGap) -> Iterator[Said]:
        if not isinstance(said, Frame):
            yield said
            return
        kind, payload = said.header.kind, said.payload
        if kind in (HEADERS, PUSH_PROMISE, CONTINUATION):
            yield from self._fields(said)
        elif kind == RST_STREAM:
            yield StreamReset(said.header.stream_id)
        elif kind == GOAWAY and payload is not None:
            yield GoAway(int.from_bytes(payload[:4], "big") & _STREAM_ID)

    def _fields(self, frame: Frame) -> Iterator[Said]:
        """Section 6.10: a block is one frame and its CONTINUATION frames, with nothing in between. A frame of another
        kind there is an error that the peers end the connection for; it has no header fields, so it is let pass."""
        header = frame.header
        begun = self._block_frame
        if header.kind != CONTINUATION:
            if begun is not None:
                self._lose_fields()
            self._block_frame = begun = frame
            self._add_to_block(frame.payload if header.kind == HEADERS else _behind_promise(frame.payload))
        elif begun is not None and begun.header.stream_id == header.stream_id:
            self._add_to_block(frame.payload)
        else:
            self._lose_fields()  # the beginning of its block is missing
            return
        if header.flags & END_HEADERS:
            yield from self._complete_block(begun)

    def _add_to_block(self, piece: bytes | None) -> None:
        block = self._block
        if block is not None and piece is not None and len(block) + len(piece) <= self._settings.max_head_bytes:
            block += piece
        elif block is not None:
            self._counters.add("http.desync.gap_in_header_block" if piece is None else "http.desync.head_too_large")
            self._block = None

    def _complete_block(self, begun: Frame) -> Iterator[Said]:
        block = self._block
        self._block_frame = None
        self._block = bytearray()
        head = None
        if block is None:
            self._table.lose()
        else:
            head = self._decode(bytes(block))
        if begun.header.kind == HEADERS:
            ended = bool(begun.header.flags & END_STREAM)
            yield HeaderBlock(begun.header.stream_id, head, ended, head.size_bytes if head else 0, begun.first)

    def _decode(self, block: bytes) -> BlockHead | None:
        limits = self._settings
        try:
            head = read_head(decode_block(block, self._table, limits.max_header_fields, limits.max_head_bytes))
        except DesynchronisedError as error:
            self._counters.add(f"http.desync.{error.cause}")
            self._table.lose()
            return None
        if head.unknown_fields:
            self._counters.add("http.h2.unknown_fields", head.unknown_fields)
        return head

    def _lose_fields(self) -> None:
        """The block that is being collected, and what the table refers to."""
        self._block_frame = None
        self._block = bytearray()
        self._table.lose()

    def _settle(self) -> None:
        """Bring the account up to what is held: frames and blocks, and the table, which outlasts all exchanges."""
        held_bytes = self._reader.held_bytes + len(self._block or b"")
        if held_bytes != self._charged_bytes:
            self._account.charge(held_bytes - self._charged_bytes)
            self._charged_bytes = held_bytes
        table_bytes = self._table.size_bytes
        if table_bytes != self._table_bytes:
            self._account.charge_standing(table_bytes - self._table_bytes)
            self._table_bytes = table_bytes


def _behind_promise(payload: bytes | None) -> bytes | None:
    """PUSH_PROMISE begins with the id of the promised stream (section 6.6)."""
    return payload[_PROMISED_ID_BYTES:] if payload is not None and len(payload) >= _PROMISED_ID_BYTES else None
