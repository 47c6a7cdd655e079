"""Capture events as bytes: what `wirespan record` writes, `wirespan replay` reads and the process seam carries.

A recording is MAGIC, then frames: u32 length of what follows, u8 kind, payload; little-endian. A file cut by a crash
is readable up to its last whole frame. Raw events hold credentials: see `masking`.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any, BinaryIO

from wirespan.capture.events import (
    CaptureEvent,
    ClockSync,
    CloseReason,
    ConnectionClosed,
    ConnectionId,
    ConnectionOpened,
    Direction,
    EventsLost,
    PeerNamed,
    ProcessExited,
    ProcessStarted,
    TlsData,
)
from wirespan.errors import RecordingError
from wirespan.processes import Process, ProcessKey

MAGIC = b"WIRESPAN RECORDING 1\n"
# One TlsData carries at most one kernel chunk (16 KiB); a process identity at most its command line.
FRAME_BYTES_MAX = 1 << 24

_LENGTH = struct.Struct("<I")
_CONNECTION = struct.Struct("<IQQ")
_DATA = struct.Struct("<QQIQQIBQQQIQ")
_PAIR = struct.Struct("<QQ")
_NOTHING = 0xFFFFFFFFFFFFFFFF

_KIND_DATA = 1
_KIND_OPENED = 2
_KIND_NAMED = 3
_KIND_CLOSED = 4
_KIND_STARTED = 5
_KIND_EXITED = 6
_KIND_LOST = 7
_KIND_CLOCK = 8


def encode_event(event: CaptureEvent) -> bytes:
    """One frame, its length included."""
    payload = _encode_payload(event)
    return _LENGTH.pack(len(payload)) + payload


def _encode_payload(event: CaptureEvent) -> bytes:
    if isinstance(event, TlsData):
        connection = event.connection
        return (
            bytes([_KIND_DATA])
            + _DATA.pack(
                event.time_ns,
                event.entry_ns,
                connection.pid,
                connection.handle,
                connection.generation,
                event.thread_id,
                event.direction,
                event.offset,
                event.call_offset,
                event.call_bytes,
                event.request_seq,
                event.missing_bytes,
            )
            + event.data
        )
    if isinstance(event, ClockSync):
        return bytes([_KIND_CLOCK]) + _PAIR.pack(event.monotonic_ns, event.wall_ns)
    if isinstance(event, ProcessExited):
        return bytes([_KIND_EXITED]) + _PAIR.pack(event.time_ns, event.pid)
    if isinstance(event, ConnectionClosed):
        totals = (event.read_bytes, event.written_bytes)
        counted = _PAIR.pack(*(_NOTHING if total is None else total for total in totals))
        return _connection_frame(_KIND_CLOSED, event.time_ns, event.connection, counted + event.reason.value.encode())
    if isinstance(event, ConnectionOpened):
        name = event.command_name.encode("utf-8", "surrogateescape")
        return _connection_frame(_KIND_OPENED, event.time_ns, event.connection, _LENGTH.pack(event.user_id) + name)
    if isinstance(event, PeerNamed):
        return _connection_frame(
            _KIND_NAMED, event.time_ns, event.connection, event.server_name.encode("utf-8", "surrogateescape")
        )
    if isinstance(event, ProcessStarted):
        return _json_frame(_KIND_STARTED, {"time_ns": event.time_ns, "process": asdict(event.process)})
    return _json_frame(_KIND_LOST, asdict(event))


def _connection_frame(kind: int, time_ns: int, connection: ConnectionId, rest: bytes) -> bytes:
    packed = _CONNECTION.pack(connection.pid, connection.handle, connection.generation)
    return bytes([kind]) + time_ns.to_bytes(8, "little") + packed + rest


def _json_frame(kind: int, value: dict[str, Any]) -> bytes:
    return bytes([kind]) + json.dumps(value).encode("ascii")


def decode_payload(payload: bytes | memoryview) -> CaptureEvent:
    """A frame without its length. RecordingError for anything that `encode_event` does not make."""
    view = bytes(payload)
    try:
        return _DECODERS[view[0]](view)
    except (struct.error, LookupError, ArithmeticError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise RecordingError(f"a damaged frame: {type(error).__name__}: {error}", "record it again") from error


def _decode_data(view: bytes) -> CaptureEvent:
    (time_ns, entry_ns, pid, handle, generation, thread, direction, offset, call_offset, call_bytes, seq, missing) = (
        _DATA.unpack_from(view, 1)
    )
    if (time_ns | entry_ns) >> 63:
        raise ValueError("a time that no clock tells")
    return TlsData(
        time_ns,
        entry_ns,
        ConnectionId(pid, handle, generation),
        thread,
        Direction(direction),
        offset,
        call_offset,
        call_bytes,
        seq,
        view[1 + _DATA.size :],
        missing,
    )


def _connection_fields(view: bytes) -> tuple[int, ConnectionId, bytes]:
    time_ns = int.from_bytes(view[1:9], "little")
    return time_ns, ConnectionId(*_CONNECTION.unpack_from(view, 9)), view[9 + _CONNECTION.size :]


def _decode_opened(view: bytes) -> CaptureEvent:
    time_ns, connection, rest = _connection_fields(view)
    (user_id,) = _LENGTH.unpack_from(rest)
    return ConnectionOpened(time_ns, connection, user_id, rest[4:].decode("utf-8", "surrogateescape"))


def _decode_named(view: bytes) -> CaptureEvent:
    time_ns, connection, rest = _connection_fields(view)
    return PeerNamed(time_ns, connection, rest.decode("utf-8", "surrogateescape"))


def _decode_closed(view: bytes) -> CaptureEvent:
    time_ns, connection, rest = _connection_fields(view)
    read, written = (None if total == _NOTHING else total for total in _PAIR.unpack_from(rest))
    return ConnectionClosed(time_ns, connection, CloseReason(rest[_PAIR.size :].decode("ascii")), read, written)


def _decode_started(view: bytes) -> CaptureEvent:
    value = json.loads(view[1:])
    fields = dict(value["process"])
    fields["key"] = ProcessKey(**fields["key"])
    fields["command_args"] = tuple(fields["command_args"])
    return ProcessStarted(int(value["time_ns"]), Process(**fields))


def _decode_lost(view: bytes) -> CaptureEvent:
    return EventsLost(**json.loads(view[1:]))


def _decode_exited(view: bytes) -> CaptureEvent:
    return ProcessExited(*_PAIR.unpack_from(view, 1))


def _decode_clock(view: bytes) -> CaptureEvent:
    return ClockSync(*_PAIR.unpack_from(view, 1))


_DECODERS: dict[int, Callable[[bytes], CaptureEvent]] = {
    _KIND_DATA: _decode_data,
    _KIND_OPENED: _decode_opened,
    _KIND_NAMED: _decode_named,
    _KIND_CLOSED: _decode_closed,
    _KIND_STARTED: _decode_started,
    _KIND_EXITED: _decode_exited,
    _KIND_LOST: _decode_lost,
    _KIND_CLOCK: _decode_clock,
}


class RecordingReader:
    """Events of a recording, one by one. After the end `cut_bytes` tells how much of an unfinished frame there was."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self.cut_bytes = 0
        if source.read(len(MAGIC)) != MAGIC:
            raise RecordingError("this is not a wirespan recording", "make one with `wirespan record --output FILE`")

    def __iter__(self) -> Iterator[CaptureEvent]:
        while True:
            head = self._source.read(_LENGTH.size)
            if len(head) < _LENGTH.size:
                self.cut_bytes = len(head)
                return
            (length,) = _LENGTH.unpack(head)
            if length > FRAME_BYTES_MAX:
                raise RecordingError(f"a frame of {length} bytes: the recording is damaged", "record it again")
            payload = self._source.read(length)
            if len(payload) < length:
                self.cut_bytes = len(head) + len(payload)
                return
            yield decode_payload(payload)
