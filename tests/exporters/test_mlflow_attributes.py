from __future__ import annotations

import json
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Status, StatusCode

from rig import inferences
from rig.spans import span
from wirespan.agents import AgentTrace
from wirespan.capture import ClockSync
from wirespan.clock import WallClock
from wirespan.counters import Counters
from wirespan.llm import Inference
from wirespan.spans import ContentPolicy, Spans, SpanSettings
from wirespan_exporters.mlflow_attributes import LIMITS, to_mlflow
from wirespan_exporters.sanitise import sanitise


def made(inference: Inference, **settings: Any) -> ReadableSpan:
    clock = WallClock()
    clock.receive(ClockSync(0, 1_795_000_000_000_000_000))
    [one] = Spans(SpanSettings(**settings), Counters(), clock).receive(AgentTrace((inference,)))
    return one


def attributes(one: ReadableSpan, **options: Any) -> dict[str, Any]:
    return dict(to_mlflow(one, **options).attributes or {})


def test_what_the_ui_reads_of_a_call() -> None:
    found = attributes(made(inferences.anthropic_messages()))
    expected = {
        "mlflow.spanType": "CHAT_MODEL",
        "mlflow.spanLogLevel": 20,
        "mlflow.llm.model": "claude-sonnet-4-5-20250929",
        "mlflow.llm.provider": "anthropic",
        "mlflow.traceTag.mlflow.traceName": "chat claude-sonnet-4-5",
        "session.id": "session-9",
        "user.id": "user-77",
        "process.pid": 4321,
        "service.name": "agent.py",
    }
    assert {name: found[name] for name in expected} == expected
    assert json.loads(found["mlflow.chat.tokenUsage"]) == {
        "input_tokens": 1070,
        "output_tokens": 42,
        "cache_read_input_tokens": 1000,
        "cache_creation_input_tokens": 50,
        "total_tokens": 1112,
    }
    assert [message["role"] for message in json.loads(found["mlflow.spanInputs"])["messages"]] == [
        *("system", "user", "assistant", "tool", "user")
    ]
    assert [tool["function"]["name"] for tool in json.loads(found["mlflow.chat.tools"])] == ["read_file", "web_search"]
    assert "mlflow.message.format" not in found
    assert attributes(made(inferences.openai_chat()))["mlflow.message.format"] == "openai"


def test_content_is_sent_once() -> None:
    one = made(inferences.anthropic_messages())
    text = json.dumps(attributes(one))
    for words in ("What does setup.py pin?", "You are a careful coder.", "It pins urllib3>=2.", "Read a file"):
        assert text.count(words) == 1
    twice = json.dumps(attributes(one, keep_wire_bodies=True))
    assert twice.count("What does setup.py pin?") == 2


def test_without_wire_bodies_the_messages_are_left_to_mlflows_translation() -> None:
    found = attributes(made(inferences.anthropic_messages(), wire_bodies=False))
    assert "mlflow.spanInputs" not in found
    assert "gen_ai.input.messages" in found


def test_without_content_there_is_none() -> None:
    found = attributes(made(inferences.anthropic_messages(), content=ContentPolicy.METADATA))
    assert not {"mlflow.spanInputs", "mlflow.spanOutputs", "mlflow.chat.tools", "gen_ai.input.messages"} & set(found)
    assert found["mlflow.spanType"] == "CHAT_MODEL"
    assert "urllib3" not in json.dumps(found)


def test_a_call_without_an_answer_has_inputs_only() -> None:
    found = attributes(made(inferences.no_response()))
    assert "mlflow.spanInputs" in found
    assert "mlflow.spanOutputs" not in found
    assert "mlflow.chat.tokenUsage" not in found
    assert found["mlflow.spanLogLevel"] == 40


def test_a_joined_span_brings_no_name_of_its_own_to_the_callers_trace() -> None:
    joined = to_mlflow(
        made(
            inferences.openai_chat(traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), host_name="h"
        )
    )
    found = dict(joined.attributes or {})
    assert "mlflow.traceTag.mlflow.traceName" not in found
    assert found["service.name"] == "agent.py"
    assert not {"service.name", "host.name"} & set(joined.resource.attributes)
    assert joined.resource.attributes["process.pid"] == 4321


@pytest.mark.parametrize(
    ("provider", "shown"),
    [
        ("gcp.gemini", "gemini"),
        ("aws.bedrock", "bedrock"),
        ("azure.ai.openai", "azure"),
        ("x_ai", "xai"),
        ("groq", "groq"),
    ],
)
def test_providers_are_called_as_the_price_catalogue_does(provider: str, shown: str) -> None:
    assert attributes(span(attributes={"gen_ai.provider.name": provider}))["mlflow.llm.provider"] == shown


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("chat", "CHAT_MODEL"),
        ("embeddings", "EMBEDDING"),
        ("execute_tool", "TOOL"),
        ("invoke_agent", "AGENT"),
        ("x", "UNKNOWN"),
    ],
)
def test_span_types(operation: str, kind: str) -> None:
    assert attributes(span(attributes={"gen_ai.operation.name": operation}))["mlflow.spanType"] == kind


def test_usage_in_part() -> None:
    found = attributes(span(attributes={"gen_ai.usage.input_tokens": 0}))
    assert json.loads(found["mlflow.chat.tokenUsage"]) == {"input_tokens": 0, "total_tokens": 0}


def test_a_body_that_is_no_json_is_shown_as_text() -> None:
    found = attributes(span(attributes={"wirespan.request.body": "{broken", "wirespan.api": "openai.chat"}))
    assert json.loads(found["mlflow.spanInputs"]) == "{broken"


def test_a_span_of_another_kind_passes() -> None:
    plain = span(attributes={"a": 1}, status=Status(StatusCode.UNSET))
    assert attributes(plain) == {
        "a": 1,
        "service.name": "agent.py",
        "process.pid": 4321,
        "host.name": "box-7",
        "mlflow.spanLogLevel": 20,
        "mlflow.traceTag.mlflow.traceName": "span 1",
    }


def test_what_the_server_refuses_is_clipped() -> None:
    one = to_mlflow(span(name="n" * 9000, attributes={"session.id": "s" * 300, "user.id": "u" * 9000}))
    found = dict(sanitise(one, LIMITS, lambda reason: None).attributes or {})
    assert {name: len(found[name]) for name in ("session.id", "user.id", "mlflow.traceTag.mlflow.traceName")} == {
        "session.id": 250,
        "user.id": 250,
        "mlflow.traceTag.mlflow.traceName": 4096,
    }
