"""The tables of the streams room: who a connection belongs to, when it ends, what is evicted."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from rig.traffic import Tape
from wirespan.capture import (
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
from wirespan.counters import Counters
from wirespan.processes import Process, ProcessKey
from wirespan.streams import Connection, EndReason, StreamData, StreamEnd, StreamEvent, Streams, StreamSettings

PYTHON = Process(ProcessKey(7, 1000), executable="/usr/bin/python3", command_args=("python3", "agent.py"))
NODE = Process(ProcessKey(7, 1000), executable="/usr/bin/node", command_args=("node", "agent.js"))


def data(connection: ConnectionId, time_ns: int = 50, offset: int = 0, payload: bytes = b"x", seq: int = 0) -> TlsData:
    return TlsData(time_ns, time_ns, connection, 1, Direction.WRITE, offset, 0, len(payload), seq, payload)


def room(counters: Counters | None = None, **settings: int) -> Streams:
    return Streams(StreamSettings(**settings), counters or Counters())


def say(streams: Streams, *events: CaptureEvent) -> list[StreamEvent]:
    return [said for event in events for said in streams.receive(event)]


def connection_of(events: Iterable[StreamEvent]) -> Connection:
    return list(events)[-1].connection


def ends(events: Iterable[StreamEvent]) -> list[tuple[int, EndReason]]:
    return [(event.connection.id.handle, event.reason) for event in events if isinstance(event, StreamEnd)]


def test_a_connection_knows_its_process_and_its_peer() -> None:
    first = ConnectionId(7, 1, 40)
    streams = room()
    said = say(
        streams,
        ProcessStarted(5, PYTHON),
        ConnectionOpened(40, first, 1000, "python3"),
        PeerNamed(41, first, "api.example.com"),
        data(first),
    )
    assert said == [
        StreamData(Connection(first, PYTHON, "api.example.com", 40), Direction.WRITE, 0, 50, 50, True, 0, b"x")
    ]


def test_a_process_nobody_announced_is_what_the_connection_said_of_it() -> None:
    first = ConnectionId(7, 1, 40)
    streams = room()
    said = say(streams, ConnectionOpened(40, first, 33, "php-fpm"), data(first))
    assert connection_of(said).process == Process(ProcessKey(7, 0), user_id=33, command_name="php-fpm")
    # WHEN it becomes known after all, the connection is handed on with it
    said = say(streams, ProcessStarted(60, PYTHON), data(first, offset=1))
    assert connection_of(said).process == PYTHON


def test_data_without_any_announcement_makes_a_connection() -> None:
    first = ConnectionId(7, 1, 40)
    assert connection_of(say(room(), data(first))) == Connection(first, Process(ProcessKey(7, 0)))


def test_after_an_exec_old_connections_keep_the_old_identity() -> None:
    before, after = ConnectionId(7, 1, 40), ConnectionId(7, 2, 90)
    streams = room()
    say(streams, ProcessStarted(5, PYTHON), data(before, 50))
    say(streams, data(after, 95))  # the ring was faster than the news of the exec at 80
    said = say(streams, ProcessStarted(80, NODE))
    assert said == []
    assert connection_of(say(streams, data(before, 100, offset=1))).process == PYTHON
    assert connection_of(say(streams, data(after, 100, offset=1))).process == NODE


def test_a_reused_pid_ends_the_connections_of_its_last_owner() -> None:
    streams = room()
    reborn = Process(ProcessKey(7, 9000), executable="/usr/bin/curl")
    say(streams, ProcessStarted(5, PYTHON), data(ConnectionId(7, 1, 40), 50))
    assert ends(say(streams, ProcessStarted(9000, reborn))) == [(1, EndReason.PROCESS_EXITED)]


def test_close_reasons() -> None:
    for reason, expected in [
        (CloseReason.FREED, EndReason.CLOSED),
        (CloseReason.PROCESS_EXITED, EndReason.PROCESS_EXITED),
        (CloseReason.EVICTED, EndReason.EVICTED),
    ]:
        first = ConnectionId(7, 1, 40)
        streams = room()
        say(streams, data(first))
        assert ends(say(streams, ConnectionClosed(60, first, reason))) == [(1, expected)]
        # forgotten: a second close says nothing, and new data starts from nothing
        assert say(streams, ConnectionClosed(61, first, reason)) == []


def test_after_a_shutdown_reads_may_follow() -> None:
    first = ConnectionId(7, 1, 40)
    streams = room()
    say(streams, data(first))
    assert ends(say(streams, ConnectionClosed(60, first, CloseReason.SHUTDOWN))) == [(1, EndReason.SHUTDOWN)]
    read = TlsData(70, 70, first, 1, Direction.READ, 0, 0, 3, 0, b"abc")
    assert [event.data for event in say(streams, read) if isinstance(event, StreamData)] == [b"abc"]
    assert ends(say(streams, ConnectionClosed(80, first, CloseReason.FREED))) == [(1, EndReason.CLOSED)]


def test_the_exit_of_a_process_ends_all_its_connections_and_no_other() -> None:
    streams = room()
    say(streams, data(ConnectionId(7, 1, 1)), data(ConnectionId(7, 2, 1)), data(ConnectionId(8, 3, 1)))
    assert ends(say(streams, ProcessExited(60, 7))) == [
        (1, EndReason.PROCESS_EXITED),
        (2, EndReason.PROCESS_EXITED),
    ]
    assert say(streams, ProcessExited(61, 7)) == []
    assert ends(say(streams, ProcessExited(62, 8))) == [(3, EndReason.PROCESS_EXITED)]


def test_records_behind_the_exit_of_their_process_still_know_who_it_was() -> None:
    streams = room()
    said = say(streams, ProcessStarted(5, PYTHON), ProcessExited(60, 7), data(ConnectionId(7, 1, 40), 50))
    assert connection_of(said).process == PYTHON


def test_silent_connections_end_when_their_time_is_over() -> None:
    streams = room(idle_ns=100)
    say(streams, data(ConnectionId(7, 1, 1), 10), data(ConnectionId(7, 2, 1), 20))
    say(streams, data(ConnectionId(7, 1, 1), 50, offset=1))
    assert ends(streams.expire(119)) == []
    assert ends(streams.expire(120)) == [(2, EndReason.IDLE)]
    assert ends(streams.expire(1000)) == [(1, EndReason.IDLE)]
    assert ends(streams.expire(10_000)) == []


def test_a_full_table_evicts_the_longest_idle_connection() -> None:
    streams = room(max_connections=2)
    say(streams, data(ConnectionId(7, 1, 1), 10), data(ConnectionId(7, 2, 1), 20))
    say(streams, data(ConnectionId(7, 1, 1), 30, offset=1))
    said = say(streams, data(ConnectionId(7, 3, 1), 40))
    assert ends(said) == [(2, EndReason.EVICTED)]
    assert isinstance(said[-1], StreamData)


def test_lost_events_and_ends_are_counted() -> None:
    counters = Counters()
    streams = room(counters)
    assert say(streams, EventsLost(1, 5, "ring_full"), EventsLost(2, 2, "ring_full"), ClockSync(1, 2)) == []
    say(streams, data(ConnectionId(7, 1, 1)), ConnectionClosed(60, ConnectionId(7, 1, 1), CloseReason.FREED))
    assert counters.snapshot() == {
        "streams.connections": 1,
        "streams.ended.closed": 1,
        "streams.events_lost.ring_full": 7,
    }


def test_a_verdict_reaches_its_connection_only() -> None:
    streams = room()
    muted, other = ConnectionId(7, 1, 1), ConnectionId(7, 2, 1)
    say(streams, data(muted, seq=1), data(other, seq=1))
    streams.apply(Verdict(muted, 1, VerdictKind.MUTED))
    streams.apply(Verdict(ConnectionId(9, 9, 9), 1, VerdictKind.MUTED))  # gone already
    assert say(streams, data(muted, offset=1, seq=1)) == []
    assert len(say(streams, data(other, offset=1, seq=1))) == 1


def test_ten_megabytes_in_one_call_arrive_as_they_were() -> None:
    body = bytes(range(256)) * 40_960
    tape = Tape().write(body)
    said = [event for event in say(room(), *tape.events) if isinstance(event, StreamData)]
    assert b"".join(event.data for event in said) == body
    assert [event.call_start for event in said] == [True] + [False] * 639


IDS = st.builds(ConnectionId, pid=st.integers(1, 3), handle=st.integers(1, 2), generation=st.integers(0, 3))
TIMES = st.integers(0, 1000)
ANY_EVENT = st.one_of(
    st.builds(
        TlsData,
        time_ns=TIMES,
        entry_ns=TIMES,
        connection=IDS,
        thread_id=st.just(1),
        direction=st.sampled_from(Direction),
        offset=st.integers(0, 30),
        call_offset=st.integers(0, 2),
        call_bytes=st.integers(0, 30),
        request_seq=st.integers(0, 3),
        data=st.binary(max_size=8),
        missing_bytes=st.integers(0, 4),
    ),
    st.builds(ConnectionOpened, TIMES, IDS, st.integers(0, 3), st.text(max_size=3)),
    st.builds(PeerNamed, TIMES, IDS, st.text(max_size=3)),
    st.builds(ConnectionClosed, TIMES, IDS, st.sampled_from(CloseReason)),
    st.builds(
        ProcessStarted,
        TIMES,
        st.builds(
            Process, st.builds(ProcessKey, st.integers(1, 3), st.integers(0, 2)), executable=st.sampled_from(["", "/a"])
        ),
    ),
    st.builds(ProcessExited, TIMES, st.integers(1, 3)),
    st.builds(Verdict, IDS, st.integers(0, 3), st.sampled_from(VerdictKind)),
)


@given(events=st.lists(ANY_EVENT, max_size=60), limit=st.integers(1, 4))
def test_any_events_in_any_order_keep_the_promise(events: list[CaptureEvent | Verdict], limit: int) -> None:
    streams = room(max_connections=limit, max_processes=limit, idle_ns=500)
    said: list[StreamEvent] = []
    for event in events:
        if isinstance(event, Verdict):
            streams.apply(event)
        else:
            said += streams.receive(event)
    said += streams.expire(10_000)
    places: dict[tuple[ConnectionId, Direction], int] = {}
    uncounted: set[tuple[ConnectionId, Direction]] = set()
    for event in said:
        if isinstance(event, StreamEnd):
            if event.reason is not EndReason.SHUTDOWN:
                for direction in Direction:
                    places.pop((event.connection.id, direction), None)
                    uncounted.discard((event.connection.id, direction))
            continue
        key = (event.connection.id, event.direction)
        if key in uncounted:
            assert event.offset >= places[key]
        else:
            assert event.offset == places.get(key, 0)
        uncounted.discard(key)
        size = len(event.data) if isinstance(event, StreamData) else event.missing_bytes
        if size is None:
            uncounted.add(key)
        places[key] = event.offset + (size or 0)
    assert places == {}, "every connection that was handed on has ended"
