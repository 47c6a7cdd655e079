"""What the kernel side tells user space: the only types that leave the capture room.

All times are CLOCK_MONOTONIC nanoseconds (bpf_ktime_get_ns). `ClockSync` lets one place turn them into wall time.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum

from wirespan.processes import Process


class Direction(IntEnum):
    """As the traced process sees it: READ came from the peer, WRITE went to the peer."""

    READ = 0
    WRITE = 1


@dataclass(frozen=True, slots=True)
class ConnectionId:
    """One TLS connection. `handle` is the library's pointer (SSL *), which is reused; `generation` is the monotonic
    time at which the kernel side first saw this use of it, so two uses never compare equal."""

    pid: int
    handle: int
    generation: int


@dataclass(frozen=True, slots=True)
class TlsData:
    """Plaintext that one TLS call really moved (taken at the call's return).

    One call is one or more records: `call_offset` is this record's place in its call, `call_bytes` the call's size.
    `offset` is the place of `data[0]` in the whole direction; a jump in it is data that was lost on the way.
    `request_seq` counts the writes on this connection that began with an HTTP method, up to and including this
    record's call; a verdict names the count it was given for. `missing_bytes` > 0: so many bytes at the end of
    this record's range could not be read from the process (EFAULT) or were over the byte budget; they are counted in
    the running offset but absent from `data`.
    """

    time_ns: int
    entry_ns: int
    connection: ConnectionId
    thread_id: int
    direction: Direction
    offset: int
    call_offset: int
    call_bytes: int
    request_seq: int
    data: bytes
    missing_bytes: int = 0


@dataclass(frozen=True, slots=True)
class ConnectionOpened:
    """First sight of a connection: its server name was set, or its first data passed."""

    time_ns: int
    connection: ConnectionId
    user_id: int
    command_name: str


@dataclass(frozen=True, slots=True)
class PeerNamed:
    """The client set the server name (SNI) before its handshake: SSL_ctrl(ssl, 55, 0, name)."""

    time_ns: int
    connection: ConnectionId
    server_name: str


class CloseReason(Enum):
    FREED = "freed"  # SSL_free, or the handle was given a new socket: nothing more can come
    SHUTDOWN = "shutdown"  # SSL_shutdown: the process sends no more; it may still read
    PROCESS_EXITED = "process_exited"
    EVICTED = "evicted"  # our own tables were full


@dataclass(frozen=True, slots=True)
class ConnectionClosed:
    """`read_bytes` / `written_bytes`: what the kernel counted in all, so that a loss at the very end shows too. None
    when the kernel side did not say (PROCESS_EXITED, EVICTED)."""

    time_ns: int
    connection: ConnectionId
    reason: CloseReason
    read_bytes: int | None = None
    written_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class ProcessStarted:
    """Sent before the first event of a process, and again after each exec (the identity changed)."""

    time_ns: int
    process: Process


@dataclass(frozen=True, slots=True)
class ProcessExited:
    time_ns: int
    pid: int


@dataclass(frozen=True, slots=True)
class EventsLost:
    """`count` events did not reach user space. `reason`: ring_full | queue_full | table_full."""

    time_ns: int
    count: int
    reason: str


@dataclass(frozen=True, slots=True)
class ClockSync:
    """CLOCK_MONOTONIC and CLOCK_REALTIME read at the same moment: wall_ns - monotonic_ns converts every event."""

    monotonic_ns: int
    wall_ns: int


CaptureEvent = (
    TlsData | ConnectionOpened | PeerNamed | ConnectionClosed | ProcessStarted | ProcessExited | EventsLost | ClockSync
)


class VerdictKind(IntEnum):
    """What user space wants of a connection. Values cross the kernel border (bpf/events.h)."""

    UNDECIDED = 0
    WANTED = 1
    MUTED = 2


@dataclass(frozen=True, slots=True)
class Verdict:
    """Flows back up to the kernel. MUTED holds until a write begins with an HTTP method again, that is while the
    connection's count still is `request_seq`; so a verdict that comes late can never hide a newer request. `stream_id`
    tells apart what the kernel side can't: the streams of an HTTP/2 connection."""

    connection: ConnectionId
    request_seq: int
    kind: VerdictKind
    stream_id: int = 0
