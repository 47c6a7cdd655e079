"""Attach probe plans and turn kernel records into typed events. `loader` alone imports BCC.

Invariant: what leaves this room is a `CaptureEvent`; nothing above the kernel border knows a record layout.
"""

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
    Verdict,
    VerdictKind,
)

__all__ = [
    "CaptureEvent",
    "ClockSync",
    "CloseReason",
    "ConnectionClosed",
    "ConnectionId",
    "ConnectionOpened",
    "Direction",
    "EventsLost",
    "PeerNamed",
    "ProcessExited",
    "ProcessStarted",
    "TlsData",
    "Verdict",
    "VerdictKind",
]
