"""Requests and answers of the Responses API, field by field, and whole calls over HTTP."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.exchanges import SSE_HEADERS, body_of, event_time, exchange_of, named_events, request_of, response_of
from rig.model_calls import cut_stream, inference_of, stream
from rig.responses_calls import (
    CALL,
    COMPLETED,
    EVENTS,
    OUTPUT,
    REQUEST_STREAM,
    USAGE,
    event,
    function_call,
    message,
    response,
    responses,
    text_part,
)
from wirespan.http import ExchangeEnd
from wirespan.llm import (
    Generic,
    InferenceError,
    Message,
    Outcome,
    Reasoning,
    RequestParameters,
    Text,
    TokenUsage,
    ToolCall,
    ToolDefinition,
)
from wirespan.llm.api import AnswerReading, Step
from wirespan.llm.openai_responses import API, not_inference, read_answer, read_request, recognises

ANSWERED = Message(
    "assistant",
    (Reasoning("Look it up."), Text("Let me look."), ToolCall("call_1", "look", {"city": "Paris"})),
    finish_reason="tool_call",
)


def answer(body: dict[str, Any]) -> AnswerReading:
    return read_answer(body, lambda _place: None)


# Requests


def test_parameters() -> None:
    body = {
        "model": "gpt-6-sol",
        "input": "hi",
        "max_output_tokens": 64,
        "temperature": 0.5,
        "top_p": 0.9,
        "reasoning": {"effort": "low", "summary": "auto"},
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {}}, "verbosity": "low"},
        "stream": True,
        "service_tier": "flex",
        "store": False,
        "background": True,
        "truncation": "auto",
        "max_tool_calls": 3,
        "previous_response_id": "resp_0",
        "prompt": {"id": "pmpt_1", "version": "2", "variables": {"x": "y"}},
        "user": "ada",
    }
    reading = read_request(body)
    assert reading.model == "gpt-6-sol"
    assert reading.parameters == RequestParameters(
        max_tokens=64, temperature=0.5, top_p=0.9, reasoning_level="low", output_type="json", stream=True
    )
    assert reading.end_user_id == "ada"
    assert reading.extra == {
        "openai.api.type": "responses",
        "openai.request.service_tier": "flex",
        "gen_ai.request.previous_response.id": "resp_0",
        "gen_ai.prompt.name": "pmpt_1",
        "gen_ai.prompt.version": "2",
        "openai.request.reasoning.summary": "auto",
        "openai.request.text.verbosity": "low",
        "openai.request.truncation": "auto",
        "openai.request.store": False,
        "openai.request.background": True,
        "openai.request.max_tool_calls": 3,
        "wirespan.request.input_incomplete": True,
    }


def test_instructions_and_messages() -> None:
    reading = read_request({"model": "m", "instructions": "Be terse.", "input": [{"role": "user", "content": "hi"}]})
    assert reading.system_instructions == (Text("Be terse."),)
    assert reading.messages == (Message("user", (Text("hi"),)),)


def test_a_websocket_message_reads_like_a_body_that_streams() -> None:
    body = {"model": "m", "input": "hi", "previous_response_id": "resp_0"}
    assert read_request({"type": "response.create", **body}) == read_request({**body, "stream": True})


@pytest.mark.parametrize(
    ("fields", "session", "conversation"),
    [
        ({}, None, None),
        ({"conversation": "conv_1"}, None, "conv_1"),
        ({"conversation": {"id": "conv_1"}}, None, "conv_1"),
        ({"metadata": {"session_id": "s", "conversation_id": "c"}}, "s", "c"),
        # Codex
        ({"client_metadata": {"session_id": "s", "thread_id": "t"}, "prompt_cache_key": "t"}, "s", "t"),
        # OpenCode
        ({"prompt_cache_key": "ses_1"}, "ses_1", None),
        ({"prompt_cache_key": "shared prompt"}, None, None),
    ],
)
def test_sessions(fields: dict[str, Any], session: str | None, conversation: str | None) -> None:
    reading = read_request({"model": "m", "input": "x", **fields})
    assert (reading.session_id, reading.conversation_id) == (session, conversation)


def test_tool_definitions() -> None:
    schema = {"type": "object", "properties": {}}
    grammar = {"type": "grammar", "syntax": "lark", "definition": "start: x"}
    tools = [
        {"type": "function", "name": "look", "description": "d", "parameters": schema, "strict": True},
        {"type": "custom", "name": "apply_patch", "description": "p", "format": grammar},
        {"type": "namespace", "name": "crm", "description": "n", "tools": [{"type": "function", "name": "find"}]},
        {"type": "mcp", "server_label": "docs", "server_description": "s", "server_url": "https://e.org"},
        {"type": "web_search"},
        {"type": "tool_search", "parameters": schema},
        "odd",
    ]
    later = [{"type": "additional_tools", "role": "developer", "tools": [{"type": "function", "name": "late"}]}]
    assert read_request({"tools": tools, "input": later}).tool_definitions == (
        ToolDefinition("look", "function", "d", schema),
        ToolDefinition("apply_patch", "custom", "p", grammar),
        ToolDefinition("crm.find", "function"),
        ToolDefinition("docs", "mcp", "s"),
        ToolDefinition("web_search", "web_search"),
        ToolDefinition("tool_search", "tool_search", None, schema),
        ToolDefinition("late", "function"),
    )


def test_a_compacted_conversation_is_called_so() -> None:
    compaction = {"type": "compaction", "id": "cmp_1", "encrypted_content": "gAAA"}
    assert read_request({"input": [compaction]}).extra["gen_ai.conversation.compacted"] is True
    assert read_request({"input": []}).extra == {"openai.api.type": "responses"}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, None),
        ({"generate": True}, None),
        ({"generate": False}, "prewarm"),
        ({"prompt_cache_options": {"prewarm": True}}, "prewarm"),
        ({"prompt_cache_options": {"mode": "explicit"}}, None),
    ],
)
def test_prewarm_is_no_inference(fields: dict[str, Any], reason: str | None) -> None:
    assert not_inference({"model": "m", "input": "x", **fields}) == reason


# Answers


def test_a_whole_answer() -> None:
    assert answer(COMPLETED) == AnswerReading(
        id="resp_1",
        model="gpt-6-sol-2026-09-01",
        messages=(ANSWERED,),
        finish_reasons=("completed",),
        usage=TokenUsage(
            input_tokens=30,
            output_tokens=12,
            cache_read_input_tokens=20,
            cache_write_input_tokens=4,
            reasoning_output_tokens=7,
            total_tokens=42,
        ),
        extra={"openai.response.service_tier": "default"},
    )


@pytest.mark.parametrize(
    ("body", "reasons", "finish_reason"),
    [
        (response("completed", [message(text_part("x"))]), ("completed",), "stop"),
        (response("completed", [CALL]), ("completed",), "tool_call"),
        (
            response("completed", [{"type": "web_search_call", "id": "w", "action": {}}, message(text_part("x"))]),
            ("completed",),
            "stop",
        ),
        (
            response("incomplete", [message(text_part("x"))], incomplete_details={"reason": "max_output_tokens"}),
            ("max_output_tokens",),
            "length",
        ),
        (
            response("incomplete", [], incomplete_details={"reason": "content_filter"}),
            ("content_filter",),
            "content_filter",
        ),
        (response("incomplete", [CALL], incomplete_details={"reason": "steered"}), ("steered",), "steered"),
        (response("failed", [message(text_part("x"))]), ("failed",), "error"),
        (response("cancelled", [message(text_part("x"))]), ("cancelled",), "error"),
        (response("in_progress", [message(text_part("x"))]), (None,), None),
    ],
)
def test_how_it_finished(body: dict[str, Any], reasons: tuple[str | None, ...], finish_reason: str | None) -> None:
    reading = answer(body)
    assert reading.finish_reasons == reasons
    assert [said.finish_reason for said in reading.messages] == [finish_reason]


def test_a_response_in_the_background_has_said_nothing_yet() -> None:
    reading = answer(response("queued", background=True))
    assert (reading.messages, reading.finish_reasons) == ((), ())
    assert reading.extra == {"openai.response.status": "queued"}


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (
            response("failed", error={"code": "server_error", "message": "Sorry"}),
            InferenceError("server_error", "Sorry"),
        ),
        (response("failed"), InferenceError("failed", "the response failed, without a word why")),
        (response("cancelled"), InferenceError("cancelled", "the response was cancelled")),
        (COMPLETED, None),
        ({"error": {"type": "invalid_request_error", "message": "No"}}, InferenceError("invalid_request_error", "No")),
    ],
)
def test_errors(body: dict[str, Any], error: InferenceError | None) -> None:
    assert answer(body).error == error


def test_a_compaction_repeats_what_the_user_said() -> None:
    compaction = {"type": "compaction", "id": "cmp_1", "encrypted_content": "gAAA"}
    question = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "q"}]}
    body = {"id": "resp_1", "object": "response.compaction", "output": [question, compaction], "usage": USAGE}
    reading = answer(body)
    assert reading.messages == (
        Message("user", (Text("q"),)),
        Message(
            "assistant",
            (Generic("compaction", {"type": "compaction", "id": "cmp_1", "encrypted_chars": 4}),),
            finish_reason="stop",
        ),
    )
    assert reading.finish_reasons == (None, "completed")
    assert reading.usage.input_tokens == 30


def test_facts_beside_the_answer() -> None:
    token = {"token": "x", "logprob": -0.5}
    reading = answer(
        response(
            "completed",
            [message({**text_part("xx"), "logprobs": [token, token]})],
            tool_usage={"web_search": {"num_requests": 2}, "image_gen": {}},
        )
    )
    assert reading.extra == {"openai.usage.web_search.num_requests": 2, "wirespan.response.logprob_tokens": 2}


def test_ends_of_calls_by_their_place_in_the_output() -> None:
    ends = {(0, 0): 5, (0, 2): 9}
    reading = read_answer(response("completed", [CALL, message(), function_call("{}")]), ends.get)
    assert [part.end_ns for part in reading.messages[0].parts if isinstance(part, ToolCall)] == [5, 9]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (COMPLETED, True),
        ({"object": "response.compaction"}, True),
        ({"id": "x", "output": []}, True),
        ({"error": {"message": "x"}}, True),
        ({"object": "chat.completion", "choices": []}, False),
        ({"output": "text"}, False),
        ({}, False),
    ],
)
def test_recognises(body: dict[str, Any], expected: bool) -> None:
    assert recognises(body) is expected


# Whole calls over HTTP


def test_streamed_call() -> None:
    inference = inference_of(responses(stream(named_events(*EVENTS)), REQUEST_STREAM, authority="api.openai.com"))
    assert (inference.api, inference.operation, inference.provider) == ("openai.responses", "chat", "openai")
    assert (inference.outcome, inference.streamed) == (Outcome.OK, True)
    assert inference.first_chunk_ns == event_time(4)
    assert inference.end_ns == event_time(21)
    call = ToolCall("call_1", "look", {"city": "Paris"}, end_ns=event_time(20))
    assert inference.output_messages == (replace(ANSWERED, parts=(*ANSWERED.parts[:2], call)),)
    assert inference.finish_reasons == ("completed",)
    assert inference.response_json == COMPLETED
    assert "wirespan.response.unknown_events" not in inference.extra


def test_unstreamed_call_says_the_same() -> None:
    streamed = inference_of(responses(stream(named_events(*EVENTS)), REQUEST_STREAM))
    unstreamed = inference_of(responses(response_of(COMPLETED)))
    for name in ("response_json", "usage", "response_id", "response_model", "finish_reasons", "parameters"):
        mine, theirs = getattr(streamed, name), getattr(unstreamed, name)
        assert mine == (replace(theirs, stream=True) if name == "parameters" else theirs)
    assert unstreamed.first_chunk_ns is None


def test_done_behind_the_terminal_event_is_no_problem() -> None:
    events = [*named_events(*EVENTS), b"data: [DONE]\n\n"]
    inference = inference_of(responses(stream(events), REQUEST_STREAM))
    assert "wirespan.response.events_behind_end" not in inference.extra
    assert inference.end_ns == event_time(21)


def test_cut_stream() -> None:
    exchange = responses(cut_stream(named_events(*EVENTS[:18])), REQUEST_STREAM, end=ExchangeEnd.CLOSED)
    inference = inference_of(exchange)
    assert inference.outcome is Outcome.CLIENT_ABORTED
    assert inference.finish_reasons == ("error",)
    assert [type(part) for part in inference.output_messages[0].parts] == [Reasoning, Text, ToolCall]
    assert inference.output_messages[0].parts[2] == ToolCall("call_1", "look", '{"city":')
    assert inference.response_json["output"][:2] == OUTPUT[:2]


def test_failed_stream() -> None:
    failed = response("failed", error={"code": "rate_limit_exceeded", "message": "Slow down"})
    inference = inference_of(
        responses(stream(named_events(*EVENTS[:2], event("failed", response=failed))), REQUEST_STREAM)
    )
    assert inference.outcome is Outcome.PROVIDER_ERROR
    assert inference.error == InferenceError("rate_limit_exceeded", "Slow down")


def test_error_event() -> None:
    error = {"type": "error", "sequence_number": 3, "code": "server_error", "message": "Boom", "param": None}
    inference = inference_of(responses(stream(named_events(*EVENTS[:14], error)), REQUEST_STREAM))
    assert inference.error == InferenceError("server_error", "Boom")
    assert inference.outcome is Outcome.PROVIDER_ERROR
    assert inference.output_messages[0].parts[1] == Text("Let me look.")


def test_refused_call() -> None:
    body = {"error": {"message": "No key", "type": "invalid_request_error", "code": "invalid_api_key"}}
    inference = inference_of(responses(response_of(body, 401)))
    assert inference.error == InferenceError("invalid_request_error", "No key")


def test_credentials_for_hosted_tools_stay_here() -> None:
    tools = [{"type": "mcp", "server_label": "s", "authorization": "secret-1", "headers": {"X-Any": "secret-2"}}]
    echoed = response("completed", tools=tools)
    inference = inference_of(responses(response_of(echoed), {"model": "m", "input": "x", "tools": tools}))
    assert "secret" not in json.dumps([inference.request_json, inference.response_json])
    assert inference.request_json["tools"][0]["server_label"] == "s"


def test_compact_is_a_model_call() -> None:
    body = {"id": "resp_1", "object": "response.compaction", "output": [], "usage": USAGE}
    exchange = exchange_of(request_of({"model": "m", "input": []}, "/v1/responses/compact"), response_of(body))
    assert inference_of(exchange).usage.output_tokens == 12


def test_on_an_unknown_path_the_answer_tells() -> None:
    request = request_of({"model": "m", "input": "hi", "store": False}, "/llm")
    inference = inference_of(exchange_of(request, response_of(b"".join(named_events(*EVENTS)), headers=SSE_HEADERS)))
    assert inference.api == "openai.responses"


def test_a_message_pair_needs_no_exchange() -> None:
    """What a reader of WebSocket messages does: the frame that asks, the frames that answer."""
    frame = {"type": "response.create", "model": "gpt-6-sol", "input": "hi"}
    assert API.not_inference(frame) is None
    asked, merge = API.read_request(frame), API.new_merge(frame)
    steps = [merge.add(None, data, time_ns) for time_ns, data in enumerate(EVENTS)]
    assert steps.index(Step.END) == len(EVENTS) - 1
    merged = merge.answer()
    assert merged is not None
    assert API.read_answer(merged, merge.block_end).messages[0].parts[2] == ToolCall(
        "call_1", "look", {"city": "Paris"}, end_ns=20
    )
    assert asked.parameters.stream


def test_messages_of_a_socket_one_a_line_read_like_the_http_stream() -> None:
    frame = {"type": "response.create", "model": "gpt-6-sol", "input": "hi"}
    lines = b"\n".join(json.dumps(data).encode() for data in EVENTS)
    inference = inference_of(responses(response_of(body_of(lines)), frame))
    assert (inference.streamed, inference.parameters.stream, inference.outcome) == (True, True, Outcome.OK)
    assert inference.response_json == COMPLETED
    assert len(inference.stream_events) == len(EVENTS)


_WORDS = (
    "model input instructions conversation metadata client_metadata tools type name reasoning text format stream "
    "previous_response_id prompt id output status error incomplete_details usage object content tool_usage"
)
_KEYS = st.sampled_from(_WORDS.split())
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=3)
    | st.sampled_from(["response", "completed", "failed", "namespace", "message", "function_call"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(_KEYS, _JSON, max_size=6))
def test_any_json(body: dict[str, Any]) -> None:
    read_request(body)
    not_inference(body)
    recognises(body)
    answer(body)
