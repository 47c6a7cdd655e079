"""The spans that wait for a target, bounded in bytes.

`SpanBuffer` is the place where a durable spool goes: `Delivery` knows nothing else of where spans wait. Invariant: a
span that was added is later taken and settled, or counted as dropped; `held_bytes` counts it until then.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from opentelemetry.sdk.trace import ReadableSpan

from wirespan_exporters.span_copy import SpanKey


@dataclass(frozen=True, slots=True)
class QueuedSpan:
    """`added_s` is monotonic. `failed_at`: it has made a target fail when it was sent alone, and so many requests had
    succeeded until then."""

    span: ReadableSpan
    key: SpanKey
    size_bytes: int
    added_s: float
    failed_at: int | None = None


class SpanBuffer(Protocol):
    """Not safe for threads: `Delivery` holds its lock around every call."""

    def add(self, span: QueuedSpan) -> Sequence[QueuedSpan]:
        """Returns the spans that had to go to make room, oldest first; `span` itself if it fits in no case."""

    def take(self, max_spans: int, max_bytes: int) -> Sequence[QueuedSpan]:
        """The oldest spans, at least one if there is any, no key twice. They stay counted until `settle`."""

    def give_back(self, span: QueuedSpan) -> None:
        """A taken span goes to the end of the line."""

    def settle(self, spans: Sequence[QueuedSpan]) -> None:
        """Taken spans are delivered or gone for good."""

    def oldest_s(self) -> float | None:
        """When the first in the line was added; None if nothing waits."""

    @property
    def waiting_spans(self) -> int: ...

    @property
    def waiting_bytes(self) -> int: ...

    @property
    def held_spans(self) -> int:
        """Waiting and taken."""

    @property
    def held_bytes(self) -> int: ...


class MemoryBuffer:
    """A `SpanBuffer` that ends with the process. The oldest spans make room for new ones."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._waiting: deque[QueuedSpan] = deque()
        self.waiting_bytes = 0
        self._taken_spans = 0
        self._taken_bytes = 0

    def add(self, span: QueuedSpan) -> Sequence[QueuedSpan]:
        if span.size_bytes > self._max_bytes - self._taken_bytes:
            return (span,)
        self._append(span)
        dropped = []
        while self.held_bytes > self._max_bytes:
            dropped.append(self._pop())
        return dropped

    def take(self, max_spans: int, max_bytes: int) -> Sequence[QueuedSpan]:
        taken: list[QueuedSpan] = []
        keys: set[SpanKey] = set()
        size_bytes = 0
        while self._waiting and len(taken) < max_spans:
            head = self._waiting[0]
            # MLflow adds up the tokens of a span that stands twice in one request.
            if taken and (size_bytes + head.size_bytes > max_bytes or head.key in keys):
                break
            taken.append(self._pop())
            keys.add(head.key)
            size_bytes += head.size_bytes
        self._taken_spans += len(taken)
        self._taken_bytes += size_bytes
        return taken

    def give_back(self, span: QueuedSpan) -> None:
        self.settle((span,))
        self._append(span)

    def settle(self, spans: Sequence[QueuedSpan]) -> None:
        self._taken_spans -= len(spans)
        self._taken_bytes -= sum(span.size_bytes for span in spans)

    def oldest_s(self) -> float | None:
        return self._waiting[0].added_s if self._waiting else None

    @property
    def waiting_spans(self) -> int:
        return len(self._waiting)

    @property
    def held_spans(self) -> int:
        return len(self._waiting) + self._taken_spans

    @property
    def held_bytes(self) -> int:
        return self.waiting_bytes + self._taken_bytes

    def _append(self, span: QueuedSpan) -> None:
        self._waiting.append(span)
        self.waiting_bytes += span.size_bytes

    def _pop(self) -> QueuedSpan:
        span = self._waiting.popleft()
        self.waiting_bytes -= span.size_bytes
        return span


class Quarantine:
    """The last spans that a target would not take, for whoever wants to see why. Bounded in bytes."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._kept: deque[tuple[QueuedSpan, str]] = deque()
        self._bytes = 0

    def add(self, span: QueuedSpan, reason: str) -> None:
        self._kept.append((span, reason))
        self._bytes += span.size_bytes
        while self._bytes > self._max_bytes:
            self._bytes -= self._kept.popleft()[0].size_bytes

    def spans(self) -> Sequence[tuple[ReadableSpan, str]]:
        return [(queued.span, reason) for queued, reason in self._kept]
