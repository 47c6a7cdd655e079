"""The table of header fields that one direction's encoder refers to (RFC 7541 section 2.3), with holes.

Entries are found by their distance from the newest one. So when a header block is lost, everything older is out of
place and has to go, while what comes afterwards can be trusted again. Invariant: an entry that is given is the one
that the encoder meant.
"""

from __future__ import annotations

from collections import deque

from hpack.table import HeaderTable as _Library

Field = tuple[bytes, bytes]

# Stands for a name or a value that is missing. No field can have this name: "?" is no token (RFC 9110 section 5.6.2).
UNKNOWN = b"?"

STATIC_FIELDS: tuple[Field, ...] = _Library.STATIC_TABLE
_DEFAULT_MAX_BYTES = 4096  # RFC 9113 section 6.5.2
_ENTRY_OVERHEAD_BYTES = 32  # RFC 7541 section 4.1


class HeaderTable:
    """Holds at most `limit_bytes`, whatever the peers agreed on. `whole`: no entry is missing."""

    __slots__ = ("_entries", "_limit_bytes", "_max_bytes", "size_bytes", "whole")

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._max_bytes = min(_DEFAULT_MAX_BYTES, limit_bytes)
        self._entries: deque[Field] = deque()
        self.size_bytes = 0
        self.whole = True

    def field(self, index: int) -> Field | None:
        """None: there was a field at this place, and it is missing. Index 0 is no place."""
        place = index - 1
        if 0 <= place < len(STATIC_FIELDS):
            return STATIC_FIELDS[place]
        place -= len(STATIC_FIELDS)
        return self._entries[place] if 0 <= place < len(self._entries) else None

    def add(self, name: bytes, value: bytes) -> None:
        self._entries.appendleft((name, value))
        self.size_bytes += _size_of(name, value)
        self._shrink()

    def resize(self, max_bytes: int) -> None:
        """The encoder says how much it keeps from now on (RFC 7541 section 6.3). What its peer allowed it in SETTINGS
        needs no look: an encoder has to say so here before it makes use of it, or when it is given less."""
        if max_bytes > self._limit_bytes:
            self.whole = False
        self._max_bytes = min(max_bytes, self._limit_bytes)
        self._shrink()

    def lose(self) -> None:
        """A header block is missing. The table may be larger than we knew: from here on all is kept that may be."""
        self._entries.clear()
        self.size_bytes = 0
        self.whole = False
        self._max_bytes = self._limit_bytes

    def _shrink(self) -> None:
        while self.size_bytes > self._max_bytes:
            self.size_bytes -= _size_of(*self._entries.pop())


def _size_of(name: bytes, value: bytes) -> int:
    return len(name) + len(value) + _ENTRY_OVERHEAD_BYTES
