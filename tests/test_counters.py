from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from types import FrameType

import pytest

from wirespan.counters import Counters


@pytest.fixture
def restless_threads() -> Iterator[None]:
    """Threads started meanwhile let others run whenever a Python function is called in them."""

    def let_others_run(frame: FrameType, event: str, argument: object) -> None:
        time.sleep(1e-5)

    threading.settrace(let_others_run)
    yield
    threading.settrace(None)  # type: ignore[arg-type] # as documented, it is how tracing is switched off


def test_what_is_added_is_counted_by_name() -> None:
    counters = Counters()
    counters.add("http.exchanges")
    counters.add("streams.lost_bytes", 4096)
    counters.add("http.exchanges", 2)
    assert counters["http.exchanges"] == 3
    assert counters["streams.lost_bytes"] == 4096


def test_asking_for_a_name_does_not_make_it() -> None:
    counters = Counters()
    assert counters["never.counted"] == 0
    assert counters.snapshot() == {}


def test_a_snapshot_is_in_the_order_of_names_and_stays_as_it_was() -> None:
    counters = Counters()
    counters.add("spans.made")
    counters.add("http.exchanges")
    snapshot = counters.snapshot()
    counters.add("agents.traces")
    counters.add("spans.made")
    assert list(snapshot.items()) == [("http.exchanges", 1), ("spans.made", 1)]


@pytest.mark.usefixtures("restless_threads")
def test_threads_that_count_the_same_lose_nothing() -> None:
    """The first count of a name is the one at risk: hence many names, each new to all threads."""
    counters, together = Counters(), threading.Barrier(4)
    names = [f"room.name_{number}" for number in range(100)]

    def work() -> None:
        together.wait()
        for name in names:
            counters.add(name)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counters.snapshot() == dict.fromkeys(names, 4)


def test_a_snapshot_can_be_taken_while_others_count() -> None:
    counters, stop = Counters(), threading.Event()

    def work() -> None:
        number = 0
        while not stop.is_set():
            counters.add(f"room.name_{number}")
            number = (number + 1) % 5000

    thread = threading.Thread(target=work)
    thread.start()
    try:
        sizes = [len(counters.snapshot()) for _ in range(100)]
    finally:
        stop.set()
        thread.join()
    assert sizes == sorted(sizes)
