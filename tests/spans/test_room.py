from __future__ import annotations

from dataclasses import replace
from itertools import count

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import SpanKind

import wirespan
from rig import inferences
from wirespan.agents import AgentTrace
from wirespan.capture import ClockSync
from wirespan.clock import WallClock
from wirespan.counters import Counters
from wirespan.http import Role
from wirespan.llm import Inference
from wirespan.spans import Spans, SpanSettings

EPOCH_NS = 1_795_000_000_000_000_000
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Numbered(IdGenerator):
    def __init__(self) -> None:
        self._numbers = count(1)

    def generate_trace_id(self) -> int:
        return next(self._numbers)

    def generate_span_id(self) -> int:
        return next(self._numbers)


def spans_of(
    *made: Inference,
    settings: SpanSettings | None = None,
    counters: Counters | None = None,
    ids: IdGenerator | None = None,
) -> list[ReadableSpan]:
    clock = WallClock()
    clock.receive(ClockSync(0, EPOCH_NS))
    room = Spans(settings or SpanSettings(), counters or Counters(), clock, ids)
    return list(room.receive(AgentTrace(made)))


def test_one_inference_is_one_finished_span() -> None:
    [span] = spans_of(inferences.openai_chat())
    assert span.name == "chat gpt-4o-mini"
    assert span.kind is SpanKind.CLIENT
    assert span.start_time == EPOCH_NS + inferences.START_NS
    assert span.end_time == EPOCH_NS + inferences.START_NS + 900_000_000
    assert span.parent is None
    assert span.instrumentation_scope is not None
    assert (span.instrumentation_scope.name, span.instrumentation_scope.version) == ("wirespan", wirespan.__version__)
    assert span.resource.attributes["process.pid"] == 4321
    context = span.get_span_context()
    assert context is not None
    assert context.is_valid
    assert not context.is_remote


def test_every_span_has_ids_of_its_own() -> None:
    first, second = spans_of(inferences.openai_chat(), inferences.rate_limited())
    assert first.context is not None
    assert second.context is not None
    assert first.context.trace_id != second.context.trace_id
    assert first.context.span_id != second.context.span_id


def test_ids_can_be_given() -> None:
    [span] = spans_of(inferences.openai_chat(), ids=Numbered())
    assert span.context is not None
    assert (span.context.trace_id, span.context.span_id) == (1, 2)


def test_a_traceparent_makes_it_a_child() -> None:
    counters = Counters()
    [span] = spans_of(inferences.openai_chat(traceparent=TRACEPARENT), counters=counters)
    assert span.context is not None
    assert span.context.trace_id == 0x4BF92F3577B34DA6A3CE929D0E0E4736
    assert span.parent is not None
    assert span.parent.span_id == 0x00F067AA0BA902B7
    assert span.parent.is_remote
    assert counters["spans.joined"] == 1


def test_joining_can_be_switched_off() -> None:
    [span] = spans_of(inferences.openai_chat(traceparent=TRACEPARENT), settings=SpanSettings(join_traces=False))
    assert span.parent is None


def test_a_call_that_was_served_here_has_the_other_kind() -> None:
    inference = inferences.openai_chat()
    served = replace(inference, exchange=replace(inference.exchange, role=Role.SERVER))
    assert spans_of(served)[0].kind is SpanKind.SERVER


def test_a_step_of_the_clock_does_not_bend_durations() -> None:
    clock = WallClock()
    clock.receive(ClockSync(0, EPOCH_NS))
    clock.receive(ClockSync(inferences.START_NS + 100_000_000, EPOCH_NS - 3_600_000_000_000))
    [span] = Spans(SpanSettings(), Counters(), clock).receive(AgentTrace((inferences.openai_chat(),)))
    assert span.start_time is not None
    assert span.end_time is not None
    assert span.end_time - span.start_time == 900_000_000


def test_an_end_before_the_start_is_no_duration() -> None:
    [span] = spans_of(inferences.openai_chat(end_ns=inferences.START_NS - 5))
    assert span.end_time == span.start_time


def test_the_model_that_answered_names_a_span_without_a_requested_one() -> None:
    assert spans_of(inferences.openai_chat(request_model=None))[0].name == "chat gpt-4o-mini-2024-07-18"
    assert spans_of(inferences.openai_chat(request_model=None, response_model=None))[0].name == "chat"


def test_without_a_clock_spans_are_dropped_and_counted() -> None:
    counters = Counters()
    room = Spans(SpanSettings(), counters, WallClock())
    assert list(room.receive(AgentTrace((inferences.openai_chat(),)))) == []
    assert counters["spans.dropped_without_clock"] == 1
    assert counters["spans.made"] == 0


def test_nothing_is_kept_back() -> None:
    assert list(Spans(SpanSettings(), Counters(), WallClock()).expire(10**18)) == []
    counters = Counters()
    spans_of(inferences.openai_chat(), inferences.no_response(), counters=counters)
    assert counters["spans.made"] == 2


def test_errors_carry_their_type() -> None:
    [span] = spans_of(inferences.rate_limited())
    assert span.attributes is not None
    assert span.attributes["error.type"] == "rate_limit_exceeded"
    assert span.attributes["wirespan.capture.complete"] is True
