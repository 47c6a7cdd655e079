"""Capture, pipeline and delivery at work together, each in its own thread.

Invariant: the thread that drains the kernel ring does nothing else, so parsing and exporting never cost a record.
"""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from opentelemetry.sdk.trace import ReadableSpan

from wirespan.capture.session import CaptureSession
from wirespan.counters import Counters
from wirespan.event_queue import EventQueue
from wirespan.pipeline import FAR_FUTURE_NS, Pipeline

log = logging.getLogger(__name__)

POLL_TIMEOUT_S = 0.02  # the ring wakes us for bulk; this bounds the delay of a trickle
EXPIRE_INTERVAL_NS = 1_000_000_000
FAULTS_LOGGED = 10  # of each kind: the counter tells the rest
QUEUE_BYTES = 128 << 20


class Observer:
    """`start()`, then spans go to `deliver` until `stop()`. Both may be called twice; stop() also without start()."""

    def __init__(
        self,
        session: CaptureSession,
        pipeline: Pipeline,
        deliver: Callable[[Sequence[ReadableSpan]], None],
        counters: Counters,
        queue_bytes: int = QUEUE_BYTES,
    ) -> None:
        self._session = session
        self._pipeline = pipeline
        self._deliver = deliver
        self._counters = counters
        self._queue = EventQueue(queue_bytes, counters)
        self._stopping = threading.Event()
        self._drained = threading.Event()
        self._threads: list[threading.Thread] = []
        self._failed: BaseException | None = None
        self._next_expiry_ns = 0
        self.capture_progress = 0
        self.pipeline_progress = 0

    def start(self) -> None:
        if self._threads:
            return
        for name, target in (("wirespan-capture", self._capture), ("wirespan-pipeline", self._parse)):
            thread = threading.Thread(target=target, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    @property
    def failed(self) -> BaseException | None:
        """What ended a thread that should still run."""
        return self._failed

    def stop(self, timeout_s: float = 10.0) -> None:
        """Take in what the ring still holds, finish what is open, hand it on."""
        self._stopping.set()
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _capture(self) -> None:
        try:
            while not self._stopping.is_set():
                self._queue.put(self._session.poll(POLL_TIMEOUT_S))
                self.capture_progress += 1
            for events in self._session.drain():
                self._queue.put(events)
        except Exception as error:  # noqa: BLE001 - whatever it is, the owner must learn of it and end
            self._fail("capture", error)
        finally:
            self._drained.set()
            self._queue.close()

    def _parse(self) -> None:
        try:
            while self._parse_round():
                self.pipeline_progress += 1
        except Exception as error:  # noqa: BLE001 - the same
            self._fail("pipeline", error)

    def _fail(self, thread: str, error: Exception) -> None:
        log.error("the %s thread failed: %s", thread, _without_payload(error))
        self._failed = self._failed or error

    def _parse_round(self) -> bool:
        """All that is queued, through the pipeline. False: it was the last of it."""
        is_last = self._drained.is_set()
        spans: list[ReadableSpan] = []
        for event in self._queue.get(0.2):
            self._guarded(partial(self._pipeline.receive, event), spans)
        now_ns = time.monotonic_ns()
        if now_ns >= self._next_expiry_ns:
            self._next_expiry_ns = now_ns + EXPIRE_INTERVAL_NS
            self._guarded(partial(self._pipeline.expire, now_ns), spans)
        if is_last:
            self._guarded(partial(self._pipeline.expire, now_ns + FAR_FUTURE_NS), spans)
        if spans:
            self._hand_on(spans)
        return not is_last

    def _guarded(self, step: Callable[[], Iterable[ReadableSpan]], spans: list[ReadableSpan]) -> None:
        """A fault of ours on one event costs that event, not the daemon."""
        try:
            spans.extend(step())
        except Exception as error:  # noqa: BLE001 - a daemon that watches a host must outlive its own bugs
            self._count_fault("pipeline.faults", error)

    def _hand_on(self, spans: Sequence[ReadableSpan]) -> None:
        try:
            self._deliver(spans)
        except Exception as error:  # noqa: BLE001 - the same for what takes the spans
            self._counters.add("delivery.faults_spans", len(spans))
            self._count_fault("delivery.faults", error)

    def _count_fault(self, name: str, error: Exception) -> None:
        self._counters.add(name)
        if self._counters[name] <= FAULTS_LOGGED:
            log.error("a fault (%s): %s", name, _without_payload(error))


def _without_payload(error: BaseException) -> str:
    """Kind and place. The message is left out: a KeyError or ValueError quotes what it met, which may be a prompt."""
    places = "".join(traceback.format_tb(error.__traceback__)).rstrip()
    return f"{type(error).__name__}\n{places}"
