from __future__ import annotations

import json
from typing import Any

import pytest

from wirespan.llm import (
    InferenceError,
    Message,
    Reasoning,
    RequestParameters,
    Text,
    TokenUsage,
    ToolCall,
    ToolCallResponse,
    ToolDefinition,
)
from wirespan.llm.anthropic_messages import read_answer, read_request, read_usage, recognises
from wirespan.llm.api import AnswerReading, RequestReading

SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}}
CLAUDE_CODE_USER = {"device_id": "d1", "account_uuid": "acc-1", "session_id": "5f3c-session"}
EVERY_FIELD: dict[str, Any] = {
    "model": "claude-opus-5",
    "max_tokens": 2048,
    "system": [{"type": "text", "text": "Be careful.", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "user", "content": "What does it pin?"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "read", "input": {"path": "a"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "x"}]},
        {"role": "system", "content": "Reminder."},
    ],
    "tools": [
        {"name": "read", "description": "Read a file", "input_schema": SCHEMA},
        {"type": "custom", "name": "write", "input_schema": SCHEMA},
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 3},
        {"type": "computer_toolset_20260801"},
    ],
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": SCHEMA}},
    "stop_sequences": ["END"],
    "temperature": 1.0,
    "top_p": 0.95,
    "top_k": 5,
    "metadata": {"user_id": json.dumps(CLAUDE_CODE_USER)},
    "service_tier": "auto",
    "speed": "fast",
    "stream": True,
}


def test_reads_every_request_field() -> None:
    assert read_request(EVERY_FIELD) == RequestReading(
        model="claude-opus-5",
        parameters=RequestParameters(
            max_tokens=2048,
            temperature=1.0,
            top_p=0.95,
            top_k=5,
            stop_sequences=("END",),
            reasoning_level="high",
            output_type="json",
            stream=True,
        ),
        system_instructions=(Text("Be careful."),),
        messages=(
            Message("user", (Text("What does it pin?"),)),
            Message("assistant", (ToolCall("t1", "read", {"path": "a"}),)),
            Message("user", (ToolCallResponse("t1", "x"),)),
            Message("system", (Text("Reminder."),)),
        ),
        tool_definitions=(
            ToolDefinition("read", "function", "Read a file", SCHEMA),
            ToolDefinition("write", "function", None, SCHEMA),
            ToolDefinition("web_search", "web_search_20250305"),
            ToolDefinition("computer_toolset_20260801", "computer_toolset_20260801"),
        ),
        end_user_id="acc-1",
        session_id="5f3c-session",
        extra={
            "anthropic.request.thinking.type": "enabled",
            "anthropic.request.thinking.budget_tokens": 1024,
            "anthropic.request.service_tier": "auto",
            "anthropic.request.speed": "fast",
        },
    )


def test_system_as_text_and_plain_user() -> None:
    reading = read_request({"system": "Be brief.", "metadata": {"user_id": "user-77"}, "messages": ["garbage"]})
    assert reading == RequestReading(system_instructions=(Text("Be brief."),), end_user_id="user-77")


ANSWER = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-opus-5-1",
    "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "text", "text": "Reading."},
        {"type": "tool_use", "id": "t2", "name": "read", "input": {"path": "b"}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 20,
        "cache_creation_input_tokens": 50,
        "cache_read_input_tokens": 1000,
        "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 30},
        "output_tokens": 42,
        "output_tokens_details": {"thinking_tokens": 30},
        "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0},
        "service_tier": "standard",
    },
}


def test_reads_an_answer() -> None:
    assert read_answer(ANSWER, lambda place: 500 + place[1]) == AnswerReading(
        id="msg_1",
        model="claude-opus-5-1",
        messages=(
            Message(
                "assistant",
                (Reasoning("Hm."), Text("Reading."), ToolCall("t2", "read", {"path": "b"}, end_ns=502)),
                finish_reason="tool_call",
            ),
        ),
        finish_reasons=("tool_use",),
        usage=TokenUsage(1070, 42, 1000, 50, 30),
        extra={
            "anthropic.response.service_tier": "standard",
            "anthropic.usage.cache_creation.ephemeral_5m_input_tokens": 20,
            "anthropic.usage.cache_creation.ephemeral_1h_input_tokens": 30,
            "anthropic.usage.server_tool_use.web_search_requests": 2,
        },
    )


@pytest.mark.parametrize(
    ("vendor", "ours"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_call"),
        ("refusal", "content_filter"),
        ("pause_turn", "pause_turn"),
    ],
)
def test_finish_reasons(vendor: str, ours: str) -> None:
    reading = read_answer({**ANSWER, "stop_reason": vendor}, lambda _place: None)
    assert reading.finish_reasons == (vendor,)
    assert reading.messages[0].finish_reason == ours


def test_refusal_and_stop_sequence_are_told() -> None:
    stopped = {"stop_sequence": "END", "usage": {}, "stop_details": {"type": "refusal", "category": "bio"}}
    assert read_answer({**ANSWER, **stopped}, lambda _place: None).extra == {
        "anthropic.response.stop_sequence": "END",
        "anthropic.response.stop_details.type": "refusal",
        "anthropic.response.stop_details.category": "bio",
    }


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({}, TokenUsage()),
        ({"input_tokens": 5, "output_tokens": 1}, TokenUsage(5, 1)),
        ({"input_tokens": 5, "cache_read_input_tokens": None}, TokenUsage(5)),
        (
            {"input_tokens": 5, "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 2}},
            TokenUsage(8, cache_write_input_tokens=3),
        ),
        ({"input_tokens": "x", "cache_read_input_tokens": 3}, TokenUsage(cache_read_input_tokens=3)),
    ],
)
def test_usage(usage: dict[str, Any], expected: TokenUsage) -> None:
    assert read_usage(usage) == expected


def test_reads_an_error() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "req_1"}
    assert read_answer(error, lambda _place: None).error == InferenceError("overloaded_error", "Overloaded")


@pytest.mark.parametrize(
    ("answer", "ours"),
    [
        (ANSWER, True),
        ({"type": "error", "error": {}}, True),
        ({"error": {"message": "gateway"}}, True),
        ({"object": "chat.completion", "choices": []}, False),
        ({"ok": True, "ts": "1"}, False),
    ],
)
def test_recognises(answer: dict[str, Any], ours: bool) -> None:
    assert recognises(answer) is ours
