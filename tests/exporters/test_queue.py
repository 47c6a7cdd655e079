from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rig.spans import span
from wirespan_exporters.queue import MemoryBuffer, Quarantine, QueuedSpan


def queued(number: int, size_bytes: int = 10, key: int | None = None) -> QueuedSpan:
    return QueuedSpan(span(number), (1, number if key is None else key), size_bytes, float(number))


def names(spans: object) -> list[str]:
    return [item.span.name for item in spans]  # type: ignore[attr-defined]


def test_first_in_first_out_and_settled() -> None:
    buffer = MemoryBuffer(1000)
    for number in range(1, 6):
        assert buffer.add(queued(number)) == []
    taken = buffer.take(3, 1000)
    assert names(taken) == ["span 1", "span 2", "span 3"]
    assert (buffer.waiting_spans, buffer.held_spans, buffer.waiting_bytes, buffer.held_bytes) == (2, 5, 20, 50)
    buffer.settle(taken)
    assert (buffer.held_spans, buffer.held_bytes) == (2, 20)


def test_the_oldest_make_room() -> None:
    buffer = MemoryBuffer(30)
    gone = [name for number in range(1, 6) for name in names(buffer.add(queued(number)))]
    assert gone == ["span 1", "span 2"]
    assert buffer.oldest_s() == 3.0
    assert names(buffer.add(queued(6, 30))) == ["span 3", "span 4", "span 5"]


def test_what_is_on_its_way_is_not_dropped_and_counts() -> None:
    buffer = MemoryBuffer(30)
    buffer.add(queued(1, 20))
    buffer.take(1, 100)
    assert names(buffer.add(queued(2, 11))) == ["span 2"]  # fits in no case
    assert buffer.add(queued(3, 10)) == []
    assert buffer.held_bytes == 30


def test_batches_end_at_their_bounds() -> None:
    buffer = MemoryBuffer(1000)
    for number, size in enumerate([60, 30, 30, 200, 5], 1):
        buffer.add(queued(number, size))
    assert names(buffer.take(64, 100)) == ["span 1", "span 2"]
    assert names(buffer.take(64, 100)) == ["span 3"]
    assert names(buffer.take(64, 100)) == ["span 4"]  # larger than a batch: alone
    assert names(buffer.take(64, 100)) == ["span 5"]
    assert list(buffer.take(64, 100)) == []


def test_no_span_stands_twice_in_a_batch() -> None:
    buffer = MemoryBuffer(1000)
    for number, key in [(1, 7), (2, 8), (3, 7), (4, 9)]:
        buffer.add(queued(number, key=key))
    assert names(buffer.take(64, 1000)) == ["span 1", "span 2"]
    assert names(buffer.take(64, 1000)) == ["span 3", "span 4"]


def test_given_back_goes_to_the_end() -> None:
    buffer = MemoryBuffer(1000)
    for number in (1, 2, 3):
        buffer.add(queued(number))
    [first] = buffer.take(1, 1000)
    buffer.give_back(first)
    assert names(buffer.take(64, 1000)) == ["span 2", "span 3", "span 1"]
    assert buffer.held_bytes == 30


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("add"), st.integers(1, 60)),
            st.tuples(st.just("take"), st.integers(1, 5)),
            st.tuples(st.sampled_from(["settle", "back"]), st.just(0)),
        ),
        max_size=60,
    )
)
def test_nothing_gets_lost_and_the_bound_holds(steps: list[tuple[str, int]]) -> None:
    buffer = MemoryBuffer(100)
    added = dropped = settled = 0
    taken: list[QueuedSpan] = []
    for number, (step, amount) in enumerate(steps, 1):
        if step == "add":
            added += 1
            dropped += len(buffer.add(queued(number, amount)))
        elif step == "take":
            taken += buffer.take(amount, 50)
        elif taken and step == "settle":
            buffer.settle([taken.pop()])
            settled += 1
        elif taken:
            buffer.give_back(taken.pop())
        assert added == dropped + settled + buffer.held_spans
        assert buffer.held_bytes <= 100
        assert 0 <= buffer.waiting_bytes <= buffer.held_bytes
    assert buffer.held_spans == buffer.waiting_spans + len(taken)


def test_the_quarantine_keeps_the_last_ones() -> None:
    quarantine = Quarantine(25)
    for number in range(1, 5):
        quarantine.add(queued(number), f"reason {number}")
    assert [(kept.name, reason) for kept, reason in quarantine.spans()] == [
        ("span 3", "reason 3"),
        ("span 4", "reason 4"),
    ]
