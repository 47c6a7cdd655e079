"""Answers that come before their request does."""

from __future__ import annotations

from wirespan.capture import ConnectionId, Direction
from wirespan.counters import Counters
from wirespan.http.budget import Account, Budget
from wirespan.http.early import EarlyResponses
from wirespan.processes import Process, ProcessKey
from wirespan.streams import Connection, StreamData

CONNECTION = Connection(ConnectionId(1, 2, 3), Process(ProcessKey(1, 1)))


def read(data: bytes, time_ns: int, call_start: bool = True) -> StreamData:
    return StreamData(CONNECTION, Direction.READ, 0, time_ns, time_ns, call_start, 0, data)


REQUEST = StreamData(CONNECTION, Direction.WRITE, 0, 30, 10, True, 1, b"GET / HTTP/1.1\r\n\r\n")
ANSWER = read(b"HTTP/1.1 200 OK\r\n", 20)
REST = read(b"\r\n", 25, call_start=False)


def early(max_bytes: int = 100) -> tuple[EarlyResponses, Budget, Counters]:
    budget, counters = Budget(), Counters()
    return EarlyResponses(max_bytes, Account(budget), counters), budget, counters


def test_an_answer_younger_than_its_request_is_kept() -> None:
    held, budget, _ = early()
    assert held.offer(ANSWER)
    assert held.offer(REST)
    assert budget.used_bytes == 19
    assert not held.is_stale(10, REQUEST)
    assert held.take(10, REQUEST) == [ANSWER, REST]
    assert budget.used_bytes == 0
    assert held.take(10, REQUEST) == []


def test_an_answer_older_than_the_request_is_not_its_answer() -> None:
    held, budget, counters = early()
    held.offer(ANSWER)
    assert held.is_stale(21, REQUEST)
    assert held.take(21, REQUEST) == []
    assert budget.used_bytes == 0
    assert counters["http.stray_bytes"] == 17
    assert held.seen


def test_what_does_not_begin_an_answer_is_not_taken() -> None:
    held, _, _ = early()
    assert not held.offer(read(b"data: x\n\n", 1))
    assert not held.offer(read(b"HTTP/1.1 200 OK\r\n", 1, call_start=False))
    assert not held.seen
    held.offer(ANSWER)
    assert not held.offer(REQUEST)


def test_too_much_is_dropped() -> None:
    held, budget, counters = early(max_bytes=20)
    assert held.offer(ANSWER)
    assert not held.offer(read(b"12345", 21))
    assert budget.used_bytes == 0
    assert counters["http.stray_bytes"] == 17
