"""The streams room: capture events in, ordered bytes, holes and ends out.

Invariant: both tables are bounded; a connection that leaves one is announced by exactly one StreamEnd that is not
SHUTDOWN, if it was ever handed on.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace

from wirespan.capture import (
    CaptureEvent,
    ClockSync,
    CloseReason,
    ConnectionClosed,
    ConnectionId,
    ConnectionOpened,
    EventsLost,
    PeerNamed,
    ProcessExited,
    ProcessStarted,
    TlsData,
    Verdict,
)
from wirespan.counters import Counters
from wirespan.processes import Process
from wirespan.streams.events import Connection, EndReason, StreamEnd, StreamEvent
from wirespan.streams.ordering import OrderedConnection
from wirespan.streams.process_table import ProcessTable, is_unknown, unknown_process
from wirespan.streams.settings import StreamSettings

_END_REASONS = {
    CloseReason.FREED: EndReason.CLOSED,
    CloseReason.SHUTDOWN: EndReason.SHUTDOWN,
    CloseReason.PROCESS_EXITED: EndReason.PROCESS_EXITED,
    CloseReason.EVICTED: EndReason.EVICTED,
}


class Streams:
    """`receive` wants the events in the order the kernel side sent them. Nothing here raises on traffic."""

    def __init__(self, settings: StreamSettings, counters: Counters) -> None:
        self._settings = settings
        self._counters = counters
        self._processes = ProcessTable(settings.max_processes)
        # In the order of their last event, so that the idle ones stand in front.
        self._connections: OrderedDict[ConnectionId, OrderedConnection] = OrderedDict()
        # Processes exit all the time and few hold connections: no walk over all connections for each exit.
        self._by_pid: dict[int, dict[ConnectionId, OrderedConnection]] = {}

    def receive(self, event: CaptureEvent) -> Iterable[StreamEvent]:
        match event:
            case TlsData():
                return self._data(event)
            case ConnectionOpened():
                return self._opened(event)
            case PeerNamed():
                return self._named(event)
            case ConnectionClosed():
                return self._closed(event)
            case ProcessStarted():
                return self._process_started(event)
            case ProcessExited():
                return self._end_process(event.pid, event.time_ns)
            case EventsLost():
                self._counters.add(f"streams.events_lost.{event.reason}", event.count)
                return ()
            case ClockSync():
                return ()

    def expire(self, now_ns: int) -> Iterable[StreamEvent]:
        """End every connection that has been silent for `idle_ns`."""
        idle: list[OrderedConnection] = []
        for ordered in self._connections.values():
            if ordered.last_ns + self._settings.idle_ns > now_ns:
                break
            idle.append(ordered)
        return [self._end(ordered, now_ns, EndReason.IDLE) for ordered in idle]

    def apply(self, verdict: Verdict) -> None:
        ordered = self._connections.get(verdict.connection)
        if ordered is not None:
            ordered.apply(verdict)

    def _data(self, record: TlsData) -> Iterable[StreamEvent]:
        ordered = self._connections.get(record.connection)
        if ordered is not None:
            self._connections.move_to_end(record.connection)
            return ordered.receive(record)
        ordered, ended = self._add(record.connection, record.time_ns)
        return [*ended, *ordered.receive(record)]

    def _opened(self, event: ConnectionOpened) -> Iterable[StreamEvent]:
        ordered, ended = self._touch(event.connection, event.time_ns)
        ordered.opened = True
        process = ordered.connection.process
        if is_unknown(process):
            process = unknown_process(event.connection.pid, event.user_id, event.command_name)
        ordered.connection = replace(ordered.connection, opened_ns=event.time_ns, process=process)
        return ended

    def _named(self, event: PeerNamed) -> Iterable[StreamEvent]:
        ordered, ended = self._touch(event.connection, event.time_ns)
        ordered.connection = replace(ordered.connection, server_name=event.server_name)
        return ended

    def _closed(self, event: ConnectionClosed) -> Iterable[StreamEvent]:
        ordered = self._connections.get(event.connection)
        if ordered is None:
            return ()
        if event.reason is CloseReason.SHUTDOWN:
            ordered.last_ns = event.time_ns
            self._connections.move_to_end(event.connection)
            return (StreamEnd(ordered.connection, event.time_ns, EndReason.SHUTDOWN),)
        missing = ordered.missing_at_end(event)
        return [*missing, self._end(ordered, event.time_ns, _END_REASONS[event.reason])]

    def _process_started(self, event: ProcessStarted) -> Iterable[StreamEvent]:
        """A connection older than this process's identity keeps the old one (exec), or ends (the pid was reused).

        `generation` is when the kernel side first saw the connection, so it says which of two images made it even
        when this event and the ring's records arrive in another order than they happened.
        """
        process = event.process
        self._processes.put(process)
        ended: list[StreamEvent] = []
        for ordered in list(self._by_pid.get(process.pid, {}).values()):
            owner = ordered.connection.process
            if is_unknown(owner) or ordered.connection.id.generation >= event.time_ns:
                ordered.connection = replace(ordered.connection, process=process)
            elif owner.key != process.key:
                ended.append(self._end(ordered, event.time_ns, EndReason.PROCESS_EXITED))
        return ended

    def _end_process(self, pid: int, time_ns: int) -> Iterable[StreamEvent]:
        connections = list(self._by_pid.get(pid, {}).values())
        return [self._end(ordered, time_ns, EndReason.PROCESS_EXITED) for ordered in connections]

    def _touch(self, connection_id: ConnectionId, time_ns: int) -> tuple[OrderedConnection, list[StreamEvent]]:
        ordered = self._connections.get(connection_id)
        if ordered is None:
            return self._add(connection_id, time_ns)
        ordered.last_ns = time_ns
        self._connections.move_to_end(connection_id)
        return ordered, []

    def _add(self, connection_id: ConnectionId, time_ns: int) -> tuple[OrderedConnection, list[StreamEvent]]:
        ended: list[StreamEvent] = []
        while self._connections and len(self._connections) >= self._settings.max_connections:
            longest_idle = next(iter(self._connections.values()))
            ended.append(self._end(longest_idle, time_ns, EndReason.EVICTED))
        process: Process = self._processes.get(connection_id.pid) or unknown_process(connection_id.pid)
        ordered = OrderedConnection(Connection(connection_id, process), self._counters)
        ordered.last_ns = time_ns
        self._connections[connection_id] = ordered
        self._by_pid.setdefault(connection_id.pid, {})[connection_id] = ordered
        self._counters.add("streams.connections")
        return ordered, ended

    def _end(self, ordered: OrderedConnection, time_ns: int, reason: EndReason) -> StreamEvent:
        connection_id = ordered.connection.id
        del self._connections[connection_id]
        siblings = self._by_pid[connection_id.pid]
        del siblings[connection_id]
        if not siblings:
            del self._by_pid[connection_id.pid]
        self._counters.add(f"streams.ended.{reason.value}")
        return StreamEnd(ordered.connection, time_ns, reason)
