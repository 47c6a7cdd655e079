"""The limits of the streams room."""

from __future__ import annotations

from dataclasses import dataclass

_MINUTE_NS = 60 * 1_000_000_000


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """`idle_ns`: a connection without any event for so long is given up. The counts bound this room's memory: a
    connection's state is under 1 KiB, a process as large as its command line."""

    idle_ns: int = 30 * _MINUTE_NS
    max_connections: int = 16_384
    max_processes: int = 16_384
