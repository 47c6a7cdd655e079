"""Both threads at work, fed with recordings in the place of the kernel."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from wirespan.capture import CaptureEvent, EventsLost
from wirespan.capture.recording import RecordingReader
from wirespan.capture.session import CaptureSession
from wirespan.counters import Counters
from wirespan.observer import FAULTS_LOGGED, Observer
from wirespan.pipeline import Pipeline, PipelineSettings

RECORDINGS = Path(__file__).resolve().parent / "data" / "recordings"
PROMPT = "what a person wrote"


class Kernel:
    """What a session would say: one list a poll, then silence, `rest` when it is drained; `error` ends it."""

    def __init__(
        self,
        polls: Sequence[Sequence[CaptureEvent]] = (),
        rest: Sequence[Sequence[CaptureEvent]] = (),
        error: Exception | None = None,
    ) -> None:
        self._polls = list(polls)
        self._rest = rest
        self._error = error
        self.is_silent = threading.Event()

    def poll(self, timeout_s: float) -> Sequence[CaptureEvent]:
        if self._polls:
            return self._polls.pop(0)
        self.is_silent.set()
        if self._error is not None:
            raise self._error
        time.sleep(timeout_s)
        return ()

    def drain(self) -> Iterator[Sequence[CaptureEvent]]:
        yield from self._rest


class FaultyPipeline(Pipeline):
    """The real one, but for a fault of ours on every EventsLost."""

    def receive(self, event: CaptureEvent) -> Iterator[ReadableSpan]:
        if isinstance(event, EventsLost):
            raise KeyError(PROMPT)
        return super().receive(event)


class Delivered:
    """Takes spans; `faults` is how many times it fails first."""

    def __init__(self, faults: int = 0) -> None:
        self.faults = faults
        self.spans: list[ReadableSpan] = []

    def __call__(self, spans: Sequence[ReadableSpan]) -> None:
        if self.faults:
            self.faults -= 1
            raise ValueError(PROMPT)
        self.spans += spans

    def response_ids(self) -> set[object]:
        return {(span.attributes or {}).get("gen_ai.response.id") for span in self.spans}


def events_of(name: str) -> list[CaptureEvent]:
    with (RECORDINGS / f"{name}.wsrec").open("rb") as source:
        return list(RecordingReader(source))


def calls_of(name: str) -> list[dict[str, Any]]:
    """What the client said that it got."""
    calls: list[dict[str, Any]] = json.loads((RECORDINGS / f"{name}.calls.json").read_text())["calls"]
    return calls


def observer_of(
    kernel: Kernel,
    deliver: Callable[[Sequence[ReadableSpan]], None],
    counters: Counters | None = None,
    pipeline: type[Pipeline] = Pipeline,
) -> Observer:
    counters = counters or Counters()
    session = cast(CaptureSession, kernel)
    return Observer(session, pipeline(PipelineSettings(), counters), deliver, counters)


LOST = EventsLost(0, 1, "ring_full")


@pytest.mark.parametrize("at_a_time", [1, 1000])
def test_every_call_becomes_a_span(at_a_time: int) -> None:
    events, calls, delivered = events_of("anthropic-python-async"), calls_of("anthropic-python-async"), Delivered()
    kernel = Kernel([events[start : start + at_a_time] for start in range(0, len(events), at_a_time)])
    observer = observer_of(kernel, delivered)
    observer.start()
    assert kernel.is_silent.wait(20)
    observer.stop()
    assert len(delivered.spans) == len(calls)
    assert {call["id"] for call in calls if "id" in call} <= delivered.response_ids()
    assert observer.failed is None


def test_what_only_the_last_look_into_the_ring_brings_is_taken_in() -> None:
    events, calls, delivered = events_of("httpx"), calls_of("httpx"), Delivered()
    half = len(events) // 2
    kernel = Kernel([events[:half]], rest=[events[half:-1], events[-1:]])
    observer = observer_of(kernel, delivered)
    observer.start()
    assert kernel.is_silent.wait(20)
    observer.stop()
    assert len(delivered.spans) == len(calls)


def test_stop_without_start_and_both_of_them_twice() -> None:
    delivered = Delivered()
    never_started = observer_of(Kernel(), delivered)
    never_started.stop()
    never_started.stop()
    threads = threading.active_count()
    observer = observer_of(Kernel([events_of("httpx")]), delivered)
    observer.start()
    observer.start()
    assert threading.active_count() == threads + 2
    observer.stop()
    count = len(delivered.spans)
    observer.stop()
    assert threading.active_count() == threads
    assert len(delivered.spans) == count
    assert observer.failed is None


def test_both_threads_show_that_they_go_round() -> None:
    observer = observer_of(Kernel(), Delivered())
    observer.start()
    deadline = time.monotonic() + 20
    while min(observer.capture_progress, observer.pipeline_progress) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    observer.stop()


def test_a_session_that_fails_is_told_and_what_it_gave_before_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    delivered, error = Delivered(), OSError(5, "Input/output error")
    observer = observer_of(Kernel([events_of("httpx")], error=error), delivered)
    with caplog.at_level(logging.ERROR):
        observer.start()
        deadline = time.monotonic() + 20
        while observer.failed is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        observer.stop()
    assert observer.failed is error
    assert len(delivered.spans) == len(calls_of("httpx"))
    (record,) = caplog.records
    assert record.getMessage().startswith("the capture thread failed: OSError")


def test_a_fault_in_the_pipeline_costs_one_event(caplog: pytest.LogCaptureFixture) -> None:
    events, delivered, counters = events_of("httpx"), Delivered(), Counters()
    # A fault at every tenth event, more of them than are logged.
    faulty = [made for number, event in enumerate(events) for made in ((LOST, event) if number % 10 == 0 else (event,))]
    count = faulty.count(LOST)
    assert count > FAULTS_LOGGED
    kernel = Kernel([faulty])
    observer = observer_of(kernel, delivered, counters, FaultyPipeline)
    with caplog.at_level(logging.ERROR):
        observer.start()
        assert kernel.is_silent.wait(20)
        observer.stop()
    # THEN all else became spans, and the faults are counted
    assert len(delivered.spans) == len(calls_of("httpx"))
    assert counters["pipeline.faults"] == count
    assert observer.failed is None
    # AND the log says what and where, a few times, but not what the error quotes
    assert len(caplog.records) == FAULTS_LOGGED
    assert "KeyError" in caplog.text
    assert Path(__file__).name in caplog.text
    assert PROMPT not in caplog.text


class BrokenCounters(Counters):
    """Fails where nothing is expected to, outside of what one event may cost."""

    def add(self, name: str, amount: int = 1) -> None:
        if name == "pipeline.faults":
            raise RuntimeError(PROMPT)
        super().add(name, amount)


def test_a_parsing_thread_that_ends_is_told(caplog: pytest.LogCaptureFixture) -> None:
    observer = observer_of(Kernel([[LOST]]), Delivered(), BrokenCounters(), FaultyPipeline)
    with caplog.at_level(logging.ERROR):
        observer.start()
        deadline = time.monotonic() + 20
        while observer.failed is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        observer.stop()
    assert isinstance(observer.failed, RuntimeError)
    assert "the pipeline thread failed: RuntimeError" in caplog.text
    assert PROMPT not in caplog.text


def test_a_fault_in_the_delivery_costs_the_spans_of_one_round(caplog: pytest.LogCaptureFixture) -> None:
    first, second = events_of("httpx"), events_of("keep-alive")
    delivered, counters = Delivered(faults=1), Counters()
    kernel = Kernel([first], rest=[second])
    observer = observer_of(kernel, delivered, counters)
    with caplog.at_level(logging.ERROR):
        observer.start()
        deadline = time.monotonic() + 20
        while not counters["delivery.faults"]:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        observer.stop()
    assert counters["delivery.faults"] == 1
    made = len(calls_of("httpx")) + len(calls_of("keep-alive"))
    assert counters["delivery.faults_spans"] + len(delivered.spans) == made
    assert delivered.spans
    assert observer.failed is None
    assert "ValueError" in caplog.text
    assert PROMPT not in caplog.text


def test_stop_does_not_wait_for_ever() -> None:
    hang = threading.Event()

    def deliver(_spans: Sequence[ReadableSpan]) -> None:
        hang.wait(20)

    observer = observer_of(Kernel([events_of("httpx")]), deliver)
    observer.start()
    started = time.monotonic()
    observer.stop(timeout_s=0.3)
    assert time.monotonic() - started < 5
    hang.set()
    observer.stop()
