"""Spans to one target: its own thread, a queue bounded in bytes, and an answer for everything a target may say.

Invariant: accepted = delivered + quarantined + dropped (each with its reason) + still queued, at every moment.

    answer              what happens
    2xx                 delivered
    408 429 5xx, none   the same batch again, later and later (jitter, capped, Retry-After honoured)
    400 413 422         the batch is halved until the span to blame is alone; that one is quarantined
    500 again and again the same; alone, it goes to the end of the line: quarantined once others got through meanwhile
    3xx 401 403 404 …   held: somebody must change something. Said once; tried slowly; nothing is lost but by the bound
"""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from opentelemetry.sdk.trace import ReadableSpan

from wirespan_exporters.pace import Pace
from wirespan_exporters.queue import MemoryBuffer, Quarantine, QueuedSpan, SpanBuffer
from wirespan_exporters.result import Delivered, Exporter, ExportResult, Held, Rejected, Retry
from wirespan_exporters.settings import DeliverySettings
from wirespan_exporters.span_copy import size_bytes, span_key
from wirespan_exporters.stats import DeliveryStats, State

_logger = logging.getLogger("wirespan.delivery")

_STOP_GRACE_S = 0.5  # for the thread to see that its time is over
_REASON_CHARS = 80  # reasons are counted by their text, so it must not vary per span


class Delivery:
    """`accept` never blocks on the target and may be called from any thread. `start` once; `stop` at any time."""

    def __init__(
        self, exporter: Exporter, settings: DeliverySettings | None = None, buffer: SpanBuffer | None = None
    ) -> None:
        self._exporter = exporter
        self._settings = settings or DeliverySettings()
        self._changed = threading.Condition()
        self._buffer = buffer or MemoryBuffer(self._settings.queue_bytes)
        self._quarantine = Quarantine(self._settings.quarantine_bytes)
        self._thread: threading.Thread | None = None
        self._stop_by_s: float | None = None
        self._hurry = 0  # counts flushes: a wait ends when it changes
        self._flushing = 0
        self._state: State = "ok"
        self._accepted = self._delivered = self._requests = 0
        self._quarantined: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()
        self._pace = Pace(self._settings)
        self._successes = 0
        self._refusals_in_a_row = 0
        self._last_error: str | None = None
        self._last_error_s: float | None = None
        self._last_success_s: float | None = None

    def start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="wirespan-delivery", daemon=True)
            self._thread.start()

    def accept(self, spans: Iterable[ReadableSpan]) -> None:
        with self._changed:
            for span in spans:
                self._accepted += 1
                key = span_key(span)
                if key is None or span.end_time is None:
                    self._dropped["invalid"] += 1  # no target can file it
                elif self._stop_by_s is not None:
                    self._dropped["stopped"] += 1
                else:
                    size = size_bytes(span)
                    gone = self._buffer.add(QueuedSpan(span, key, size, time.monotonic()))
                    self._dropped["queue_full"] += len(gone)
            self._changed.notify_all()

    def flush(self, timeout_s: float) -> bool:
        """Sends what waits without delay. True when all spans accepted before are settled: see `stats` for how."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            target = self._accepted
            self._hurry += 1
            self._flushing += 1
            self._changed.notify_all()
            try:
                return self._changed.wait_for(lambda: self._settled() >= target, max(deadline - time.monotonic(), 0.0))
            finally:
                self._flushing -= 1

    def stop(self, timeout_s: float) -> bool:
        """Delivers what it can in the time, counts the rest as dropped. Safe twice and without `start`.

        False if the target still held the thread in a request when the time was over.
        """
        with self._changed:
            if self._stop_by_s is None:
                self._stop_by_s = time.monotonic() + timeout_s
            self._hurry += 1
            self._changed.notify_all()
            thread = self._thread
            if thread is None:
                self._drop_waiting()
        if thread is not None:
            thread.join(timeout_s + _STOP_GRACE_S)
            if thread.is_alive():
                return False
        self._exporter.close()
        return True

    def stats(self) -> DeliveryStats:
        with self._changed:
            return DeliveryStats(
                target=self._exporter.name,
                state=self._state,
                accepted=self._accepted,
                delivered=self._delivered,
                quarantined=_nonzero(self._quarantined),
                dropped=_nonzero(self._dropped),
                queued_spans=self._buffer.held_spans,
                queued_bytes=self._buffer.held_bytes,
                requests=self._requests,
                last_error=self._last_error,
                last_error_s=self._last_error_s,
                last_success_s=self._last_success_s,
                exporter=self._exporter.counts(),
            )

    def quarantined_spans(self) -> Sequence[tuple[ReadableSpan, str]]:
        """The last spans that the target would not take, with what it said."""
        with self._changed:
            return self._quarantine.spans()

    # The thread

    def _run(self) -> None:
        while batch := self._next_batch():
            self._deliver(batch)
        with self._changed:
            self._drop_waiting()

    def _next_batch(self) -> Sequence[QueuedSpan]:
        """Waits until a batch is full or old enough. Empty: stop."""
        with self._changed:
            while not self._out_of_time():
                wait_s = self._until_ready_s()
                if wait_s is not None and wait_s <= 0:
                    return self._buffer.take(self._settings.batch_spans, self._settings.batch_bytes)
                if self._stop_by_s is not None:
                    break
                self._changed.wait(wait_s)
            return ()

    def _until_ready_s(self) -> float | None:
        """None while nothing waits."""
        oldest_s = self._buffer.oldest_s()
        if oldest_s is None:
            return None
        full = (
            self._buffer.waiting_spans >= self._settings.batch_spans
            or self._buffer.waiting_bytes >= self._settings.batch_bytes
        )
        if full or self._flushing or self._stop_by_s is not None:
            return 0.0
        return oldest_s + self._settings.batch_delay_s - time.monotonic()

    def _deliver(self, batch: Sequence[QueuedSpan]) -> None:
        """Until every span of the batch is settled or given back."""
        parts = [_Part(batch)]
        while parts:
            if self._out_of_time():
                self._drop([span for part in parts for span in part.spans])
                return
            part = parts.pop()
            result = self._export(part.spans)
            match result:
                case Delivered():
                    self._note_delivered(part.spans, result)
                case Rejected() if len(part.spans) == 1:
                    self._refuse(part.spans[0], result.reason)
                case Rejected():
                    parts += part.halves(tries=0)
                case Retry() if result.may_be_content and part.tries + 1 >= self._settings.content_tries:
                    parts += self._suspect(part, result)
                case Retry():
                    parts.append(_Part(part.spans, part.tries + result.may_be_content))
                    self._wait_after(result)
                case Held():
                    parts.append(part)
                    self._wait_after(result)

    def _export(self, spans: Sequence[QueuedSpan]) -> ExportResult:
        result: ExportResult
        try:
            result = self._exporter.export([queued.span for queued in spans])
        except Exception as error:  # noqa: BLE001
            # A span must never end the thread that all others wait for. No traceback text: it may quote the span.
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{type(error).__name__} at {place.filename}:{place.lineno}"
            _logger.error("%s failed, %s; the span to blame is set aside", self._exporter.name, where)
            result = Rejected(f"exporter error: {type(error).__name__}")
        with self._changed:
            self._requests += 1
            if not isinstance(result, Delivered):
                self._last_error, self._last_error_s = result.reason, time.time()
        return result

    def _note_delivered(self, spans: Sequence[QueuedSpan], result: Delivered) -> None:
        with self._changed:
            refused = min(result.refused_spans, len(spans))
            self._delivered += len(spans) - refused
            self._dropped["refused_by_target"] += refused
            if refused:
                self._last_error, self._last_error_s = result.message, time.time()
            self._last_success_s = time.time()
            self._successes += 1
            self._refusals_in_a_row = 0
            self._settle(spans)
        self._pace.succeeded()
        self._enter("ok", "delivers again", "")

    def _refuse(self, span: QueuedSpan, reason: str) -> None:
        """The target will not take this span. One that takes none at all is itself to blame: then hold."""
        if self._refusals_in_a_row >= self._settings.refusals_in_a_row:
            self._give_back(span)
            self._wait_after(Held(f"every span is refused, {reason}", "check the address and the target's log"))
            return
        with self._changed:
            self._refusals_in_a_row += 1
            self._quarantined[reason[:_REASON_CHARS]] += 1
            self._quarantine.add(span, reason)
            self._settle((span,))

    def _suspect(self, part: _Part, result: Retry) -> Sequence[_Part]:
        """The target failed on this part too often for chance; but it may be the target that is broken."""
        last = part.spans[0]
        if len(part.spans) == 1 and last.failed_at is not None and self._successes > last.failed_at:
            self._refuse(last, result.reason)
            return ()
        if len(part.spans) == 1:
            self._give_back(replace(last, failed_at=self._successes if last.failed_at is None else last.failed_at))
            self._wait_after(result)
            return ()
        self._wait_after(result)
        return part.halves(tries=self._settings.content_tries - 1)  # each gets one try before it is halved again

    def _wait_after(self, result: Retry | Held) -> None:
        """Sleeps as long as the result asks, or until a flush or a stop wants a try now."""
        if isinstance(result, Held):
            self._enter("held", result.reason, result.remedy)
        else:
            self._enter("retrying", result.reason, "")
        delay_s = self._pace.delay_s(result)
        with self._changed:
            if self._stop_by_s is not None:
                if isinstance(result, Held):
                    self._stop_by_s = time.monotonic()  # nobody will come and change it now
                delay_s = min(delay_s, max(self._stop_by_s - time.monotonic(), 0.0))
            hurry = self._hurry
            self._changed.wait_for(lambda: self._hurry != hurry, delay_s)

    def _enter(self, state: State, text: str, remedy: str) -> None:
        """One log line for a change of state, not for each request."""
        with self._changed:
            changed, self._state = state != self._state, state
        if not changed:
            return
        if state == "held":
            _logger.error("%s: %s. What to do: %s. Spans are kept meanwhile.", self._exporter.name, text, remedy)
        elif state == "retrying":
            remedy = "if it stays so, see that the target runs and what its log says"
            _logger.warning("%s: %s; tried again later. What to do: %s.", self._exporter.name, text, remedy)
        else:
            _logger.info("%s %s", self._exporter.name, text)

    # With the lock held

    def _settle(self, spans: Sequence[QueuedSpan]) -> None:
        self._buffer.settle(spans)
        self._changed.notify_all()

    def _settled(self) -> int:
        return self._delivered + sum(self._quarantined.values()) + sum(self._dropped.values())

    def _out_of_time(self) -> bool:
        return self._stop_by_s is not None and time.monotonic() >= self._stop_by_s

    def _drop_waiting(self) -> None:
        while spans := self._buffer.take(self._settings.batch_spans, self._settings.batch_bytes):
            self._dropped["stopped"] += len(spans)
            self._settle(spans)

    # Without it

    def _drop(self, spans: Sequence[QueuedSpan]) -> None:
        with self._changed:
            self._dropped["stopped"] += len(spans)
            self._settle(spans)

    def _give_back(self, span: QueuedSpan) -> None:
        with self._changed:
            self._buffer.give_back(span)


@dataclass(frozen=True, slots=True)
class _Part:
    """Spans to send in one request; `tries` counts the failures that may be the content's fault."""

    spans: Sequence[QueuedSpan]
    tries: int = 0

    def halves(self, tries: int) -> list[_Part]:
        """In reverse, since parts are taken from the end."""
        middle = len(self.spans) // 2
        return [_Part(self.spans[middle:], tries), _Part(self.spans[:middle], tries)]


def _nonzero(counts: Mapping[str, int]) -> Mapping[str, int]:
    return {reason: count for reason, count in sorted(counts.items()) if count}
