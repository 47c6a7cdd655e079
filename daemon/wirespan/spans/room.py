"""The spans room: each inference of an agent trace becomes one finished span."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags

from wirespan import __version__
from wirespan.agents import AgentTrace
from wirespan.clock import ClockNotSyncedError, WallClock
from wirespan.counters import Counters
from wirespan.http import Role
from wirespan.llm import Inference
from wirespan.spans import names
from wirespan.spans.attributes import inference_attributes
from wirespan.spans.completeness import capture_attributes
from wirespan.spans.identity import Resources
from wirespan.spans.settings import SpanSettings
from wirespan.spans.status import ending
from wirespan.spans.traceparent import remote_parent


class Spans:
    """`receive` gives the spans of a trace, children before their root. Nothing is kept, so `expire` gives none."""

    def __init__(
        self, settings: SpanSettings, counters: Counters, clock: WallClock, ids: IdGenerator | None = None
    ) -> None:
        self._settings = settings
        self._counters = counters
        self._clock = clock
        self._ids = ids or RandomIdGenerator()
        self._resources = Resources(settings)
        self._scope = InstrumentationScope("wirespan", __version__)

    def receive(self, trace: AgentTrace) -> Iterable[ReadableSpan]:
        return list(self._spans(trace))

    def expire(self, now_ns: int) -> Iterable[ReadableSpan]:
        return ()

    def _spans(self, trace: AgentTrace) -> Iterator[ReadableSpan]:
        for inference in trace.inferences:
            try:
                span = self._span(inference)
            except ClockNotSyncedError:
                # A span without a true time would be filed under 1970 and never be found.
                self._counters.add("spans.dropped_without_clock")
                continue
            self._counters.add("spans.made")
            yield span

    def _span(self, inference: Inference) -> ReadableSpan:
        start_ns = self._clock.wall_ns(inference.start_ns)
        # By duration, not by a second conversion: a clock stepped in between must not bend the length of a call.
        end_ns = start_ns + max(inference.end_ns - inference.start_ns, 0)
        parent = remote_parent(inference.traceparent) if self._settings.join_traces else None
        if parent is not None:
            self._counters.add("spans.joined")
        end = ending(inference, end_ns, self._settings)
        attributes = inference_attributes(inference, self._settings)
        attributes.update(capture_attributes(inference))
        if end.error_type is not None:
            attributes[names.ERROR_TYPE] = end.error_type
        return ReadableSpan(
            name=_span_name(inference),
            context=self._context(parent),
            parent=parent,
            resource=self._resources.of(inference.exchange.connection.process),
            attributes=attributes,
            events=end.events,
            kind=SpanKind.SERVER if inference.exchange.role is Role.SERVER else SpanKind.CLIENT,
            status=end.status,
            start_time=start_ns,
            end_time=end_ns,
            instrumentation_scope=self._scope,
        )

    def _context(self, parent: SpanContext | None) -> SpanContext:
        trace_id = parent.trace_id if parent else self._ids.generate_trace_id()
        return SpanContext(
            trace_id, self._ids.generate_span_id(), is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED)
        )


def _span_name(inference: Inference) -> str:
    model = inference.request_model or inference.response_model
    return f"{inference.operation} {model}" if model else inference.operation
