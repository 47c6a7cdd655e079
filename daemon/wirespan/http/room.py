"""The http room: ordered bytes in, request heads and whole exchanges out.

Invariant: nothing raises on traffic, and what all open exchanges hold stays within `max_buffered_bytes`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from wirespan.capture import ConnectionId, Verdict, VerdictKind
from wirespan.counters import Counters
from wirespan.http.budget import Budget
from wirespan.http.connection import HttpConnection
from wirespan.http.exchange import ExchangeEnd, HttpEvent
from wirespan.http.settings import HttpSettings
from wirespan.streams import EndReason, StreamData, StreamEnd, StreamEvent, StreamGap

# When the budget is reached so much of it is freed at once: finding the oldest exchange costs a walk over all.
_FREED_SHARE = 10


class Http:
    """HTTP/1, HTTP/2 and WebSocket. Other upgrades are announced as uncovered and not read."""

    def __init__(self, settings: HttpSettings, counters: Counters) -> None:
        self._settings = settings
        self._counters = counters
        self._budget = Budget()
        # In the order of their last event, so that the idle ones stand in front.
        self._connections: OrderedDict[ConnectionId, HttpConnection] = OrderedDict()
        self._shut_down: dict[ConnectionId, HttpConnection] = {}

    @property
    def buffered_bytes(self) -> int:
        """What all open exchanges hold together."""
        return self._budget.used_bytes

    def receive(self, event: StreamEvent) -> Iterable[HttpEvent]:
        match event:
            case StreamData():
                connection = self._connections.get(event.connection.id)
                if connection is None:
                    out = self._add(event)
                    out += self._connections[event.connection.id].data(event)
                else:
                    self._connections.move_to_end(event.connection.id)
                    out = connection.data(event)
                if self._budget.used_bytes > self._settings.max_buffered_bytes:
                    self._evict(event.time_ns, out)
                return out
            case StreamGap():
                added = self._add(event)
                return [*added, *self._connections[event.connection.id].gap(event)]
            case StreamEnd():
                return self._end(event)

    def expire(self, now_ns: int) -> Iterable[HttpEvent]:
        """Hand on what has been silent for too long."""
        out: list[HttpEvent] = []
        for connection_id, connection in list(self._shut_down.items()):
            if connection.shutdown_ns is None or connection.shutdown_ns + self._settings.shutdown_grace_ns > now_ns:
                break
            del self._shut_down[connection_id]
            out += connection.give_up(ExchangeEnd.CLOSED, now_ns)
        for connection in self._connections.values():
            if connection.last_ns + self._settings.exchange_idle_ns > now_ns:
                break
            if connection.account.held_bytes > connection.account.standing_bytes:
                out += connection.give_up(ExchangeEnd.IDLE, now_ns)
        for connection in self._connections.values():
            out += connection.expire(now_ns)
        return out

    def apply(self, verdict: Verdict) -> bool:
        """MUTED: what is held of that request is dropped, and the next one looked for. False: the kernel side must not
        get this verdict, because more than that one request would be silenced."""
        connection = self._connections.get(verdict.connection)
        if connection is None or verdict.kind is not VerdictKind.MUTED:
            return True
        return connection.mute(verdict.request_seq, verdict.stream_id)

    def _end(self, event: StreamEnd) -> list[HttpEvent]:
        connection_id = event.connection.id
        connection = self._connections.get(connection_id)
        if connection is None:
            return []
        out = connection.end(event)
        if event.reason is EndReason.SHUTDOWN:
            self._shut_down.setdefault(connection_id, connection)
        else:
            del self._connections[connection_id]
            self._shut_down.pop(connection_id, None)
        return out

    def _add(self, event: StreamData | StreamGap) -> list[HttpEvent]:
        """Make room for the connection of `event`, and put it last."""
        connection_id = event.connection.id
        out: list[HttpEvent] = []
        if connection_id not in self._connections:
            while self._connections and len(self._connections) >= self._settings.max_connections:
                longest_idle_id, longest_idle = next(iter(self._connections.items()))
                out += longest_idle.drop(ExchangeEnd.EVICTED, event.time_ns)
                del self._connections[longest_idle_id]
                self._shut_down.pop(longest_idle_id, None)
                self._counters.add("http.evicted_connections")
            self._connections[connection_id] = HttpConnection(self._settings, self._counters, self._budget)
        self._connections.move_to_end(connection_id)
        return out

    def _evict(self, now_ns: int, out: list[HttpEvent]) -> None:
        enough_bytes = self._settings.max_buffered_bytes * (_FREED_SHARE - 1) // _FREED_SHARE
        holders = [each for each in self._connections.values() if each.account.held_bytes]
        holders.sort(key=lambda each: each.oldest_ns)
        for connection in holders:
            if self._budget.used_bytes <= enough_bytes:
                return
            if connection.account.held_bytes > connection.account.standing_bytes:
                self._counters.add("http.evictions")
                out += connection.give_up(ExchangeEnd.EVICTED, now_ns)
        for connection in holders:
            if self._budget.used_bytes <= enough_bytes:
                return
            self._counters.add("http.released_connections")
            connection.release()
