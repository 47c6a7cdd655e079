"""Capture, pipeline and delivery at work together, each in its own thread.

Invariant: the thread that drains the kernel ring does nothing else, so parsing and exporting never cost a record.
"""

from __future__ import annotations

import logging
import threading
import time
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
            self._queue.put(self._session.poll(0.0))
        except Exception as error:  # whatever it is, the owner must learn of it and end
            log.exception("the capture thread failed")
            self._failed = error
        finally:
            self._drained.set()
            self._queue.close()

    def _parse(self) -> None:
        next_expiry = 0
        while True:
            last_round = self._drained.is_set()
            spans: list[ReadableSpan] = []
            for event in self._queue.get(0.2):
                self._guarded(partial(self._pipeline.receive, event), spans)
            now_ns = time.monotonic_ns()
            if now_ns >= next_expiry:
                next_expiry = now_ns + EXPIRE_INTERVAL_NS
                self._guarded(partial(self._pipeline.expire, now_ns), spans)
            if last_round:
                self._guarded(partial(self._pipeline.expire, now_ns + FAR_FUTURE_NS), spans)
            if spans:
                self._deliver(spans)
            self.pipeline_progress += 1
            if last_round:
                return

    def _guarded(self, step: Callable[[], Iterable[ReadableSpan]], spans: list[ReadableSpan]) -> None:
        """A fault of ours on one event costs that event, not the daemon. No payload in the log."""
        try:
            spans.extend(step())
        except Exception:  # a daemon that watches a host must outlive its own bugs
            self._counters.add("pipeline.faults")
            if self._counters["pipeline.faults"] <= 10:
                log.exception("a fault in the pipeline")
