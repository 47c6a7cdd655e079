from __future__ import annotations

import threading
import time

from wirespan.capture import CloseReason, ConnectionClosed, ConnectionId, Direction, TlsData
from wirespan.counters import Counters
from wirespan.event_queue import EventQueue

CONNECTION = ConnectionId(1, 2, 3)


def data(size: int) -> TlsData:
    return TlsData(0, 0, CONNECTION, 1, Direction.READ, 0, 0, size, 0, bytes(size))


CLOSED = ConnectionClosed(0, CONNECTION, CloseReason.FREED)


def test_events_come_out_in_the_order_they_went_in() -> None:
    queue = EventQueue(1 << 20, Counters())
    queue.put([data(1), CLOSED])
    queue.put([data(2)])
    assert queue.get(0) == [data(1), CLOSED, data(2)]
    assert queue.get(0) == []
    assert queue.queued_bytes == 0


def test_over_the_bound_payload_is_shed_and_counted_but_not_what_keeps_the_state() -> None:
    counters = Counters()
    queue = EventQueue(10_000, counters)
    queue.put([data(4_000), data(4_000), data(4_000), CLOSED])
    assert queue.get(0) == [data(4_000), data(4_000), CLOSED]
    assert counters["queue.lost_events"] == 1
    assert counters["queue.lost_bytes"] == 4_000
    queue.put([data(4_000)])
    assert queue.get(0) == [data(4_000)]


def test_a_waiting_reader_is_woken_by_an_event_and_by_the_end() -> None:
    queue = EventQueue(1 << 20, Counters())
    for wake in (lambda: queue.put([CLOSED]), queue.close):
        timer = threading.Timer(0.05, wake)
        started = time.monotonic()
        timer.start()
        queue.get(30)
        timer.join()
        assert time.monotonic() - started < 10
