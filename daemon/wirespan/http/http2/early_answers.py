"""Answers on streams whose request has not been seen yet: a reading thread's record may come before a writing one's.

Invariant: at most `max_bytes` are held.
"""

from __future__ import annotations

from wirespan.counters import Counters
from wirespan.http.budget import Account
from wirespan.http.http2.frames import DataGap, DataPiece
from wirespan.http.http2.side import HeaderBlock

_ENTRY_BYTES = 200  # of our own objects around each piece

Part = HeaderBlock | DataPiece | DataGap


class EarlyAnswers:
    __slots__ = ("_account", "_by_stream", "_counters", "_held_bytes", "_max_bytes")

    def __init__(self, max_bytes: int, account: Account, counters: Counters) -> None:
        self._max_bytes = max_bytes
        self._account = account
        self._counters = counters
        self._by_stream: dict[int, list[tuple[Part, int]]] = {}
        self._held_bytes = 0

    def offer(self, part: Part, time_ns: int) -> bool:
        """Takes what begins an answer or goes on with one; False: it is neither, or too much."""
        held = self._by_stream.get(part.stream_id)
        is_begin = isinstance(part, HeaderBlock) and part.head is not None and part.head.is_response
        if held is None and not is_begin:
            return False
        size_bytes = _size_of(part)
        if self._held_bytes + size_bytes > self._max_bytes:
            self.drop()
            return False
        self._by_stream.setdefault(part.stream_id, []).append((part, time_ns))
        self._charge(size_bytes)
        return True

    def take(self, stream_id: int) -> list[tuple[Part, int]]:
        """What is held of this stream: (part, its time)."""
        held = self._by_stream.pop(stream_id, [])
        self._charge(-sum(_size_of(part) for part, _ in held))
        return held

    def drop(self) -> None:
        if self._by_stream:
            self._counters.add("http.stray_bytes", self._held_bytes)
            self._by_stream.clear()
            self._charge(-self._held_bytes)

    def _charge(self, growth_bytes: int) -> None:
        self._held_bytes += growth_bytes
        self._account.charge(growth_bytes)


def _size_of(part: Part) -> int:
    if isinstance(part, HeaderBlock):
        return _ENTRY_BYTES + part.size_bytes
    return _ENTRY_BYTES + (len(part.data) if isinstance(part, DataPiece) else 0)
