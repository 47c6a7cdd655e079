"""Kernel records to typed events. The layout comes from events.h; the words are those of `events`."""

from __future__ import annotations

from wirespan.capture.events import (
    CloseReason,
    ConnectionClosed,
    ConnectionId,
    ConnectionOpened,
    Direction,
    PeerNamed,
    TlsData,
)
from wirespan.capture.layout import Layouts

KernelEvent = TlsData | ConnectionOpened | PeerNamed | ConnectionClosed

_IDS_MAX = 65536

# The order `decode` unpacks in; a change in events.h must be followed here, and fails at start until it is.
_HEADER_FIELDS = (
    "time_ns",
    "entry_ns",
    "handle",
    "generation",
    "offset",
    "offset_write",
    "process_id",
    "thread_id",
    "call_offset",
    "call_bytes",
    "length",
    "missing_bytes",
    "request_seq",
    "kind",
    "direction",
    "flags",
    "reserved",
)


class RecordDecoder:
    """`decode(record)` gives one event, or None for a kind this version does not know (counted by the caller)."""

    def __init__(self, layouts: Layouts) -> None:
        self._header = layouts.structs["record_header"]
        self._opened = layouts.structs["opened"]
        constants = layouts.constants
        self._data_kind = constants["RECORD_DATA"]
        self._opened_kind = constants["RECORD_OPENED"]
        self._named_kind = constants["RECORD_NAMED"]
        self._closed_kind = constants["RECORD_CLOSED"]
        self._freed = constants["CLOSED_FREED"]
        # Data records come by the thousand for one connection: make its id once.
        self._ids: dict[tuple[int, int, int], ConnectionId] = {}
        if self._header.fields != _HEADER_FIELDS:
            raise ValueError(f"events.h: record_header changed: {self._header.fields}")

    def decode(self, record: memoryview) -> KernelEvent | None:
        (
            time_ns,
            entry_ns,
            handle,
            generation,
            offset,
            offset_write,
            pid,
            thread_id,
            call_offset,
            call_bytes,
            length,
            missing_bytes,
            request_seq,
            kind,
            direction,
            flags,
            _reserved,
        ) = self._header.codec.unpack_from(record)
        connection = self._connection(pid, handle, generation)
        start = self._header.size_bytes
        if kind == self._data_kind:
            return TlsData(
                time_ns,
                entry_ns,
                connection,
                thread_id,
                Direction(direction),
                offset,
                call_offset,
                call_bytes,
                request_seq,
                bytes(record[start : start + length]),
                missing_bytes,
            )
        if kind == self._opened_kind:
            user_id, _unused, name = self._opened.codec.unpack_from(record, start)
            return ConnectionOpened(time_ns, connection, user_id, _c_string(name))
        if kind == self._named_kind:
            return PeerNamed(time_ns, connection, _c_string(bytes(record[start : start + length])))
        if kind == self._closed_kind:
            reason = CloseReason.FREED if flags == self._freed else CloseReason.SHUTDOWN
            return ConnectionClosed(time_ns, connection, reason, offset, offset_write)
        return None

    def _connection(self, pid: int, handle: int, generation: int) -> ConnectionId:
        key = (pid, handle, generation)
        known = self._ids.get(key)
        if known is None:
            if len(self._ids) >= _IDS_MAX:
                self._ids.clear()
            known = self._ids[key] = ConnectionId(pid, handle, generation)
        return known


def _c_string(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("utf-8", "replace")
