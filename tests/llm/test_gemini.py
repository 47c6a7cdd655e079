"""Requests and answers of Gemini, field by field, and whole calls as the vendor's SDK made and read them."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.exchanges import SSE_HEADERS, body_of, data_events, event_time, exchange_of, request_of, response_of, sse_body
from rig.model_calls import inference_of, refusal_of
from rig.oracles import OracleCall, oracle_calls
from wirespan.http import ExchangeEnd, HttpExchange, HttpResponse
from wirespan.llm import (
    Generic,
    Inference,
    InferenceError,
    Media,
    Message,
    Outcome,
    Reasoning,
    RequestParameters,
    Text,
    TokenUsage,
    ToolCall,
    ToolCallResponse,
    ToolDefinition,
)
from wirespan.llm.gemini import read_answer, read_request, recognises

CALLS = oracle_calls("google_genai")
STUDIO = "/v1beta/models/gemini-3-pro:generateContent"
STREAM = "/v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse"
HI = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
CHUNKS: list[Any] = [
    {"candidates": [{"content": {"parts": [{"text": "Hel"}], "role": "model"}, "index": 0}], "responseId": "r"},
    {"candidates": [{"content": {"parts": [{"text": "lo"}], "role": "model"}, "index": 0}], "responseId": "r"},
    {
        "candidates": [{"finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5},
        "modelVersion": "gemini-3-pro-002",
    },
]


def gemini(response: HttpResponse | None, path: str = STUDIO, body: Any = HI, **changes: Any) -> HttpExchange:
    return exchange_of(request_of(body, path), response, **changes)


def case(name: str) -> OracleCall:
    return next(call for call in CALLS if call.case == name and call.said is not None)


# What the SDK sent and what it read


def said_by(message: Message) -> dict[str, Any]:
    """In the words of the recorder."""
    calls = [part for part in message.parts if isinstance(part, ToolCall)]
    code: list[Any] = [part.arguments["code"] for part in calls if part.server_side]
    code += [part.response for part in message.parts if isinstance(part, ToolCallResponse)]
    said: dict[str, Any] = {
        "text": "".join(part.content for part in message.parts if isinstance(part, Text)),
        "thoughts": "".join(part.content for part in message.parts if isinstance(part, Reasoning)),
        "calls": [{"id": part.id, "name": part.name, "args": part.arguments} for part in calls if not part.server_side],
        "code": code,
    }
    for part in message.parts:
        if isinstance(part, Media):
            said["image"] = part.sha256
    return said


@pytest.mark.parametrize("call", [call for call in CALLS if call.said is not None], ids=lambda call: call.case)
def test_reads_what_the_vendor_sdk_read(call: OracleCall) -> None:
    assert call.said is not None
    inference = inference_of(call.exchange())
    assert (inference.api, inference.operation, inference.request_model) == (
        "gemini",
        "generate_content",
        "gemini-3-pro",
    )
    assert inference.streamed == inference.parameters.stream == ("stream" in call.target)
    if "error" in call.said:
        error = call.said["error"]
        assert inference.error == InferenceError(error["status"], error["message"])
        return
    assert (inference.response_id, inference.response_model) == (call.said["id"], call.said["model"])
    assert inference.outcome is Outcome.OK
    _assert_usage(inference, call.said.get("usage", {}))
    if "blocked" in call.said:
        assert inference.output_messages == (Message("assistant", (), finish_reason="content_filter"),)
        assert inference.finish_reasons == (call.said["blocked"],)
        return
    candidates = list(call.said["candidates"].values())
    assert list(inference.finish_reasons) == [found.pop("finish_reason") for found in candidates]
    for found in candidates:
        if "image" in found:
            found["image"] = hashlib.sha256(base64.b64decode(found["image"])).hexdigest()
    assert [said_by(message) for message in inference.output_messages] == candidates


def _assert_usage(inference: Inference, usage: dict[str, Any]) -> None:
    assert inference.usage.total_tokens == usage.get("total_token_count")
    assert inference.usage.cache_read_input_tokens == usage.get("cached_content_token_count")
    assert inference.usage.reasoning_output_tokens == usage.get("thoughts_token_count")
    if "candidates_token_count" in usage:
        assert (inference.usage.input_tokens, inference.usage.output_tokens) == (40 + 2, 11 + 7)
        assert inference.extra["gen_ai.usage.image.input_tokens"] == 4


def test_reads_every_parameter_that_the_vendor_sdk_sends() -> None:
    reading = read_request(case("unstreamed, every parameter").request)
    assert reading.parameters == RequestParameters(
        max_tokens=64,
        temperature=0.25,
        top_p=0.5,
        top_k=20,
        frequency_penalty=0.2,
        presence_penalty=0.1,
        seed=7,
        choice_count=2,
        stop_sequences=("END",),
        output_type="json",
    )
    assert reading.system_instructions == (Text("Be terse."),)
    assert reading.extra == {"gemini.request.thinking_budget": 128}
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    assert reading.tool_definitions == (
        ToolDefinition("googleSearch", "googleSearch"),
        ToolDefinition("get_weather", "function", "Weather.", schema),
    )


def test_a_tool_loop_of_the_vendor_sdk() -> None:
    # GIVEN the two exchanges of a loop, in which the SDK called the function by itself
    first, second = (inference_of(call.exchange()) for call in CALLS if call.case == "a tool loop of the SDK")
    (asked,) = [part for part in first.output_messages[0].parts if isinstance(part, ToolCall)]
    assert first.output_messages[0].finish_reason == "tool_call"
    # THEN the second one repeats the call and brings its result
    assert second.input_messages == (
        Message("user", (Text("Weather in Rome?"),)),
        Message("assistant", (ToolCall(asked.id, "get_weather", asked.arguments),)),
        Message("user", (ToolCallResponse(None, {"result": "5 °C in Rome"}, "get_weather"),)),
    )


def test_bytes_in_the_alphabet_of_the_vendor_sdk() -> None:
    png = b"\x89PNG\r\n\x1a\n\xfb\xff\xfe"
    (message,) = read_request(case("images both ways").request).messages
    assert message.parts == (
        Media("image", "image/png", size_bytes=len(png), sha256=hashlib.sha256(png).hexdigest()),
        Media("video", "video/mp4", uri="gs://b/a.mp4"),
        Text("What is it?"),
    )


# Requests


def test_code_assist() -> None:
    body = {
        "model": "models/gemini-3-pro",
        "project": "p",
        "user_prompt_id": "prompt-1",
        "request": {
            **HI,
            "session_id": "s-1",
            "generationConfig": {"temperature": 0},
            "systemInstruction": {"parts": []},
        },
    }
    reading = read_request(body)
    assert (reading.model, reading.session_id) == ("gemini-3-pro", "s-1")
    assert reading.parameters.temperature == 0
    assert reading.messages == (Message("user", (Text("hi"),)),)
    assert reading.extra == {"gemini.request.user_prompt_id": "prompt-1"}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"responseModalities": ["TEXT", "IMAGE"]}, "image"),
        ({"response_modalities": ["AUDIO"]}, "speech"),
        ({"responseMimeType": "application/json"}, "json"),
        ({"responseMimeType": "text/x.enum"}, "json"),
        ({"responseMimeType": "text/plain"}, "text"),
        ({}, None),
    ],
)
def test_output_type(config: dict[str, Any], expected: str | None) -> None:
    assert read_request({**HI, "generationConfig": config}).parameters.output_type == expected


def test_other_fields() -> None:
    body = {
        "contents": {"role": "function", "parts": [{"functionResponse": {"name": "f", "response": {}}}]},
        "system_instruction": "Be nice.",
        "generation_config": {"thinking_config": {"thinking_level": "LOW"}},
        "cachedContent": "cachedContents/1",
        "serviceTier": "flex",
        "tools": {"function_declarations": {"name": "f", "parameters": {"type": "OBJECT"}}, "codeExecution": {}},
    }
    reading = read_request(body)
    assert reading.messages == (Message("tool", (ToolCallResponse(None, {}, "f"),)),)
    assert reading.system_instructions == (Text("Be nice."),)
    assert reading.parameters.reasoning_level == "LOW"
    assert reading.extra == {"gemini.request.cached_content": "cachedContents/1", "gemini.request.service_tier": "flex"}
    assert reading.tool_definitions == (
        ToolDefinition("f", "function", None, {"type": "OBJECT"}),
        ToolDefinition("codeExecution", "codeExecution"),
    )


# Answers


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("IMAGE_SAFETY", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", "error"),
        ("SOMETHING_NEW", "SOMETHING_NEW"),
    ],
)
def test_finish_reasons(reason: str, expected: str) -> None:
    reading = read_answer({"candidates": [{"finishReason": reason}]}, lambda _place: None)
    assert reading.finish_reasons == (reason,)
    assert reading.messages == (Message("assistant", (), finish_reason=expected),)


def test_what_stands_beside_the_content() -> None:
    grounding = {"webSearchQueries": ["q"], "groundingChunks": []}
    body = {
        "candidates": [
            {"content": {"parts": [{"text": "x"}]}, "groundingMetadata": grounding, "finishMessage": "because"},
        ],
        "usageMetadata": {"promptTokenCount": 3, "trafficType": "ON_DEMAND"},
    }
    reading = read_answer(body, lambda _place: None)
    assert reading.messages[0].parts == (
        Text("x"),
        Generic("groundingMetadata", grounding),
        Generic("finishMessage", "because"),
    )
    assert reading.usage == TokenUsage(input_tokens=3)
    assert reading.extra == {"gemini.response.traffic_type": "ON_DEMAND"}


def test_why_a_prompt_was_refused() -> None:
    feedback = {"blockReason": "OTHER", "blockReasonMessage": "It said so."}
    reading = read_answer({"promptFeedback": feedback}, lambda _place: None)
    assert reading.messages == (
        Message("assistant", (Generic("blockReasonMessage", "It said so."),), finish_reason="content_filter"),
    )
    assert reading.extra == {"gemini.response.block_reason": "OTHER"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"candidates": []}, True),
        ({"response": {"candidates": []}, "traceId": "t"}, True),
        ({"usageMetadata": {}, "modelVersion": "g"}, True),
        ({"usageMetadata": {}, "name": "cachedContents/1"}, False),
        ({"promptFeedback": {}}, True),
        ({"error": {"code": 400, "message": "x"}}, True),
        ({"choices": []}, False),
        ({"candidates": "text"}, False),
        ({"totalTokens": 3}, False),
        ({}, False),
    ],
)
def test_recognises(body: dict[str, Any], expected: bool) -> None:
    assert recognises(body) is expected


# Whole calls


def test_streamed_call() -> None:
    response = response_of(sse_body(data_events(*CHUNKS)), headers=SSE_HEADERS)
    inference = inference_of(gemini(response, STREAM, authority="generativelanguage.googleapis.com"))
    assert (inference.provider, inference.outcome) == ("gcp.gemini", Outcome.OK)
    assert inference.output_messages == (Message("assistant", (Text("Hello"),), finish_reason="stop"),)
    assert (inference.first_chunk_ns, inference.end_ns) == (event_time(0), event_time(2))
    assert inference.usage == TokenUsage(3, 2, total_tokens=5)


@pytest.mark.parametrize("separator", [b"\n,\r\n", b",", b" , "])
def test_a_json_array_is_a_stream_too(separator: bytes) -> None:
    # GIVEN what the API sends without alt=sse, in pieces
    pieces = [json.dumps(chunk).encode() for chunk in CHUNKS]
    content = b"[" + separator.join(pieces) + b"\n]"
    ends = [content.index(piece) + len(piece) for piece in pieces]
    timeline = tuple((end, event_time(place)) for place, end in enumerate(ends))
    body = body_of(content, timeline=(*timeline, (len(content), event_time(9))))
    inference = inference_of(gemini(response_of(body), STREAM.removesuffix("?alt=sse")))
    # THEN it reads like server-sent events
    assert inference.streamed
    assert inference.outcome is Outcome.OK
    assert inference.output_messages == (Message("assistant", (Text("Hello"),), finish_reason="stop"),)
    assert (inference.first_chunk_ns, inference.end_ns) == (event_time(0), event_time(2))
    assert [mark.time_ns for mark in inference.stream_events] == [event_time(place) for place in range(3)]


def test_a_cut_json_array() -> None:
    content = b"[" + json.dumps(CHUNKS[0]).encode() + b"\n,\r\n" + json.dumps(CHUNKS[1]).encode()[:30]
    exchange = gemini(response_of(body_of(content, complete=False)), STREAM, end=ExchangeEnd.CLOSED)
    inference = inference_of(exchange)
    assert inference.outcome is Outcome.CLIENT_ABORTED
    assert inference.output_messages == (Message("assistant", (Text("Hel"),), finish_reason="error"),)


def test_an_error_in_an_array() -> None:
    error = {"code": 429, "message": "Quota", "status": "RESOURCE_EXHAUSTED", "details": [{"retryDelay": "12.5s"}]}
    for body in ([{"error": error}], {"error": error}):
        inference = inference_of(gemini(response_of(body, 429), STREAM.removesuffix("?alt=sse")))
        assert inference.error == InferenceError("RESOURCE_EXHAUSTED", "Quota", 12.5)


def test_code_assist_over_http() -> None:
    wrapped = [{"response": chunk, "traceId": "t"} for chunk in CHUNKS]
    body = {"model": "gemini-3-pro", "project": "p", "user_prompt_id": "u", "request": {**HI, "session_id": "s-1"}}
    response = response_of(sse_body(data_events(*wrapped)), headers=SSE_HEADERS)
    path = "/v1internal:streamGenerateContent?alt=sse"
    inference = inference_of(gemini(response, path, body, authority="cloudcode-pa.googleapis.com"))
    assert (inference.provider, inference.request_model, inference.session_id) == ("gcp.gen_ai", "gemini-3-pro", "s-1")
    assert inference.output_messages == (Message("assistant", (Text("Hello"),), finish_reason="stop"),)
    assert inference.extra["gemini.response.trace_id"] == "t"
    assert inference.parameters.stream


def test_not_an_answer_of_gemini() -> None:
    assert refusal_of(gemini(response_of({"ok": True}))) == {"llm.not_inference.contradicted": 1}


_WORDS = (
    "contents parts text role request systemInstruction generationConfig thinkingConfig tools functionDeclarations "
    "candidates content finishReason usageMetadata promptTokensDetails modality tokenCount promptFeedback blockReason "
    "response error details"
)
_KEYS = st.sampled_from(_WORDS.split())
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.sampled_from(["TEXT", "STOP"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(_KEYS, _JSON, max_size=6))
def test_any_json(body: dict[str, Any]) -> None:
    read_request(body)
    recognises(body)
    read_answer(body, lambda _place: None)
