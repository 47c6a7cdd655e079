"""Answers whose request has not been seen yet.

Two threads may share a connection, and a thread that reads can report its bytes before the thread that wrote the
request reports that its call has returned. Invariant: at most `max_bytes` are held.
"""

from __future__ import annotations

from wirespan.counters import Counters
from wirespan.http.budget import Account
from wirespan.http.head import Likeness, response_likeness
from wirespan.streams import StreamData


class EarlyResponses:
    """`seen`: something that looked like an answer came before any request, so the connection speaks HTTP."""

    __slots__ = ("_account", "_counters", "_events", "_held_bytes", "_max_bytes", "seen")

    def __init__(self, max_bytes: int, account: Account, counters: Counters) -> None:
        self._max_bytes = max_bytes
        self._account = account
        self._counters = counters
        self._events: list[StreamData] = []
        self._held_bytes = 0
        self.seen = False

    def offer(self, event: StreamData) -> bool:
        """Takes an event that begins an answer or goes on with one; False: it is neither, or too much."""
        if self._events:
            follows = self._events[0].direction is event.direction
        else:
            follows = event.call_start and response_likeness(event.data) is Likeness.YES
            self.seen = self.seen or follows
        if not follows:
            return False
        if self._held_bytes + len(event.data) > self._max_bytes:
            self.drop()
            return False
        self._events.append(event)
        self._charge(len(event.data))
        return True

    def is_stale(self, request_start_ns: int, request: StreamData) -> bool:
        """What is held can't be the answer to a request that began at `request_start_ns`: it is older, so it belongs
        to a request that was missed."""
        if not self._events:
            return False
        first = self._events[0]
        return first.direction is request.direction or first.time_ns < request_start_ns

    def take(self, request_start_ns: int, request: StreamData) -> list[StreamData]:
        """What may be the answer to this request. What can't be is dropped."""
        if self.is_stale(request_start_ns, request):
            self.drop()
        events = self._events
        self._clear()
        return events

    def drop(self) -> None:
        if self._events:
            self._counters.add("http.stray_bytes", self._held_bytes)
            self._clear()

    def _clear(self) -> None:
        self._events = []
        self._charge(-self._held_bytes)

    def _charge(self, growth_bytes: int) -> None:
        self._held_bytes += growth_bytes
        self._account.charge(growth_bytes)
