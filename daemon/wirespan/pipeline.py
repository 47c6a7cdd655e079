"""The only module that knows every room: it hands what one room says to the next, and verdicts back up.

Invariant: no room is called from two threads; who owns a Pipeline feeds it from one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from opentelemetry.sdk.trace import ReadableSpan

from wirespan.agents import Agents
from wirespan.capture import CaptureEvent, ClockSync, Verdict
from wirespan.clock import WallClock
from wirespan.counters import Counters
from wirespan.http import Http, HttpEvent, HttpSettings
from wirespan.llm import Inference, Llm, LlmSettings
from wirespan.spans import Spans, SpanSettings
from wirespan.streams import Streams, StreamSettings


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    streams: StreamSettings = field(default_factory=StreamSettings)
    http: HttpSettings = field(default_factory=HttpSettings)
    llm: LlmSettings = field(default_factory=LlmSettings)
    spans: SpanSettings = field(default_factory=SpanSettings)


class Pipeline:
    """Capture events in, spans out. `decide` carries verdicts to the kernel side; without it nothing is muted, and
    every exchange of a recording is seen."""

    def __init__(
        self,
        settings: PipelineSettings,
        counters: Counters,
        decide: Callable[[Verdict], None] | None = None,
    ) -> None:
        self.counters = counters
        self.clock = WallClock()
        self._decide = decide
        self._streams = Streams(settings.streams, counters)
        self._http = Http(settings.http, counters)
        self._llm = Llm(settings.llm, counters)
        self._agents = Agents(counters)
        self._spans = Spans(settings.spans, counters, self.clock)

    def receive(self, event: CaptureEvent) -> Iterator[ReadableSpan]:
        """Spans that are finished by this event."""
        for http_event in self.http_events(event):
            for inference in self.inferences(http_event):
                yield from self.spans(inference)

    def expire(self, now_ns: int) -> Iterator[ReadableSpan]:
        """Spans that are finished by the passing of time; `now_ns` is CLOCK_MONOTONIC. Call it every second or so."""
        for http_event in self.expired_http_events(now_ns):
            for inference in self.inferences(http_event):
                yield from self.spans(inference)
        yield from self._spans_of_expired(now_ns)

    def http_events(self, event: CaptureEvent) -> Iterator[HttpEvent]:
        if isinstance(event, ClockSync):
            self.clock.receive(event)
        for stream_event in self._streams.receive(event):
            yield from self._http.receive(stream_event)

    def expired_http_events(self, now_ns: int) -> Iterator[HttpEvent]:
        for stream_event in self._streams.expire(now_ns):
            yield from self._http.receive(stream_event)
        yield from self._http.expire(now_ns)

    def inferences(self, event: HttpEvent) -> Iterator[Inference]:
        for outcome in self._llm.receive(event):
            if isinstance(outcome, Verdict):
                self._apply(outcome)
            else:
                yield outcome

    def spans(self, inference: Inference) -> Iterator[ReadableSpan]:
        for trace in self._agents.receive(inference):
            yield from self._spans.receive(trace)

    def _spans_of_expired(self, now_ns: int) -> Iterator[ReadableSpan]:
        for trace in self._agents.expire(now_ns):
            yield from self._spans.receive(trace)

    def _apply(self, verdict: Verdict) -> None:
        if self._decide is None:
            return
        if self._http.apply(verdict):
            self._decide(verdict)
            self._streams.apply(verdict)


def finish(pipeline: Pipeline, end_ns: int) -> Iterable[ReadableSpan]:
    """What is still open when no more events will come."""
    return pipeline.expire(end_ns + FAR_FUTURE_NS)


# Longer than any idle limit a room can be configured with.
FAR_FUTURE_NS = 10**18
