from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan

from rig.otlp_target import OK, OtlpTarget, Seen, answer
from rig.spans import span
from wirespan_exporters.delivery import Delivery
from wirespan_exporters.otlp import OtlpExporter
from wirespan_exporters.result import Delivered, ExportResult, Held, Rejected, Retry
from wirespan_exporters.settings import DeliverySettings, OtlpSettings
from wirespan_exporters.stats import DeliveryStats

FAST = DeliverySettings(batch_delay_s=0.02, retry_first_s=0.01, retry_max_s=0.02, hold_retry_s=0.05)
SLOW = DeliverySettings(batch_delay_s=60.0, retry_first_s=60.0, hold_retry_s=60.0)

Say = Callable[[Sequence[str]], ExportResult]


class Scripted:
    """An exporter whose answers a test gives, by the names of the spans of a request."""

    name = "scripted"

    def __init__(self, say: Say) -> None:
        self._say = say
        self.requests: list[list[str]] = []
        self.closed = 0

    def export(self, spans: Sequence[ReadableSpan]) -> ExportResult:
        self.requests.append([one.name for one in spans])
        return self._say(self.requests[-1])

    def counts(self) -> Mapping[str, int]:
        return {}

    def close(self) -> None:
        self.closed += 1


def started(say: Say, chosen: DeliverySettings = FAST) -> tuple[Delivery, Scripted]:
    exporter = Scripted(say)
    delivery = Delivery(exporter, chosen)
    delivery.start()
    return delivery, exporter


def settled(stats: DeliveryStats) -> int:
    return stats.delivered + sum(stats.quarantined.values()) + sum(stats.dropped.values())


def delivered(names: Sequence[str]) -> ExportResult:
    return Delivered()


def poison(bad: set[str], result: ExportResult) -> Say:
    return lambda names: result if bad & set(names) else Delivered()


def test_spans_go_out_in_batches_and_in_order() -> None:
    delivery, exporter = started(delivered, DeliverySettings(batch_spans=64))
    delivery.accept([span(number) for number in range(1, 151)])
    assert delivery.flush(5)
    assert [len(names) for names in exporter.requests] == [64, 64, 22]
    assert [name for names in exporter.requests for name in names] == [f"span {number}" for number in range(1, 151)]
    assert delivery.stop(5)
    stats = delivery.stats()
    assert (stats.accepted, stats.delivered, stats.queued_spans, stats.queued_bytes) == (150, 150, 0, 0)
    assert (stats.state, stats.requests, stats.last_error) == ("ok", 3, None)


def test_a_lone_span_leaves_after_the_delay_without_being_asked() -> None:
    delivery, exporter = started(delivered)
    delivery.accept([span()])
    deadline = time.monotonic() + 5
    while not exporter.requests and time.monotonic() < deadline:
        time.sleep(0.01)
    assert exporter.requests == [["span 1"]]
    delivery.stop(5)


def test_large_spans_travel_in_small_batches() -> None:
    delivery, exporter = started(delivered, DeliverySettings(batch_bytes=100_000))
    delivery.accept([span(number, attributes={"a": "x" * 40_000}) for number in range(1, 5)])
    assert delivery.flush(5)
    assert [len(names) for names in exporter.requests] == [2, 2]
    delivery.stop(5)


def test_the_same_span_twice_goes_in_two_requests() -> None:
    delivery, exporter = started(delivered)
    delivery.accept([span(1), span(2), span(1, name="again"), span(3)])
    assert delivery.flush(5)
    assert exporter.requests == [["span 1", "span 2"], ["again", "span 3"]]
    delivery.stop(5)


@pytest.mark.parametrize("result", [Retry("HTTP 503"), Retry("no answer", after_s=0.01), Held("HTTP 401", "log in")])
def test_a_target_that_comes_back_gets_everything_once(result: ExportResult) -> None:
    answers = [result] * 4
    delivery, exporter = started(lambda names: answers.pop() if answers else Delivered())
    delivery.accept([span(number) for number in range(1, 6)])
    assert delivery.flush(5)
    assert exporter.requests == [[f"span {number}" for number in range(1, 6)]] * 5
    assert delivery.stats().delivered == 5
    delivery.stop(5)


@pytest.mark.parametrize("bad", [{"span 1"}, {"span 5"}, {"span 3", "span 4"}, {"span 1", "span 8"}])
def test_a_refused_batch_is_halved_down_to_the_span_to_blame(bad: set[str]) -> None:
    delivery, _exporter = started(poison(bad, Rejected("HTTP 422")))
    delivery.accept([span(number) for number in range(1, 9)])
    assert delivery.flush(5)
    stats = delivery.stats()
    assert stats.quarantined == {"HTTP 422": len(bad)}
    assert stats.delivered == 8 - len(bad)
    assert {kept.name for kept, _ in delivery.quarantined_spans()} == bad
    delivery.stop(5)


def test_a_span_that_makes_the_server_fail_is_found_too() -> None:
    delivery, _exporter = started(poison({"span 6"}, Retry("HTTP 500", may_be_content=True)))
    delivery.accept([span(number) for number in range(1, 9)])
    delivery.accept([span(9)])
    assert delivery.flush(10)
    stats = delivery.stats()
    assert (stats.delivered, stats.quarantined) == (8, {"HTTP 500": 1})
    delivery.stop(5)


def test_a_server_that_fails_at_everything_is_not_a_reason_to_give_up_spans() -> None:
    broken = threading.Event()
    broken.set()
    failing = Retry("HTTP 500", may_be_content=True)
    delivery, _exporter = started(lambda names: failing if broken.is_set() else Delivered())
    delivery.accept([span(number) for number in range(1, 9)])
    assert not delivery.flush(1.0)
    assert delivery.stats().quarantined == {}
    broken.clear()
    assert delivery.flush(5)
    assert delivery.stats().delivered == 8
    delivery.stop(5)


def test_a_target_that_refuses_every_span_is_to_blame_itself() -> None:
    wrong = threading.Event()
    wrong.set()
    chosen = DeliverySettings(batch_delay_s=0.02, hold_retry_s=0.02, refusals_in_a_row=5)
    delivery, _exporter = started(lambda names: Rejected("HTTP 400") if wrong.is_set() else Delivered(), chosen)
    delivery.accept([span(number) for number in range(1, 31)])
    assert not delivery.flush(0.5)
    assert (delivery.stats().quarantined, delivery.stats().state) == ({"HTTP 400": 5}, "held")
    wrong.clear()
    assert delivery.flush(5)
    assert (delivery.stats().delivered, delivery.stats().state) == (25, "ok")
    delivery.stop(5)


def test_when_the_queue_is_full_the_oldest_go_and_are_counted() -> None:
    delivery, _exporter = started(lambda names: Retry("down"), DeliverySettings(queue_bytes=100_000, retry_first_s=60))
    delivery.accept([span(number, attributes={"a": "x" * 8_000}) for number in range(1, 101)])
    stats = delivery.stats()
    assert stats.queued_bytes <= 100_000
    assert stats.queued_spans + stats.dropped["queue_full"] == 100
    assert stats.dropped["queue_full"] > 80
    assert delivery.stop(0.1)


def test_what_no_target_can_file_is_counted() -> None:
    delivery, exporter = started(delivered)
    delivery.accept([span(end_time=None), span(context=None), span(2)])
    assert delivery.flush(5)
    assert delivery.stats().dropped == {"invalid": 2}
    assert exporter.requests == [["span 2"]]
    delivery.stop(5)


def test_partial_success_is_counted() -> None:
    delivery, _exporter = started(lambda names: Delivered(2, "too old"))
    delivery.accept([span(number) for number in range(1, 6)])
    assert delivery.flush(5)
    stats = delivery.stats()
    assert (stats.delivered, stats.dropped, stats.last_error) == (3, {"refused_by_target": 2}, "too old")
    delivery.stop(5)


def test_a_faulty_exporter_costs_only_its_span(caplog: pytest.LogCaptureFixture) -> None:
    def say(names: Sequence[str]) -> ExportResult:
        if "span 3" in names:
            raise KeyError("what the user asked")
        return Delivered()

    delivery, _exporter = started(say)
    delivery.accept([span(number) for number in range(1, 5)])
    assert delivery.flush(5)
    assert delivery.stats().quarantined == {"exporter error: KeyError": 1}
    assert delivery.stats().delivered == 3
    assert "what the user asked" not in caplog.text
    assert "test_delivery.py:" in caplog.text
    delivery.stop(5)


def test_trouble_is_said_once_and_its_end_too(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "wirespan.delivery")
    answers: list[ExportResult] = [Held("HTTP 403", "give this user the right")] * 5
    delivery, _exporter = started(lambda names: answers.pop() if answers else Delivered())
    delivery.accept([span()])
    assert delivery.flush(5)
    delivery.stop(5)
    assert [record.getMessage() for record in caplog.records] == [
        "scripted: HTTP 403. What to do: give this user the right. Spans are kept meanwhile.",
        "scripted delivers again",
    ]


def test_flush_says_whether_all_was_settled_and_does_not_wait_for_the_pace() -> None:
    up = threading.Event()
    delivery, _exporter = started(lambda names: Delivered() if up.is_set() else Retry("down"), SLOW)
    delivery.accept([span()])
    assert not delivery.flush(0.2)
    up.set()
    assert delivery.flush(5)  # though the next try was a minute away
    assert delivery.stop(5)


def test_an_empty_flush_is_at_once() -> None:
    delivery, _ = started(delivered)
    assert delivery.flush(0)
    delivery.stop(5)


def test_stop_delivers_what_waits() -> None:
    delivery, exporter = started(delivered, SLOW)
    delivery.accept([span(number) for number in range(1, 200)])
    assert delivery.stop(5)
    assert delivery.stats().delivered == 199
    assert exporter.closed == 1


def test_stop_gives_up_in_time_and_counts() -> None:
    delivery, _exporter = started(lambda names: Retry("down"), FAST)
    delivery.accept([span(number) for number in range(1, 101)])
    before = time.monotonic()
    assert delivery.stop(0.3)
    assert time.monotonic() - before < 2
    stats = delivery.stats()
    assert stats.dropped == {"stopped": 100}
    assert stats.queued_spans == 0
    delivery.accept([span(101)])
    assert delivery.stats().dropped == {"stopped": 101}


def test_stop_does_not_wait_for_somebody_to_change_a_setting() -> None:
    delivery, _exporter = started(lambda names: Held("HTTP 401", "log in"), SLOW)
    delivery.accept([span()])
    before = time.monotonic()
    assert delivery.stop(30)
    assert time.monotonic() - before < 5
    assert delivery.stats().dropped == {"stopped": 1}


def test_stop_is_safe_twice_and_without_start() -> None:
    delivery, _exporter = started(delivered)
    assert delivery.stop(1)
    assert delivery.stop(1)
    unused = Delivery(Scripted(delivered))
    unused.accept([span()])
    assert unused.stop(1)
    assert unused.stop(1)
    assert unused.stats().dropped == {"stopped": 1}


def test_a_target_that_holds_the_thread_does_not_hold_stop() -> None:
    let_go = threading.Event()

    def say(names: Sequence[str]) -> ExportResult:
        let_go.wait(10)
        return Delivered()

    delivery, _exporter = started(say)
    delivery.accept([span()])
    assert not delivery.stop(0.2)
    assert delivery.stats().queued_spans == 1
    let_go.set()
    assert delivery.stop(5)
    assert delivery.stats().delivered == 1


def test_accept_never_waits_for_the_target() -> None:
    let_go = threading.Event()
    delivery, _exporter = started(lambda names: Delivered() if let_go.wait(10) else Retry("still busy"))
    delivery.accept([span(1)])
    before = time.monotonic()
    for number in range(2, 500):
        delivery.accept([span(number)])
    assert time.monotonic() - before < 1
    let_go.set()
    assert delivery.flush(5)
    delivery.stop(5)


def test_many_threads_may_accept() -> None:
    delivery, exporter = started(delivered)
    threads = [
        threading.Thread(target=lambda base=base: delivery.accept(span(base + n) for n in range(100)))
        for base in range(1, 1001, 100)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert delivery.flush(5)
    assert sorted(name for names in exporter.requests for name in names) == sorted(f"span {n}" for n in range(1, 1001))
    delivery.stop(5)


RESULTS = st.sampled_from(
    [
        Delivered(),
        Delivered(1, "one"),
        Rejected("HTTP 400"),
        Retry("HTTP 503"),
        Retry("HTTP 500", may_be_content=True),
        Held("HTTP 404", "look"),
    ]
)


@settings(max_examples=60)
@given(st.lists(RESULTS, max_size=30), st.lists(st.integers(1, 40), min_size=1, max_size=30), st.booleans())
def test_the_books_always_balance(answers: list[ExportResult], numbers: list[int], stop_early: bool) -> None:
    chosen = DeliverySettings(
        batch_delay_s=0.001,
        retry_first_s=0.0005,
        retry_max_s=0.001,
        hold_retry_s=0.001,
        queue_bytes=30_000,
        refusals_in_a_row=3,
    )
    delivery, exporter = started(lambda names: answers.pop() if answers else Delivered(), chosen)
    for number in numbers:
        delivery.accept([span(number)])
        stats = delivery.stats()
        assert stats.accepted == settled(stats) + stats.queued_spans
    if not stop_early:
        assert delivery.flush(10)
        stats = delivery.stats()
        assert (stats.queued_spans, settled(stats)) == (0, len(numbers))
    assert delivery.stop(10)
    stats = delivery.stats()
    assert (stats.queued_spans, stats.queued_bytes, settled(stats)) == (0, 0, len(numbers))
    for names in exporter.requests:
        assert len(set(names)) == len(names)


def test_through_a_real_socket_each_span_arrives_exactly_once() -> None:
    troubles = [answer(503), answer(429, Retry_After="0"), b"reset", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"]

    def say(seen: Seen) -> bytes:
        if troubles:
            return troubles.pop()
        return answer(422) if "poison" in seen.names() else OK

    with OtlpTarget(say) as target:
        delivery = Delivery(OtlpExporter(OtlpSettings(target.url)), FAST)
        delivery.start()
        delivery.accept(span(number, name="poison" if number == 17 else f"{number}") for number in range(1, 101))
        assert delivery.flush(10)
        assert delivery.stop(5)
        stats = delivery.stats()
        accepted = [seen for seen in target.requests[4:] if "poison" not in seen.names()]
    assert (stats.accepted, stats.delivered, stats.dropped) == (100, 99, {})
    assert sum(stats.quarantined.values()) == 1
    assert sorted(int(name) for seen in accepted for name in seen.names()) == [*range(1, 17), *range(18, 101)]
