from __future__ import annotations

from typing import Any

import pytest

from wirespan.llm import InferenceError, Message, RequestParameters, Text, TokenUsage, ToolCall, ToolDefinition
from wirespan.llm.api import AnswerReading, RequestReading
from wirespan.llm.openai_chat import read_answer, read_request, read_usage, recognises

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
EVERY_FIELD: dict[str, Any] = {
    "model": "gpt-5.2",
    "messages": [{"role": "user", "content": "hi"}],
    "max_completion_tokens": 100,
    "max_tokens": 50,
    "temperature": 0.5,
    "top_p": 0.9,
    "top_k": 40,
    "frequency_penalty": 0.1,
    "presence_penalty": -0.1,
    "seed": 7,
    "n": 2,
    "stop": ["END", "\n"],
    "reasoning_effort": "high",
    "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}},
    "stream": True,
    "stream_options": {"include_usage": True},
    "service_tier": "flex",
    "user": "ada@example.org",
    "metadata": {"session_id": "s-1", "conversation_id": "c-1"},
    "tools": [
        {"type": "function", "function": {"name": "get_weather", "description": "Weather", "parameters": SCHEMA}},
        {"type": "custom", "custom": {"name": "sh", "description": "Shell", "format": {"type": "text"}}},
        {"type": "function", "name": "flat", "parameters": SCHEMA},
        {"type": "web_search"},
    ],
    "functions": [{"name": "old", "parameters": SCHEMA}],
}


def test_reads_every_request_field() -> None:
    assert read_request(EVERY_FIELD) == RequestReading(
        model="gpt-5.2",
        parameters=RequestParameters(
            max_tokens=100,
            temperature=0.5,
            top_p=0.9,
            top_k=40,
            frequency_penalty=0.1,
            presence_penalty=-0.1,
            seed=7,
            choice_count=2,
            stop_sequences=("END", "\n"),
            reasoning_level="high",
            output_type="json",
            stream=True,
        ),
        messages=(Message("user", (Text("hi"),)),),
        tool_definitions=(
            ToolDefinition("get_weather", "function", "Weather", SCHEMA),
            ToolDefinition("sh", "custom", "Shell", {"type": "text"}),
            ToolDefinition("flat", "function", None, SCHEMA),
            ToolDefinition("web_search", "web_search"),
            ToolDefinition("old", "function", None, SCHEMA),
        ),
        end_user_id="ada@example.org",
        session_id="s-1",
        conversation_id="c-1",
        extra={"openai.api.type": "chat_completions", "openai.request.service_tier": "flex"},
    )


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, RequestParameters()),
        ({"max_tokens": 5}, RequestParameters(max_tokens=5)),
        ({"stop": "END"}, RequestParameters(stop_sequences=("END",))),
        ({"stream": False}, RequestParameters()),
        ({"modalities": ["text", "audio"]}, RequestParameters(output_type="speech")),
        ({"modalities": ["image", "text"]}, RequestParameters(output_type="image")),
        ({"response_format": {"type": "text"}}, RequestParameters(output_type="text")),
        ({"response_format": {"type": "json_object"}}, RequestParameters(output_type="json")),
        ({"reasoning": {"effort": "low"}}, RequestParameters(reasoning_level="low")),
        ({"random_seed": 3}, RequestParameters(seed=3)),
        ({"temperature": 0, "top_p": 1}, RequestParameters(temperature=0, top_p=1)),
        # Of the wrong type: as if it were not there.
        ({"temperature": "warm", "max_tokens": 10**30, "n": 1.5, "stop": 7}, RequestParameters()),
    ],
)
def test_reads_parameters(body: dict[str, Any], expected: RequestParameters) -> None:
    assert read_request(body).parameters == expected


@pytest.mark.parametrize(
    ("body", "user", "session"),
    [
        ({"user": "u"}, "u", None),
        ({"safety_identifier": "hash"}, "hash", None),
        ({"prompt_cache_key": "ses_5f"}, None, "ses_5f"),
        ({"prompt_cache_key": "my-app-prompt-v1"}, None, None),
        ({"user": {"not": "text"}}, None, None),
    ],
)
def test_reads_user_and_session(body: dict[str, Any], user: str | None, session: str | None) -> None:
    reading = read_request(body)
    assert (reading.end_user_id, reading.session_id) == (user, session)


def test_reads_an_answer_with_two_choices_in_order() -> None:
    answer = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "gpt-5.2-2026",
        "service_tier": "default",
        "system_fingerprint": "fp_1",
        "choices": [
            {
                "index": 1,
                "finish_reason": "tool_calls",
                "message": {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f"}}]},
            },
            {
                "index": 0,
                "finish_reason": "length",
                "message": {"role": "assistant", "content": "Hel"},
                "logprobs": {"content": [{"token": "Hel"}], "refusal": None},
            },
        ],
        "usage": {"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11},
    }
    assert read_answer(answer, lambda place: 1000 * place[0] + place[1]) == AnswerReading(
        id="chatcmpl-1",
        model="gpt-5.2-2026",
        messages=(
            Message("assistant", (Text("Hel"),), finish_reason="length"),
            Message("assistant", (ToolCall("c", "f", None, end_ns=1000),), finish_reason="tool_call"),
        ),
        finish_reasons=("length", "tool_calls"),
        usage=TokenUsage(5, 6, total_tokens=11),
        extra={
            "openai.response.service_tier": "default",
            "openai.response.system_fingerprint": "fp_1",
            "wirespan.response.logprob_tokens": 1,
        },
    )


@pytest.mark.parametrize(
    ("vendor", "ours"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("model_length", "length"),
        ("content_filter", "content_filter"),
        ("tool_calls", "tool_call"),
        ("function_call", "tool_call"),
        ("insufficient_system_resource", "error"),
        ("something_new", "something_new"),
    ],
)
def test_finish_reasons(vendor: str, ours: str) -> None:
    answer = {"choices": [{"index": 0, "message": {"content": "x"}, "finish_reason": vendor}]}
    reading = read_answer(answer, lambda _place: None)
    assert reading.finish_reasons == (vendor,)
    assert reading.messages[0].finish_reason == ours


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({}, TokenUsage()),
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "total_tokens": 150,
                "prompt_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 10, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 30},
            },
            TokenUsage(100, 50, 64, 10, 30, 150),
        ),
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 5,
                "prompt_cache_hit_tokens": 64,
                "prompt_cache_miss_tokens": 36,
            },
            TokenUsage(100, 5, cache_read_input_tokens=64),
        ),
        # xAI: 32 + 9 + 94 = 135, so its completion_tokens leave out the reasoning.
        (
            {
                "prompt_tokens": 32,
                "completion_tokens": 9,
                "total_tokens": 135,
                "completion_tokens_details": {"reasoning_tokens": 94},
            },
            TokenUsage(32, 103, reasoning_output_tokens=94, total_tokens=135),
        ),
        ({"prompt_tokens": "many", "completion_tokens": None, "prompt_tokens_details": []}, TokenUsage()),
        ({"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 0}}, TokenUsage(5, cache_read_input_tokens=0)),
    ],
)
def test_usage(usage: dict[str, Any], expected: TokenUsage) -> None:
    assert read_usage(usage) == expected


def test_usage_of_groq_streams() -> None:
    answer = {"choices": [], "x_groq": {"id": "req_1", "usage": {"prompt_tokens": 1, "completion_tokens": 2}}}
    assert read_answer(answer, lambda _place: None).usage == TokenUsage(1, 2)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"error": {"message": "no", "type": "server_error"}}, InferenceError("server_error", "no")),
        (
            {"choices": [{"index": 0, "error": {"code": 502, "message": "upstream"}, "message": {"content": ""}}]},
            InferenceError("502", "upstream"),
        ),
        ({"choices": [{"index": 0, "message": {"content": "x"}}]}, None),
    ],
)
def test_errors_inside_of_an_answer(answer: dict[str, Any], expected: InferenceError | None) -> None:
    assert read_answer(answer, lambda _place: None).error == expected


@pytest.mark.parametrize(
    ("answer", "ours"),
    [
        ({"object": "chat.completion", "choices": []}, True),
        ({"choices": []}, True),
        ({"object": "chat.completion", "choices": None}, True),
        ({"error": {"message": "x"}}, True),
        ({"type": "message", "content": []}, False),
        ({"ok": True}, False),
        ({"message": {"role": "assistant"}, "done": True}, False),
        ({"message": "sent"}, False),
    ],
)
def test_recognises(answer: dict[str, Any], ours: bool) -> None:
    assert recognises(answer) is ours
