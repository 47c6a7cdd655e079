"""Records to ordered bytes and holes, as playbooks: what arrives, and exactly what is said."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wirespan.capture import (
    CloseReason,
    ConnectionClosed,
    ConnectionId,
    Direction,
    TlsData,
    Verdict,
    VerdictKind,
)
from wirespan.counters import Counters
from wirespan.processes import Process, ProcessKey
from wirespan.streams import Connection, GapReason, StreamData, StreamEvent, StreamGap
from wirespan.streams.ordering import OrderedConnection

ID = ConnectionId(7, 0xABC, 1)
R, W = Direction.READ, Direction.WRITE


def record(
    direction: Direction, offset: int, data: bytes, seq: int = 0, missing: int = 0, call_offset: int = 0
) -> TlsData:
    return TlsData(20, 10, ID, 7, direction, offset, call_offset, call_offset + len(data) + missing, seq, data, missing)


def ordered(counters: Counters | None = None, opened: bool = True) -> OrderedConnection:
    connection = OrderedConnection(Connection(ID, Process(ProcessKey(7, 5))), counters or Counters())
    connection.opened = opened
    return connection


def short(event: StreamEvent) -> tuple[object, ...]:
    if isinstance(event, StreamData):
        return ("data", event.direction, event.offset, event.data)
    assert isinstance(event, StreamGap)
    return ("gap", event.direction, event.offset, event.missing_bytes, event.reason)


PLAYBOOK = {
    "bytes that touch": (
        [record(W, 0, b"abc"), record(R, 0, b"xy"), record(W, 3, b"d")],
        [("data", W, 0, b"abc"), ("data", R, 0, b"xy"), ("data", W, 3, b"d")],
        {},
    ),
    "a jump is lost bytes, said before the data": (
        [record(R, 0, b"ab"), record(R, 12, b"cd")],
        [("data", R, 0, b"ab"), ("gap", R, 2, 10, GapReason.LOST), ("data", R, 12, b"cd")],
        {"streams.lost_bytes": 10},
    ),
    "the whole record again": (
        [record(R, 0, b"abcd"), record(R, 0, b"abcd"), record(R, 4, b"e")],
        [("data", R, 0, b"abcd"), ("data", R, 4, b"e")],
        {"streams.duplicate_bytes": 4},
    ),
    "an overlap is cut off": (
        [record(R, 0, b"abcd"), record(R, 2, b"cdef")],
        [("data", R, 0, b"abcd"), ("data", R, 4, b"ef")],
        {"streams.duplicate_bytes": 2},
    ),
    "an end that could not be read": (
        [record(W, 0, b"ab", missing=3), record(W, 5, b"c")],
        [("data", W, 0, b"ab"), ("gap", W, 2, 3, GapReason.UNREADABLE), ("data", W, 5, b"c")],
        {"streams.unreadable_bytes": 3},
    ),
    "nothing of it could be had": (
        [record(W, 0, b"", missing=3), record(W, 3, b"c")],
        [("gap", W, 0, 3, GapReason.LOST), ("data", W, 3, b"c")],
        {"streams.lost_bytes": 3},
    ),
    "a hole and an unreadable end in one record": (
        [record(W, 4, b"ab", missing=1)],
        [("gap", W, 0, 4, GapReason.LOST), ("data", W, 4, b"ab"), ("gap", W, 6, 1, GapReason.UNREADABLE)],
        {"streams.lost_bytes": 4, "streams.unreadable_bytes": 1},
    ),
    "an overlap that ends in unreadable bytes": (
        [record(W, 0, b"abcd"), record(W, 2, b"cd", missing=2), record(W, 6, b"g")],
        [("data", W, 0, b"abcd"), ("gap", W, 4, 2, GapReason.UNREADABLE), ("data", W, 6, b"g")],
        {"streams.duplicate_bytes": 2, "streams.unreadable_bytes": 2},
    ),
    "an overlap that reaches into the unreadable bytes": (
        [record(W, 0, b"abcde"), record(W, 2, b"cd", missing=2), record(W, 6, b"g")],
        [("data", W, 0, b"abcde"), ("gap", W, 5, 1, GapReason.UNREADABLE), ("data", W, 6, b"g")],
        {"streams.duplicate_bytes": 3, "streams.unreadable_bytes": 1},
    ),
    "an empty record": ([record(W, 0, b""), record(W, 0, b"a")], [("data", W, 0, b"a")], {}),
}


@pytest.mark.parametrize("name", PLAYBOOK)
def test_playbook(name: str) -> None:
    records, expected, counted = PLAYBOOK[name]
    counters = Counters()
    connection = ordered(counters)
    assert [short(event) for each in records for event in connection.receive(each)] == expected
    assert counters.snapshot() == counted


def test_a_first_record_in_the_middle_without_an_opening_is_a_joined_connection() -> None:
    counters = Counters()
    connection = ordered(counters, opened=False)
    events = [*connection.receive(record(R, 9, b"ab")), *connection.receive(record(W, 0, b"c"))]
    assert [short(event) for event in events] == [
        ("gap", R, 0, 9, GapReason.JOINED),
        ("data", R, 9, b"ab"),
        ("data", W, 0, b"c"),
    ]
    assert counters.snapshot() == {"streams.joined_bytes": 9}


def test_call_start_and_times_are_handed_on() -> None:
    connection = ordered()
    (first,) = connection.receive(record(W, 0, b"ab"))
    (second,) = connection.receive(record(W, 2, b"cd", call_offset=2))
    assert first == StreamData(connection.connection, W, 0, 20, 10, True, 0, b"ab")
    assert isinstance(second, StreamData)
    assert not second.call_start
    # What is left of a record whose start we had already does not begin at a call's start.
    (rest,) = connection.receive(record(W, 3, b"de"))
    assert isinstance(rest, StreamData)
    assert (rest.data, rest.call_start) == (b"e", False)


def test_a_muted_request_is_dropped_until_the_next_one_begins() -> None:
    counters = Counters()
    connection = ordered(counters)
    connection.receive(record(W, 0, b"GET /", seq=1))
    connection.apply(Verdict(ID, 1, VerdictKind.MUTED))
    # Still under way when the verdict was given:
    assert connection.receive(record(R, 0, b"HTTP", seq=1)) == []
    assert connection.receive(record(R, 4, b"/1.1", seq=1)) == []
    # The kernel side did not count what it did not send, so the offsets go on.
    events = connection.receive(record(W, 5, b"POST", seq=2))
    assert [short(event) for event in events] == [
        ("gap", R, 0, None, GapReason.MUTED),
        ("gap", W, 5, None, GapReason.MUTED),
        ("data", W, 5, b"POST"),
    ]
    assert [short(event) for event in connection.receive(record(R, 8, b"HTTP", seq=2))] == [("data", R, 8, b"HTTP")]
    assert counters["streams.muted_bytes"] == 8


def test_a_late_verdict_is_void() -> None:
    counters = Counters()
    connection = ordered(counters)
    connection.receive(record(W, 0, b"GET /", seq=1))
    connection.receive(record(W, 5, b"POST", seq=2))
    connection.apply(Verdict(ID, 1, VerdictKind.MUTED))
    assert [short(event) for event in connection.receive(record(R, 0, b"x", seq=2))] == [("data", R, 0, b"x")]
    assert counters["streams.late_verdicts"] == 1


@pytest.mark.parametrize("kind", [VerdictKind.WANTED, VerdictKind.UNDECIDED])
def test_only_muted_mutes(kind: VerdictKind) -> None:
    connection = ordered()
    connection.receive(record(W, 0, b"GET /", seq=1))
    connection.apply(Verdict(ID, 1, kind))
    assert [short(event) for event in connection.receive(record(R, 0, b"x", seq=1))] == [("data", R, 0, b"x")]


def test_a_verdict_that_takes_a_mute_back_leaves_a_gap() -> None:
    connection = ordered()
    connection.receive(record(W, 0, b"GET /", seq=1))
    connection.apply(Verdict(ID, 1, VerdictKind.MUTED))
    connection.apply(Verdict(ID, 1, VerdictKind.WANTED))
    assert [short(event) for event in connection.receive(record(R, 0, b"x", seq=1))] == [
        ("gap", R, 0, None, GapReason.MUTED),
        ("gap", W, 5, None, GapReason.MUTED),
        ("data", R, 0, b"x"),
    ]


def test_bytes_lost_behind_a_mute_are_counted_as_lost() -> None:
    counters = Counters()
    connection = ordered(counters)
    connection.receive(record(W, 0, b"GET /", seq=1))
    connection.apply(Verdict(ID, 1, VerdictKind.MUTED))
    events = connection.receive(record(W, 9, b"POST", seq=2))
    assert [short(event) for event in events][1:] == [
        ("gap", W, 5, None, GapReason.MUTED),
        ("gap", W, 5, 4, GapReason.LOST),
        ("data", W, 9, b"POST"),
    ]


RECORD_PLAN = st.lists(
    st.tuples(
        st.sampled_from([R, W]),
        st.integers(1, 9),  # bytes moved
        st.integers(0, 3),  # how many of them, at the end, could not be read
        st.sampled_from(["sent", "sent", "withheld", "sent twice", "from earlier on"]),
    ),
    max_size=40,
)


@given(plan=RECORD_PLAN)
def test_every_byte_is_data_or_gap_exactly_once(plan: list[tuple[Direction, int, int, str]]) -> None:
    # GIVEN a truth per direction, and records of it that get lost, repeated, or reach back
    truth = {R: bytes(range(256)) * 2, W: bytes(reversed(range(256))) * 2}
    at = {R: 0, W: 0}
    counters = Counters()
    connection = ordered(counters)
    events: list[StreamEvent] = []
    sent_to = {R: 0, W: 0}
    for direction, size, unreadable, fate in plan:
        start, end = at[direction], at[direction] + size
        at[direction] = end
        if fate == "withheld":
            continue
        first = max(0, start - 4) if fate == "from earlier on" else start
        readable = max(first, end - unreadable)
        each = record(direction, first, truth[direction][first:readable], missing=end - readable)
        events += connection.receive(each)
        if fate == "sent twice":
            events += connection.receive(replace(each, time_ns=30))
        sent_to[direction] = end
    # THEN data and gaps touch, cover all that was announced, and data is the truth
    place = {R: 0, W: 0}
    gap_bytes = 0
    for event in events:
        assert isinstance(event, StreamData | StreamGap)
        assert event.offset == place[event.direction]
        if isinstance(event, StreamData):
            assert event.data == truth[event.direction][event.offset : event.offset + len(event.data)]
            place[event.direction] += len(event.data)
        else:
            assert event.missing_bytes is not None
            place[event.direction] += event.missing_bytes
            gap_bytes += event.missing_bytes
    assert place == sent_to
    assert gap_bytes == counters["streams.lost_bytes"] + counters["streams.unreadable_bytes"]


def test_what_the_kernel_counted_beyond_the_last_record_is_lost_too() -> None:
    counters = Counters()
    connection = ordered(counters)
    connection.receive(record(R, 0, b"abcd"))
    connection.receive(record(W, 0, b"xy"))
    closed = ConnectionClosed(30, ID, CloseReason.FREED, read_bytes=10, written_bytes=2)
    assert [short(event) for event in connection.missing_at_end(closed)] == [("gap", R, 4, 6, GapReason.LOST)]
    assert counters["streams.lost_bytes"] == 6
    assert connection.missing_at_end(closed) == []


def test_an_end_without_totals_says_nothing_of_a_loss() -> None:
    connection = ordered()
    connection.receive(record(R, 0, b"abcd"))
    assert connection.missing_at_end(ConnectionClosed(30, ID, CloseReason.PROCESS_EXITED)) == []


def test_what_was_missed_before_a_joined_connection_is_not_lost_at_its_end() -> None:
    counters = Counters()
    connection = ordered(counters, opened=False)
    connection.receive(record(W, 7, b"xy"))
    closed = ConnectionClosed(30, ID, CloseReason.FREED, read_bytes=10, written_bytes=9)
    assert [short(event) for event in connection.missing_at_end(closed)] == [("gap", R, 0, 10, GapReason.JOINED)]
    assert counters["streams.lost_bytes"] == 0


def test_what_was_muted_is_not_lost_at_its_end() -> None:
    connection = ordered()
    connection.receive(record(W, 0, b"GET /", seq=1))
    connection.apply(Verdict(ID, 1, VerdictKind.MUTED))
    assert connection.missing_at_end(ConnectionClosed(30, ID, CloseReason.FREED, read_bytes=9, written_bytes=5)) == []
