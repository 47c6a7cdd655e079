"""All rooms in a row: recordings of real clients, and small conversations whose verdicts are written out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from rig.chat_call import ANSWER, INPUT_TOKENS, MODEL, OUTPUT_TOKENS, PROMPT, QUESTION, REPLY, RESPONSE_ID, message
from rig.sdk_comparison import assert_same_as_sdk
from rig.traffic import TICK_NS, Tape
from wirespan.capture import (
    CaptureEvent,
    ClockSync,
    CloseReason,
    ProcessStarted,
    TlsData,
    Verdict,
    VerdictKind,
)
from wirespan.capture.recording import RecordingReader
from wirespan.commands.render import inference_to_json
from wirespan.counters import Counters
from wirespan.llm import Inference
from wirespan.pipeline import FAR_FUTURE_NS, Pipeline, PipelineSettings, finish
from wirespan.processes import Process, ProcessKey
from wirespan.spans import ContentPolicy, SpanSettings
from wirespan.streams import StreamSettings

RECORDINGS = Path(__file__).resolve().parent / "data" / "recordings"
NAMES = sorted(path.stem for path in RECORDINGS.glob("*.wsrec"))
WALL_NS = 1_795_000_000_000_000_000


def events_of(name: str) -> Iterator[CaptureEvent]:
    with (RECORDINGS / f"{name}.wsrec").open("rb") as source:
        yield from RecordingReader(source)


def calls_of(name: str) -> list[dict[str, Any]]:
    """What the client's SDK said that it got."""
    calls: list[dict[str, Any]] = json.loads((RECORDINGS / f"{name}.calls.json").read_text())["calls"]
    return calls


MODELS = b"GET /v1/models HTTP/1.1\r\nHost: api.example.com\r\n\r\n"
FORM = message(b"POST /login HTTP/1.1", b'{"user":"someone"}')
LIST = message(b"HTTP/1.1 200 OK", b'{"object":"list","data":[]}')


class Run:
    """A pipeline with a clock, the spans it made and the verdicts it gave."""

    def __init__(self, settings: PipelineSettings | None = None, *, decides: bool = True) -> None:
        self.counters = Counters()
        self.verdicts: list[Verdict] = []
        self.spans: list[ReadableSpan] = []
        decide = self.verdicts.append if decides else None
        self.pipeline = Pipeline(settings or PipelineSettings(), self.counters, decide)
        self.feed([ClockSync(0, WALL_NS)])

    def feed(self, events: list[CaptureEvent]) -> Run:
        for event in events:
            self.spans += self.pipeline.receive(event)
        return self

    def kinds(self) -> list[tuple[int, VerdictKind]]:
        return [(verdict.request_seq, verdict.kind) for verdict in self.verdicts]


@pytest.mark.parametrize("decides", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_a_recording_gives_what_the_sdk_returned_whether_its_verdicts_count_or_not(name: str, decides: bool) -> None:
    run = Run(decides=decides)
    pipeline, last_ns = run.pipeline, 0
    inferences: list[Inference] = []
    connections = set()
    for event in events_of(name):
        last_ns = max(last_ns, getattr(event, "time_ns", 0))
        if isinstance(event, TlsData):
            connections.add(event.connection)
        for http_event in pipeline.http_events(event):
            inferences += pipeline.inferences(http_event)
    for http_event in pipeline.expired_http_events(last_ns + FAR_FUTURE_NS):
        inferences += pipeline.inferences(http_event)
    plain = [json.loads(json.dumps(inference_to_json(inference, pipeline.clock))) for inference in inferences]
    calls = calls_of(name)
    assert assert_same_as_sdk(calls, plain) == len([call for call in calls if "id" in call]) > 0
    # Verdicts are about what was really there, and no model call is muted.
    assert {verdict.connection for verdict in run.verdicts} <= connections
    assert bool(run.verdicts) is decides
    called = {(found.exchange.connection.id, found.exchange.request_seq) for found in inferences}
    muted = {(item.connection, item.request_seq) for item in run.verdicts if item.kind is VerdictKind.MUTED}
    assert called.isdisjoint(muted)


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_gives_a_span_for_each_call(name: str) -> None:
    run, events = Run(), list(events_of(name))
    run.feed(events)
    run.spans += finish(run.pipeline, max(event.time_ns for event in events if isinstance(event, TlsData)))
    found = {(span.attributes or {}).get("gen_ai.response.id") for span in run.spans}
    assert len(run.spans) == len(calls_of(name))
    assert {call["id"] for call in calls_of(name) if "id" in call} <= found
    assert run.counters["spans.made"] == run.counters["llm.inferences"] == len(run.spans)


def test_a_call_becomes_a_span_with_its_words_its_times_and_its_process() -> None:
    tape = Tape(start_ns=5_000).write(QUESTION).read(ANSWER)
    who = Process(ProcessKey(tape.connection.pid, 77), executable="/usr/bin/agent", command_args=("agent",))
    run = Run().feed([ProcessStarted(1, who), *tape.events])
    (span,) = run.spans
    assert span.name == f"chat {MODEL}"
    # A write begins at its call's entry, half a tick before its return; the answer ends when its read returns.
    assert span.start_time == WALL_NS + 5_000 + TICK_NS // 2
    assert span.end_time == WALL_NS + 5_000 + 2 * TICK_NS
    attributes = span.attributes or {}
    assert attributes["gen_ai.response.id"] == RESPONSE_ID
    assert attributes["gen_ai.usage.input_tokens"] == INPUT_TOKENS
    assert attributes["gen_ai.usage.output_tokens"] == OUTPUT_TOKENS
    assert PROMPT in str(attributes["gen_ai.input.messages"])
    assert REPLY in str(attributes["gen_ai.output.messages"])
    assert span.resource.attributes["process.pid"] == tape.connection.pid
    assert span.resource.attributes["process.executable.path"] == "/usr/bin/agent"


def test_each_room_gets_its_own_settings() -> None:
    settings = PipelineSettings(spans=SpanSettings(host_name="box-7", content=ContentPolicy.METADATA))
    (span,) = Run(settings).feed(Tape().write(QUESTION).read(ANSWER).events).spans
    assert span.resource.attributes["host.name"] == "box-7"
    assert PROMPT not in span.to_json()


def test_verdicts_go_up_and_what_is_muted_is_held_no_longer() -> None:
    # GIVEN a connection that lists the models, then asks one
    tape = Tape().write(MODELS)
    run = Run().feed(tape.events)
    # THEN the first is muted as soon as its head is there
    assert run.verdicts == [Verdict(tape.connection, 1, VerdictKind.MUTED)]
    # AND what the kernel had copied before it heard of that goes nowhere
    tape.events.clear()
    run.feed(tape.read(LIST).events)
    assert run.spans == []
    assert run.counters["llm.not_inference.method"] == 0
    # AND the next request on it is read again
    tape.events.clear()
    run.feed(tape.write(QUESTION).read(ANSWER).events)
    assert run.kinds()[1:] == [(2, VerdictKind.WANTED)]
    assert len(run.spans) == 1


def test_a_body_that_is_no_model_call_is_muted_once_it_is_whole() -> None:
    tape = Tape().write(FORM[:-5])
    run = Run().feed(tape.events)
    assert run.verdicts == []
    tape.events.clear()
    run.feed(tape.write(FORM[-5:]).events)
    assert run.kinds() == [(1, VerdictKind.MUTED)]


def test_without_a_way_up_nothing_is_muted() -> None:
    run = Run(decides=False).feed(Tape().write(MODELS).read(LIST).write(QUESTION).read(ANSWER).events)
    assert run.verdicts == []
    assert run.counters["llm.not_inference.method"] == 1
    assert len(run.spans) == 1


def test_a_server_s_side_of_a_call_is_no_second_span() -> None:
    client = Tape(pid=100).write(QUESTION).read(ANSWER)
    server = Tape(pid=200, handle=0x8F00).read(QUESTION).write(ANSWER)
    run = Run().feed([*client.events, *server.events])
    assert len(run.spans) == 1
    assert run.spans[0].resource.attributes["process.pid"] == 100
    assert (server.connection, VerdictKind.MUTED) in {(verdict.connection, verdict.kind) for verdict in run.verdicts}


def test_time_alone_ends_what_nobody_closes() -> None:
    run = Run(PipelineSettings(streams=StreamSettings(idle_ns=1_000_000)))
    run.feed(Tape().write(QUESTION).read(ANSWER[:-1]).events)
    assert list(run.pipeline.expire(1_000_000)) == []
    (span,) = run.pipeline.expire(2_000_000)
    assert outcome(span) == ("idle", "incomplete")


def test_the_end_of_a_process_ends_its_calls() -> None:
    tape = Tape().write(QUESTION).read(ANSWER[:-1]).close(CloseReason.PROCESS_EXITED)
    (span,) = Run().feed(tape.events).spans
    assert outcome(span) == ("process_exited", "client_aborted")


def outcome(span: ReadableSpan) -> tuple[object, object]:
    attributes = span.attributes or {}
    return attributes["wirespan.capture.end"], attributes["wirespan.outcome"]


def test_a_call_before_the_first_clock_is_counted_and_not_filed_under_1970() -> None:
    counters = Counters()
    pipeline = Pipeline(PipelineSettings(), counters)
    assert [span for event in Tape().write(QUESTION).read(ANSWER).events for span in pipeline.receive(event)] == []
    assert counters["spans.dropped_without_clock"] == 1
