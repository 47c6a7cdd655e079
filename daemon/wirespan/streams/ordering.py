"""One connection's records put in order: what is new, what is missing, what was muted.

Invariant: per direction the pieces handed on touch each other. A gap of unknown size (muted) spans the records that
were dropped here and what the kernel side neither sent nor counted meanwhile; the offsets go on behind it.
"""

from __future__ import annotations

from wirespan.capture import ConnectionClosed, Direction, TlsData, Verdict, VerdictKind
from wirespan.counters import Counters
from wirespan.streams.events import Connection, GapReason, StreamData, StreamEvent, StreamGap

_GAP_COUNTERS = {
    GapReason.LOST: "streams.lost_bytes",
    GapReason.UNREADABLE: "streams.unreadable_bytes",
    GapReason.JOINED: "streams.joined_bytes",
}


class OrderedConnection:
    """`opened`: its ConnectionOpened was seen, so a first record that does not start at 0 follows a loss."""

    __slots__ = (
        "_counters",
        "_gap_due",
        "_gap_offsets",
        "_muted_seq",
        "_next_offset",
        "_seq",
        "connection",
        "last_ns",
        "opened",
    )

    def __init__(self, connection: Connection, counters: Counters) -> None:
        self.connection = connection
        self.opened = False
        self.last_ns = 0
        self._counters = counters
        self._next_offset = [0, 0]  # by Direction
        self._seq = 0
        self._muted_seq: int | None = None
        self._gap_due = False
        self._gap_offsets = [0, 0]  # where the muting began

    def apply(self, verdict: Verdict) -> None:
        """Like the kernel side: a verdict for a count that has passed is void."""
        if verdict.request_seq < self._seq:
            self._counters.add("streams.late_verdicts")
        elif verdict.kind is VerdictKind.MUTED:
            if self._muted_seq is None and not self._gap_due:
                self._gap_offsets = list(self._next_offset)
            self._muted_seq = verdict.request_seq
        elif self._muted_seq is not None:
            self._muted_seq = None
            self._gap_due = True

    def receive(self, record: TlsData) -> list[StreamEvent]:
        self.last_ns = record.time_ns
        if record.request_seq > self._seq:
            self._seq = record.request_seq
        if self._muted_seq is not None and not self._unmuted_by(record):
            return []
        out: list[StreamEvent] = []
        if self._gap_due:
            self._muted_gaps(record.time_ns, out)
        direction = record.direction
        expected = self._next_offset[direction]
        if record.offset == expected and not record.missing_bytes:
            # The usual case, thousands of times a second.
            self._next_offset[direction] = expected + len(record.data)
            if record.data:
                out.append(self._data(record, expected, record.data))
        else:
            self._place(record, expected, out)
        return out

    def missing_at_end(self, event: ConnectionClosed) -> list[StreamEvent]:
        """What the kernel side counted and never sent: a loss that no later record's offset shows."""
        if self._muted_seq is not None:
            return []  # it would have been dropped here
        out: list[StreamEvent] = []
        for direction, total in ((Direction.READ, event.read_bytes), (Direction.WRITE, event.written_bytes)):
            offset = self._next_offset[direction]
            if total is not None and total > offset:
                reason = self._hole_reason(offset)
                self._counters.add(_GAP_COUNTERS[reason], total - offset)
                out.append(StreamGap(self.connection, direction, offset, total - offset, event.time_ns, reason))
                self._next_offset[direction] = total
        return out

    def _unmuted_by(self, record: TlsData) -> bool:
        """A record of the muted request is dropped (it was sent before the verdict reached the kernel side)."""
        assert self._muted_seq is not None
        if record.request_seq < self._muted_seq:
            return True
        if record.request_seq > self._muted_seq:
            self._muted_seq = None
            self._gap_due = True
            return True
        end = record.offset + len(record.data) + record.missing_bytes
        new_bytes = max(0, end - self._next_offset[record.direction])
        self._next_offset[record.direction] += new_bytes
        self._counters.add("streams.muted_bytes", new_bytes)
        return False

    def _muted_gaps(self, time_ns: int, out: list[StreamEvent]) -> None:
        self._gap_due = False
        self._counters.add("streams.muted_gaps")
        for direction in (Direction.READ, Direction.WRITE):
            offset = self._gap_offsets[direction]
            out.append(StreamGap(self.connection, direction, offset, None, time_ns, GapReason.MUTED))

    def _place(self, record: TlsData, expected: int, out: list[StreamEvent]) -> None:
        """A record that leaves a hole, goes back, or ends in bytes that could not be had."""
        offset, data, missing_bytes = record.offset, record.data, record.missing_bytes
        if offset > expected:
            out.append(self._gap(record, expected, offset - expected, self._hole_reason(expected)))
        elif offset < expected:
            known_bytes = min(expected - offset, len(data) + missing_bytes)
            self._counters.add("streams.duplicate_bytes", known_bytes)
            missing_bytes = min(missing_bytes, len(data) + missing_bytes - known_bytes)
            data = data[known_bytes:]
            offset = expected
        if data:
            out.append(self._data(record, offset, data))
        end = offset + len(data)
        if missing_bytes:
            reason = GapReason.UNREADABLE if record.data else GapReason.LOST
            out.append(self._gap(record, end, missing_bytes, reason))
        self._next_offset[record.direction] = end + missing_bytes

    def _hole_reason(self, expected: int) -> GapReason:
        return GapReason.JOINED if expected == 0 and not self.opened else GapReason.LOST

    def _gap(self, record: TlsData, offset: int, missing_bytes: int, reason: GapReason) -> StreamGap:
        self._counters.add(_GAP_COUNTERS[reason], missing_bytes)
        return StreamGap(self.connection, record.direction, offset, missing_bytes, record.time_ns, reason)

    def _data(self, record: TlsData, offset: int, data: bytes) -> StreamData:
        return StreamData(
            self.connection,
            record.direction,
            offset,
            record.time_ns,
            record.entry_ns,
            record.call_offset == 0 and offset == record.offset,
            record.request_seq,
            data,
        )
