"""What the kernel side would send for one connection, written as a little script of writes and reads.

Offsets, call places and the request count are kept as the kernel side keeps them; a record can be withheld, and its
bytes are then counted but absent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from wirespan.capture import (
    CaptureEvent,
    CloseReason,
    ConnectionClosed,
    ConnectionId,
    ConnectionOpened,
    Direction,
    TlsData,
)
from wirespan.counters import Counters
from wirespan.http import Http, HttpEvent, HttpExchange, HttpSettings
from wirespan.streams import StreamEvent, Streams, StreamSettings

RECORD_BYTES = 16 * 1024
TICK_NS = 1_000
_METHOD = re.compile(rb"(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS|CONNECT|PRI) ")


class Tape:
    """`events` grows with each call; each call takes one tick, its entry lies half a tick before its return."""

    def __init__(self, pid: int = 100, handle: int = 0x7F00, opened: bool = True, start_ns: int = 0) -> None:
        self.connection = ConnectionId(pid, handle, start_ns)
        self.now_ns = start_ns
        self.request_seq = 0
        self.withheld_bytes = 0
        self.events: list[CaptureEvent] = []
        self._offsets = [0, 0]
        if opened:
            self.events.append(ConnectionOpened(self.now_ns, self.connection, 1000, "test"))

    def write(self, *calls: bytes, record_bytes: int = RECORD_BYTES) -> Tape:
        for data in calls:
            self._call(Direction.WRITE, data, record_bytes, withhold=())
        return self

    def read(self, *calls: bytes, record_bytes: int = RECORD_BYTES) -> Tape:
        for data in calls:
            self._call(Direction.READ, data, record_bytes, withhold=())
        return self

    def withhold(self, direction: Direction, data: bytes) -> Tape:
        """The process moved `data`, and no record of it arrived."""
        self._call(direction, data, RECORD_BYTES, withhold=range(1 << 30))
        return self

    def call(self, direction: Direction, data: bytes, withhold: Iterable[int], record_bytes: int) -> Tape:
        """One call in records of `record_bytes`; those whose numbers are in `withhold` don't arrive."""
        self._call(direction, data, record_bytes, withhold)
        return self

    def close(self, reason: CloseReason = CloseReason.FREED) -> Tape:
        self.now_ns += TICK_NS
        self.events.append(ConnectionClosed(self.now_ns, self.connection, reason))
        return self

    def _call(self, direction: Direction, data: bytes, record_bytes: int, withhold: Iterable[int]) -> None:
        self.now_ns += TICK_NS
        if direction is Direction.WRITE and _METHOD.match(data):
            self.request_seq += 1
        withheld = withhold if isinstance(withhold, range) else frozenset(withhold)
        for number, start in enumerate(range(0, len(data), record_bytes)):
            piece = data[start : start + record_bytes]
            if number in withheld:
                self.withheld_bytes += len(piece)
            else:
                self.events.append(self._record(direction, start, len(data), piece))
            self._offsets[direction] += len(piece)

    def _record(self, direction: Direction, call_offset: int, call_bytes: int, piece: bytes) -> TlsData:
        return TlsData(
            time_ns=self.now_ns,
            entry_ns=self.now_ns - TICK_NS // 2,
            connection=self.connection,
            thread_id=self.connection.pid,
            direction=direction,
            offset=self._offsets[direction],
            call_offset=call_offset,
            call_bytes=call_bytes,
            request_seq=self.request_seq,
            data=piece,
        )


def through_streams(events: Iterable[CaptureEvent], counters: Counters | None = None) -> list[StreamEvent]:
    """What the real streams room makes of them."""
    streams = Streams(StreamSettings(), counters or Counters())
    return [stream_event for event in events for stream_event in streams.receive(event)]


def through_http(
    events: Iterable[CaptureEvent], counters: Counters | None = None, settings: HttpSettings | None = None
) -> list[HttpEvent]:
    """What the real streams and http rooms make of them."""
    counters = counters or Counters()
    http = Http(settings or HttpSettings(), counters)
    return [said for event in through_streams(events, counters) for said in http.receive(event)]


def exchanges_of(
    events: Iterable[CaptureEvent], counters: Counters | None = None, settings: HttpSettings | None = None
) -> list[HttpExchange]:
    return [said for said in through_http(events, counters, settings) if isinstance(said, HttpExchange)]
