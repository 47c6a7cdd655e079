"""Finds the next message head in one direction of a connection.

Synchronised, a head has to begin right where the last message ended. Otherwise everything is dropped up to a TLS call
that begins like a head. Invariant: each byte is searched once, however small the pieces are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wirespan.counters import Counters
from wirespan.http.budget import Account
from wirespan.http.desync import DesynchronisedError
from wirespan.http.head import Likeness, find_head_end
from wirespan.streams import StreamData

# The start line is looked at again with every piece only up to here, then once more when its end has come.
_METHOD_BYTES = 64


@dataclass(frozen=True, slots=True)
class FoundHead:
    """`first` is the event that brought its first byte."""

    data: bytes
    first: StreamData


class HeadSeeker:
    """`stray_bytes`: dropped because they are in no message."""

    __slots__ = (
        "_account",
        "_buffer",
        "_counters",
        "_first",
        "_likeness",
        "_max_bytes",
        "_sure",
        "stray_bytes",
        "synced",
    )

    def __init__(
        self,
        likeness: Callable[[bytes | bytearray, int], Likeness],
        max_bytes: int,
        account: Account,
        counters: Counters,
    ) -> None:
        self._likeness = likeness
        self._max_bytes = max_bytes
        self._account = account
        self._counters = counters
        self._buffer = bytearray()
        self._first: StreamData | None = None
        self._sure = False  # the start line is complete and is one
        self.synced = True
        self.stray_bytes = 0

    @property
    def in_head(self) -> bool:
        return self._first is not None

    def lose_sync(self) -> None:
        self._stray(len(self._buffer))
        self._forget()
        self.synced = False

    def feed(self, event: StreamData, start: int) -> tuple[int, FoundHead | None]:
        """Take bytes of `event` from `start` on; gives the place of the first byte that was not taken, and the head if
        it is complete. Raises DesynchronisedError when a head grows over the limit."""
        if self._first is None:
            return self._begin(event, start)
        if not self.synced and event.call_start and self._likeness(event.data, 0) is Likeness.YES:
            # What was held looked like the beginning of a head and was the end of something else.
            self.lose_sync()
            return self._begin(event, start)
        return self._continue(event, start)

    def _begin(self, event: StreamData, start: int) -> tuple[int, FoundHead | None]:
        data = event.data
        if self.synced:
            # RFC 9112 section 2.2: an empty line in front of a request is to be ignored.
            while start < len(data) and data[start] in b"\r\n":
                start += 1
            if start == len(data):
                return start, None
        likeness = self._likeness(data, start) if self.synced or (start == 0 and event.call_start) else Likeness.NO
        if likeness is Likeness.NO:
            self.synced = False
            self._stray(len(data) - start)
            return len(data), None
        end = find_head_end(data, start) if likeness is Likeness.YES else -1
        if end >= 0:
            return end, self._found(data[start:end], event)
        self._first = event
        self._sure = likeness is Likeness.YES
        self._hold(data[start:])
        return len(data), None

    def _continue(self, event: StreamData, start: int) -> tuple[int, FoundHead | None]:
        first, before = self._first, len(self._buffer)
        assert first is not None
        # Not more than the limit: a body of many megabytes may stand behind the head.
        piece = event.data[start : start + self._max_bytes + 1]
        search_from = max(0, before - 2)
        self._buffer += piece
        self._account.charge(len(piece))
        if not self._sure:
            likeness = self._look_again(piece)
            if likeness is Likeness.NO:
                del self._buffer[before:]
                self._account.charge(-len(piece))
                self.lose_sync()
                return self._begin(event, start)
            self._sure = likeness is Likeness.YES
            search_from = 0
        end = find_head_end(self._buffer, search_from) if self._sure else -1
        if end < 0:
            self._check_size(len(self._buffer))
            return len(event.data), None
        head = bytes(self._buffer[:end])
        self._forget()
        return start + end - before, self._found(head, first)

    def _found(self, head: bytes, first: StreamData) -> FoundHead:
        self._check_size(len(head))
        self.synced = True
        return FoundHead(head, first)

    def _hold(self, piece: bytes) -> None:
        self._buffer += piece
        self._account.charge(len(piece))
        self._check_size(len(piece))

    def _check_size(self, size_bytes: int) -> None:
        if size_bytes > self._max_bytes:
            self.lose_sync()
            raise DesynchronisedError("head_too_large")

    def _look_again(self, piece: bytes) -> Likeness:
        if len(self._buffer) > _METHOD_BYTES + len(piece) and b"\n" not in piece:
            return Likeness.MAYBE
        return self._likeness(self._buffer, 0)

    def _stray(self, size_bytes: int) -> None:
        if size_bytes:
            self.stray_bytes += size_bytes
            self._counters.add("http.stray_bytes", size_bytes)

    def _forget(self) -> None:
        self._account.charge(-len(self._buffer))
        self._buffer = bytearray()
        self._first = None
        self._sure = False
