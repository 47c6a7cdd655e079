"""What the streams room says: bytes, holes and ends."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from wirespan.capture import ConnectionId, Direction
from wirespan.processes import Process


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection with what is known about it now. `server_name` is the SNI. Compare by `id`, not by the whole."""

    id: ConnectionId
    process: Process
    server_name: str | None = None
    opened_ns: int = 0


@dataclass(frozen=True, slots=True)
class StreamData:
    """`data` continues this direction at `offset`. `call_start`: `data[0]` was the first byte of a TLS call, which is
    where HTTP clients begin a request (measured: every request of 28 Python and 9 Node SDK scenarios did).
    `entry_ns` <= `time_ns`: entry and return of the call."""

    connection: Connection
    direction: Direction
    offset: int
    time_ns: int
    entry_ns: int
    call_start: bool
    request_seq: int
    data: bytes


class GapReason(Enum):
    LOST = "lost"  # the ring, a queue or a budget dropped it
    UNREADABLE = "unreadable"  # the process memory could not be read
    MUTED = "muted"  # we had muted the connection; how much passed is not counted
    JOINED = "joined"  # the connection was older than the probes


@dataclass(frozen=True, slots=True)
class StreamGap:
    """Bytes of this direction that are missing at `offset`. `missing_bytes` is None when nobody counted them; the next
    `offset` of this direction then says nothing about how many they were."""

    connection: Connection
    direction: Direction
    offset: int
    missing_bytes: int | None
    time_ns: int
    reason: GapReason


class EndReason(Enum):
    CLOSED = "closed"
    SHUTDOWN = "shutdown"  # the process will write no more; reads may follow
    PROCESS_EXITED = "process_exited"
    IDLE = "idle"
    EVICTED = "evicted"


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """After any reason but SHUTDOWN nothing more comes for this connection."""

    connection: Connection
    time_ns: int
    reason: EndReason


StreamEvent = StreamData | StreamGap | StreamEnd
