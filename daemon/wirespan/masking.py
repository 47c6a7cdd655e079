"""Credentials in raw capture events, masked in place before they are written down.

Invariant: the length of all data stays, so a masked recording replays like the original.
"""

from __future__ import annotations

import re
from dataclasses import replace

from wirespan.capture import CaptureEvent, ConnectionClosed, ConnectionId, Direction, ProcessStarted, TlsData
from wirespan.http import mask_credentials_in_place
from wirespan.spans import redact_arguments

# The http room reads heads up to this size.
_HEAD_BYTES_MAX = 256 << 10
_CONNECTIONS_MAX = 4096
_BLANK_LINE = re.compile(rb"\n\r?\n")
_START_LINE = re.compile(rb"[A-Z][A-Z0-9_-]{0,31} \S|HTTP/1\.")


class EventMask:
    """Stateful: a head may come in several events; what was seen of it decides about the next piece."""

    def __init__(self) -> None:
        self._open_heads: dict[tuple[ConnectionId, Direction], bytes] = {}

    def apply(self, event: CaptureEvent) -> CaptureEvent:
        """The event, with credential values in HTTP/1 heads and command lines replaced."""
        if isinstance(event, ConnectionClosed):
            for direction in Direction:
                self._open_heads.pop((event.connection, direction), None)
            return event
        if isinstance(event, ProcessStarted):
            arguments = redact_arguments(event.process.command_args)
            return replace(event, process=replace(event.process, command_args=arguments))
        if not isinstance(event, TlsData):
            return event
        key = (event.connection, event.direction)
        head = self._open_heads.pop(key, None)
        if head is None:
            if event.call_offset or not _START_LINE.match(event.data):
                return event
            head = b""
        seen = head + event.data
        if not _BLANK_LINE.search(seen) and len(seen) < _HEAD_BYTES_MAX:
            self._remember(key, seen)
        return replace(event, data=mask_credentials_in_place(seen)[len(head) :])

    def _remember(self, key: tuple[ConnectionId, Direction], head: bytes) -> None:
        if len(self._open_heads) >= _CONNECTIONS_MAX:
            self._open_heads.pop(next(iter(self._open_heads)))
        self._open_heads[key] = head
