"""HTTP events in, inferences and verdicts out: whole calls as clients and servers make them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rig.exchanges import (
    CONNECTION_ID,
    REQUEST_START_NS,
    RESPONSE_START_NS,
    SSE_HEADERS,
    body_of,
    connection,
    data_events,
    event_time,
    exchange_of,
    head_of,
    named_events,
    received_of,
    request_of,
    response_of,
    sse_body,
)
from wirespan.capture import Verdict, VerdictKind
from wirespan.counters import Counters
from wirespan.http import BodyGap, ExchangeEnd, HttpExchange, HttpResponse, Role, Uncovered
from wirespan.llm import (
    Inference,
    InferenceError,
    Llm,
    LlmSettings,
    Message,
    Outcome,
    StreamEventMark,
    Text,
    TokenUsage,
    ToolCall,
)

USER = {"role": "user", "content": "hi"}
CHAT = {"model": "gpt-5.2", "messages": [USER]}
CHAT_STREAM = {**CHAT, "stream": True}
CLAUDE = {"model": "claude-opus-5", "max_tokens": 9, "messages": [USER]}
CLAUDE_STREAM = {**CLAUDE, "stream": True}
VERSION = {"anthropic-version": "2023-06-01"}

COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "gpt-5.2-2026",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-opus-5-1",
    "content": [{"type": "text", "text": "Hello"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 2},
}
OPENAI_ERROR = {"error": {"message": "No such model", "type": "invalid_request_error", "code": "model_not_found"}}


def chunk(delta: dict[str, Any], finish_reason: str | None = None, **fields: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "model": "gpt-5.2-2026",
        "choices": [choice],
        **fields,
    }


CALL = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "look", "arguments": ""}}
USAGE = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [], "usage": COMPLETION["usage"]}
CHUNKS: list[Any] = [
    chunk({"role": "assistant", "content": ""}),
    chunk({"content": "Hel"}),
    chunk({"content": "lo"}),
    chunk({"tool_calls": [CALL]}),
    chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"x":1}'}}]}),
    chunk({}, "tool_calls"),
    USAGE,
    "[DONE]",
]
EVENTS: list[dict[str, Any]] = [
    {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}},
    {"type": "ping"},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hel"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "lo"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
    {"type": "message_stop"},
]


def received(event: Any, llm_settings: LlmSettings | None = None) -> tuple[list[Any], dict[str, int]]:
    """What the room gives for one event, and what it counted."""
    counters = Counters()
    given_on = list(Llm(llm_settings or LlmSettings(), counters).receive(event))
    for item in given_on:
        if isinstance(item, Inference):  # whoever comes next has to be able to write it
            json.dumps([item.request_json, item.response_json, item.extra], allow_nan=False)
    return given_on, dict(counters.snapshot())


def inference_of(exchange: HttpExchange) -> Inference:
    (inference,), counts = received(exchange)
    assert isinstance(inference, Inference)
    assert counts == {"llm.inferences": 1, f"llm.outcome.{inference.outcome.value}": 1}
    return inference


def refusal_of(exchange: HttpExchange) -> dict[str, int]:
    given_on, counts = received(exchange)
    assert given_on == []
    return counts


def chat(response: HttpResponse | None, request: Any = CHAT, **changes: Any) -> HttpExchange:
    return exchange_of(request_of(request), response, **changes)


def claude(response: HttpResponse | None, request: Any = CLAUDE, **changes: Any) -> HttpExchange:
    return exchange_of(request_of(request, "/v1/messages", headers=VERSION), response, **changes)


def stream(events: list[bytes], **changes: Any) -> HttpResponse:
    return response_of(sse_body(events, **changes), headers=SSE_HEADERS)


def cut_stream(events: list[bytes]) -> HttpResponse:
    return stream(events, complete=False)


# Whole calls


def test_unstreamed_chat() -> None:
    headers = {
        "x-request-id": "req_1",
        "content-type": "application/json",
    }
    request = request_of(
        {**CHAT, "user": "ada"},
        headers={
            "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03",
            "x-stainless-retry-count": "2",
            "x-session-id": "s-1",
        },
    )
    inference = inference_of(exchange_of(request, response_of(COMPLETION, headers=headers), "api.openai.com"))
    assert inference == Inference(
        exchange=inference.exchange,
        api="openai.chat",
        operation="chat",
        provider="openai",
        request_model="gpt-5.2",
        response_model="gpt-5.2-2026",
        response_id="chatcmpl-1",
        parameters=inference.parameters,
        system_instructions=(),
        input_messages=(Message("user", (Text("hi"),)),),
        output_messages=(Message("assistant", (Text("Hello"),), finish_reason="stop"),),
        tool_definitions=(),
        finish_reasons=("stop",),
        usage=TokenUsage(3, 2, total_tokens=5),
        outcome=Outcome.OK,
        error=None,
        streamed=False,
        start_ns=REQUEST_START_NS,
        first_chunk_ns=None,
        end_ns=RESPONSE_START_NS,
        request_json={**CHAT, "user": "ada"},
        response_json=COMPLETION,
        resend_count=2,
        session_id="s-1",
        end_user_id="ada",
        request_id="req_1",
        traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03",
        extra={"openai.api.type": "chat_completions"},
    )


def test_streamed_chat() -> None:
    inference = inference_of(chat(stream(data_events(*CHUNKS)), CHAT_STREAM))
    assert inference.streamed
    assert inference.outcome is Outcome.OK
    assert inference.first_chunk_ns == event_time(1)
    assert inference.end_ns == event_time(7)
    assert inference.output_messages == (
        Message(
            "assistant",
            (Text("Hello"), ToolCall("call_1", "look", {"x": 1}, end_ns=event_time(5))),
            finish_reason="tool_call",
        ),
    )
    assert inference.finish_reasons == ("tool_calls",)
    assert inference.usage == TokenUsage(3, 2, total_tokens=5)
    assert inference.response_json["object"] == "chat.completion"
    assert inference.stream_events == tuple(
        StreamEventMark(event_time(position), len(event)) for position, event in enumerate(data_events(*CHUNKS))
    )


def test_streamed_messages() -> None:
    inference = inference_of(claude(stream(named_events(*EVENTS)), CLAUDE_STREAM))
    assert (inference.api, inference.provider, inference.operation) == ("anthropic.messages", "anthropic", "chat")
    assert inference.first_chunk_ns == event_time(3)
    assert inference.end_ns == event_time(7)
    assert inference.output_messages == (Message("assistant", (Text("Hello"),), finish_reason="stop"),)
    assert inference.finish_reasons == ("end_turn",)
    assert inference.response_json == MESSAGE


def test_streamed_and_unstreamed_give_the_same() -> None:
    streamed = inference_of(claude(stream(named_events(*EVENTS)), CLAUDE_STREAM))
    unstreamed = inference_of(claude(response_of(MESSAGE)))
    for name in ("response_json", "output_messages", "usage", "response_id", "response_model", "finish_reasons"):
        assert getattr(streamed, name) == getattr(unstreamed, name)


def test_a_stream_request_answered_with_plain_json() -> None:
    inference = inference_of(chat(response_of(COMPLETION), CHAT_STREAM))
    assert inference.outcome is Outcome.OK
    assert inference.parameters.stream
    assert not inference.streamed
    assert inference.first_chunk_ns is None


@pytest.mark.parametrize("headers", [SSE_HEADERS, {"content-type": "application/json"}, {}])
def test_a_stream_nobody_asked_for(headers: dict[str, str]) -> None:
    inference = inference_of(chat(response_of(sse_body(data_events(*CHUNKS)), headers=headers)))
    assert inference.outcome is Outcome.OK
    assert inference.streamed


def test_json_under_the_content_type_of_a_stream() -> None:
    inference = inference_of(chat(response_of(COMPLETION, headers=SSE_HEADERS), CHAT_STREAM))
    assert inference.outcome is Outcome.OK
    assert not inference.streamed


def test_azure_names_its_model_in_the_path() -> None:
    request = request_of({"messages": [USER]}, "/openai/deployments/my-gpt/chat/completions?api-version=2026-01-01")
    inference = inference_of(exchange_of(request, response_of(COMPLETION), "res.openai.azure.com"))
    assert inference.request_model == "my-gpt"
    assert inference.provider == "azure.ai.openai"


def test_two_choices() -> None:
    def of(index: int, delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        return {**chunk({}), "choices": [{"index": index, "delta": delta, "finish_reason": reason}]}

    events = data_events(of(0, {"content": "a"}), of(1, {"content": "b"}), of(0, {}, "stop"), of(1, {}, "length"))
    inference = inference_of(chat(cut_stream(events), {**CHAT_STREAM, "n": 2}, end=ExchangeEnd.CLOSED))
    assert inference.outcome is Outcome.OK
    assert inference.finish_reasons == ("stop", "length")
    assert [message.parts for message in inference.output_messages] == [(Text("a"),), (Text("b"),)]


def test_session_and_user_of_claude_code() -> None:
    user_id = json.dumps({"device_id": "d", "account_uuid": "acc", "session_id": "s-body"})
    request = {**CLAUDE, "metadata": {"user_id": user_id}}
    headers = {**VERSION, "x-claude-code-session-id": "s-head"}
    inference = inference_of(exchange_of(request_of(request, "/v1/messages", headers=headers), response_of(MESSAGE)))
    assert (inference.session_id, inference.end_user_id) == ("s-body", "acc")


# How calls end


@pytest.mark.parametrize(
    "end", [ExchangeEnd.CLOSED, ExchangeEnd.SUPERSEDED, ExchangeEnd.PROCESS_EXITED, ExchangeEnd.DESYNCHRONISED]
)
def test_the_end_marker_counts_not_the_end_of_the_body(end: ExchangeEnd) -> None:
    # SDKs close right behind `data: [DONE]`; the last chunk of the transfer coding never comes.
    assert inference_of(chat(cut_stream(data_events(*CHUNKS)), CHAT_STREAM, end=end)).outcome is Outcome.OK
    assert inference_of(claude(cut_stream(named_events(*EVENTS)), CLAUDE_STREAM, end=end)).outcome is Outcome.OK


def test_finish_reasons_count_without_the_end_marker() -> None:
    chat_end = inference_of(chat(cut_stream(data_events(*CHUNKS[:6])), CHAT_STREAM, end=ExchangeEnd.CLOSED))
    assert (chat_end.outcome, chat_end.end_ns) == (Outcome.OK, event_time(5))
    messages_end = inference_of(claude(cut_stream(named_events(*EVENTS[:7])), CLAUDE_STREAM, end=ExchangeEnd.CLOSED))
    assert (messages_end.outcome, messages_end.end_ns) == (Outcome.OK, event_time(6))


@pytest.mark.parametrize("end", [ExchangeEnd.CLOSED, ExchangeEnd.SUPERSEDED, ExchangeEnd.PROCESS_EXITED])
def test_a_client_that_left_in_the_middle(end: ExchangeEnd) -> None:
    inference = inference_of(chat(cut_stream(data_events(*CHUNKS[:5])), CHAT_STREAM, end=end))
    assert inference.outcome is Outcome.CLIENT_ABORTED
    assert inference.error is not None
    assert inference.error.type == "aborted"
    assert inference.finish_reasons == ("error",)
    # The call that was being written is kept, but has no end.
    call = ToolCall("call_1", "look", {"x": 1}, end_ns=None)
    assert inference.output_messages == (Message("assistant", (Text("Hello"), call), finish_reason="error"),)
    assert inference.end_ns == event_time(4)


def test_a_client_that_left_before_the_first_event() -> None:
    inference = inference_of(chat(cut_stream([]), CHAT_STREAM, end=ExchangeEnd.CLOSED))
    assert inference.outcome is Outcome.CLIENT_ABORTED
    assert inference.finish_reasons == ("error",)
    assert inference.output_messages == ()


def test_a_server_that_ended_the_body_without_the_end_of_the_answer() -> None:
    inference = inference_of(claude(stream(named_events(*EVENTS[:4])), CLAUDE_STREAM))
    assert inference.outcome is Outcome.INCOMPLETE
    assert inference.error is not None
    assert inference.error.type == "incomplete"
    assert inference.finish_reasons == ("error",)
    assert inference.output_messages[0].parts == (Text("Hel"),)


def test_a_hole_in_our_copy() -> None:
    response = stream(data_events(*CHUNKS[:3]), complete=False, gaps=(BodyGap(100, 4096),))
    inference = inference_of(chat(response, CHAT_STREAM))
    assert inference.outcome is Outcome.CAPTURE_GAP
    assert inference.error is not None
    assert inference.error.type == "capture"
    assert inference.finish_reasons == ()
    assert inference.output_messages == (Message("assistant", (Text("Hello"),)),)


def test_a_body_nobody_here_can_decode() -> None:
    body = replace(body_of(b"\x00"), content=None, decode_error="unknown coding: exotic")
    inference = inference_of(chat(response_of(body)))
    assert inference.outcome is Outcome.CAPTURE_GAP
    assert inference.extra["wirespan.response.body_problem"] == "body not decoded: unknown coding: exotic"


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        (ExchangeEnd.CLOSED, Outcome.INCOMPLETE),
        (ExchangeEnd.PROCESS_EXITED, Outcome.CLIENT_ABORTED),
        (ExchangeEnd.IDLE, Outcome.INCOMPLETE),
        (ExchangeEnd.EVICTED, Outcome.CAPTURE_GAP),
    ],
)
def test_no_response(end: ExchangeEnd, outcome: Outcome) -> None:
    inference = inference_of(chat(None, CHAT_STREAM, end=end, end_ns=50_000))
    assert inference.outcome is outcome
    assert inference.end_ns == 50_000
    assert inference.streamed
    assert (inference.response_json, inference.output_messages, inference.finish_reasons) == (None, (), ())


def test_a_request_that_the_client_never_finished() -> None:
    request = request_of(body_of(b'{"model": "gpt-5.2", "mess', complete=False))
    inference = inference_of(exchange_of(request, None, end=ExchangeEnd.CLOSED))
    assert inference.outcome is Outcome.CLIENT_ABORTED
    assert inference.request_model == "gpt-5.2"


def test_json_that_was_cut() -> None:
    content = json.dumps(COMPLETION).encode()[:150]
    inference = inference_of(chat(response_of(body_of(content, complete=False)), end=ExchangeEnd.CLOSED))
    assert inference.outcome is Outcome.INCOMPLETE
    assert inference.response_json == content.decode()
    assert inference.response_model == "gpt-5.2-2026"
    assert inference.output_messages[0].parts == (Text("Hello"),)
    assert inference.extra["wirespan.response.body_problem"].startswith("not JSON: ")


def test_a_whole_json_is_whole_whatever_the_framing_says() -> None:
    body = body_of(json.dumps(COMPLETION).encode(), complete=False)
    assert inference_of(chat(response_of(body), end=ExchangeEnd.CLOSED)).outcome is Outcome.OK


# Errors


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (404, OPENAI_ERROR, "invalid_request_error"),
        (500, b"", "500"),
        (502, b"<html><title>502 Bad Gateway</title></html>", "502"),
    ],
)
def test_errors_by_status(status: int, body: Any, kind: str) -> None:
    inference = inference_of(chat(response_of(body, status), CHAT_STREAM))
    assert inference.outcome is Outcome.PROVIDER_ERROR
    assert inference.error is not None
    assert inference.error.type == kind
    assert inference.finish_reasons == ()
    assert inference.response_json == (body.decode() if isinstance(body, bytes) else body)


def test_rate_limit() -> None:
    headers = {"content-type": "application/json", "retry-after": "7", "x-request-id": "req_9"}
    error = {"type": "error", "error": {"type": "rate_limit_error", "message": "Slow down"}}
    inference = inference_of(claude(response_of(error, 429, headers)))
    assert inference.error == InferenceError("rate_limit_error", "Slow down", 7.0)
    assert inference.request_id == "req_9"


def test_an_error_under_status_200() -> None:
    inference = inference_of(chat(response_of(OPENAI_ERROR)))
    assert inference.outcome is Outcome.PROVIDER_ERROR
    assert inference.error == InferenceError("invalid_request_error", "No such model")


def test_an_error_in_the_middle_of_a_stream() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    inference = inference_of(claude(stream(named_events(*EVENTS[:4], error)), CLAUDE_STREAM))
    assert inference.outcome is Outcome.PROVIDER_ERROR
    assert inference.error == InferenceError("overloaded_error", "Overloaded")
    assert inference.finish_reasons == ("error",)
    assert inference.output_messages == (Message("assistant", (Text("Hel"),), finish_reason="error"),)
    assert inference.end_ns == event_time(4)


def test_an_error_event_alone() -> None:
    inference = inference_of(chat(stream(data_events(OPENAI_ERROR, "[DONE]")), CHAT_STREAM))
    assert inference.outcome is Outcome.PROVIDER_ERROR
    assert inference.response_json == OPENAI_ERROR
    assert inference.first_chunk_ns is None


def test_an_error_status_with_an_event_stream() -> None:
    response = response_of(sse_body(named_events({"type": "error", "error": {"type": "api_error"}})), 500, SSE_HEADERS)
    inference = inference_of(claude(response, CLAUDE_STREAM))
    assert inference.error == InferenceError("api_error", "HTTP 500")


@pytest.mark.parametrize("body", [b"<html><title>Welcome</title></html>", b""])
def test_a_web_page_or_nothing_where_an_answer_should_be(body: bytes) -> None:
    inference = inference_of(chat(response_of(body)))
    assert inference.outcome is Outcome.PROVIDER_ERROR
    assert inference.error is not None
    assert inference.error.type == "invalid_response"


# What is no inference


@pytest.mark.parametrize(
    ("exchange", "count"),
    [
        (chat(response_of({"ok": True})), "not_inference.contradicted"),
        (chat(response_of(b"[1]")), "not_inference.contradicted"),
        (chat(stream(data_events({"type": "tick"}, {"type": "tock"}))), "not_inference.contradicted"),
        (chat(response_of(b"", 307, {"location": "/elsewhere"})), "not_inference.redirect"),
        (exchange_of(request_of(CHAT, "/api/llm"), response_of({"id": 1})), "not_inference.contradicted"),
        (exchange_of(request_of(CHAT, "/api/llm"), response_of(b"<html>")), "not_inference.contradicted"),
        (exchange_of(request_of(CHAT, "/api/llm"), response_of(b"<html>", 404)), "not_inference.unconfirmed"),
        (exchange_of(request_of(CHAT, "/api/llm"), response_of({"message": "x"}, 404)), "not_inference.unconfirmed"),
        (exchange_of(request_of(CLAUDE, "/rooms/messages"), response_of({"ok": 1})), "not_inference.contradicted"),
        (exchange_of(request_of(CHAT, "/v1/responses"), None), "not_inference.shape"),
        (exchange_of(request_of({**CHAT, "input": "x"}, "/v1/responses"), None), "uncovered.openai.responses"),
        (exchange_of(request_of(CHAT, "/v1/models", "GET"), None), "not_inference.method"),
        (chat(response_of(COMPLETION), role=Role.SERVER), "server_role"),
    ],
)
def test_counted_and_dropped(exchange: HttpExchange, count: str) -> None:
    assert refusal_of(exchange) == {f"llm.{count}": 1}


def test_an_unknown_path_is_believed_when_the_answer_confirms_it() -> None:
    assert inference_of(exchange_of(request_of(CHAT, "/api/llm"), response_of(COMPLETION))).api == "openai.chat"
    error = exchange_of(request_of(CHAT, "/api/llm"), response_of(OPENAI_ERROR, 404))
    assert inference_of(error).outcome is Outcome.PROVIDER_ERROR


def test_the_answer_tells_the_families_apart_where_the_request_can_not() -> None:
    # GIVEN a minimal Anthropic body on a path that says nothing: by shape it is openai.chat
    unstreamed = exchange_of(request_of(CLAUDE, "/proxy"), response_of(MESSAGE))
    streamed = exchange_of(request_of(CLAUDE_STREAM, "/proxy"), stream(named_events(*EVENTS)))
    for exchange in (unstreamed, streamed):
        inference = inference_of(exchange)
        assert inference.api == "anthropic.messages"
        assert inference.output_messages == (Message("assistant", (Text("Hello"),), finish_reason="stop"),)


def test_server_role_when_wanted() -> None:
    given_on, _ = received(chat(response_of(COMPLETION), role=Role.SERVER), LlmSettings(capture_server_role=True))
    assert [type(item) for item in given_on] == [Inference]


# What could not be read as it should


def test_a_request_that_was_cut_keeps_what_is_there() -> None:
    content = b'{"model": "gpt-5.2", "stream": true, "messages": [{"role": "user", "content": "hello wo'
    request = request_of(body_of(content, complete=False, gaps=(BodyGap(len(content), None),)))
    inference = inference_of(exchange_of(request, stream(data_events(*CHUNKS))))
    assert inference.outcome is Outcome.OK
    assert inference.request_json == content.decode()
    assert inference.request_model == "gpt-5.2"
    assert inference.input_messages == (Message("user", (Text("hello wo"),)),)
    assert inference.extra["wirespan.request.body_problem"].startswith("not JSON: ")


def test_unknown_events_and_events_behind_the_end_are_told() -> None:
    events = data_events(CHUNKS[1], {"type": "tick"}, "garbage {", CHUNKS[5], "[DONE]", CHUNKS[2])
    inference = inference_of(chat(stream(events), CHAT_STREAM))
    assert inference.output_messages[0].parts == (Text("Hel"),)
    assert inference.extra["wirespan.response.unknown_events"] == 2
    assert inference.extra["wirespan.response.events_behind_end"] == 1
    assert len(inference.stream_events) == 6


# Verdicts


@pytest.mark.parametrize(
    ("path", "method", "headers", "kind"),
    [
        ("/v1/chat/completions", "POST", {}, VerdictKind.WANTED),
        ("/v1/messages?beta=true", "POST", VERSION, VerdictKind.WANTED),
        ("/v1/models", "GET", {}, VerdictKind.MUTED),
        ("/v1/traces", "POST", {}, VerdictKind.MUTED),
        ("/upload", "POST", {"content-type": "application/octet-stream"}, VerdictKind.MUTED),
        ("/anything", "POST", {}, None),
        ("/rooms/1/messages", "POST", {}, None),
    ],
)
def test_verdict_on_the_head(path: str, method: str, headers: dict[str, str], kind: VerdictKind | None) -> None:
    given_on, counts = received(head_of(request_of(b"", path, method, headers)))
    assert given_on == ([Verdict(CONNECTION_ID, 7, kind)] if kind is not None else [])
    assert counts == {}


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("/anything", CHAT, VerdictKind.WANTED),
        ("/anything", {"resourceSpans": [], "messages": 1}, VerdictKind.MUTED),
        ("/anything", {"hello": 1}, VerdictKind.MUTED),
        ("/anything", b"\xff\x00", VerdictKind.MUTED),
        ("/rooms/1/messages", {"role": "user", "content": "hi"}, VerdictKind.MUTED),
        ("/proxy/messages", CLAUDE, VerdictKind.WANTED),
        ("/backend-api/codex/responses", {"model": "m", "input": []}, VerdictKind.WANTED),
        ("/v1/chat/completions", CHAT, None),
    ],
)
def test_verdict_on_the_whole_request(path: str, body: Any, kind: VerdictKind | None) -> None:
    given_on, counts = received(received_of(request_of(body, path)))
    assert given_on == ([Verdict(CONNECTION_ID, 7, kind)] if kind is not None else [])
    assert counts == {}


def test_a_websocket_on_a_models_path_is_counted() -> None:
    head = head_of(request_of(b"", "/v1/responses", "GET", {"upgrade": "websocket"}))
    assert received(head) == ([], {"llm.uncovered.openai.responses": 1})


def test_what_the_http_room_can_not_read_is_muted() -> None:
    muted = Verdict(CONNECTION_ID, 3, VerdictKind.MUTED)
    assert received(Uncovered(connection(), "h2", 5, request_seq=3)) == ([muted], {})


def test_the_server_side_is_muted() -> None:
    muted = Verdict(CONNECTION_ID, 7, VerdictKind.MUTED)
    assert received(head_of(request_of(CHAT), role=Role.SERVER)) == ([muted], {})
    assert received(received_of(request_of(CHAT, "/x"), role=Role.SERVER)) == ([], {})


def test_nothing_waits_for_time_to_pass() -> None:
    assert list(Llm(LlmSettings(), Counters()).expire(10**18)) == []


# Hostile traffic


def _keys_of(value: Any) -> set[str]:
    if isinstance(value, list):
        return set().union(*(_keys_of(item) for item in value))
    return set(value).union(*(_keys_of(item) for item in value.values())) if isinstance(value, dict) else set()


MORE_KEYS = {"system", "tools", "metadata", "user_id", "thinking", "source", "image_url", "audio", "logprobs", "custom"}
_KEYS = st.sampled_from(sorted(_keys_of([CHAT_STREAM, CLAUDE, CHUNKS, EVENTS, OPENAI_ERROR]) | MORE_KEYS))
_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=4)
    | st.sampled_from(
        [
            "assistant",
            "text",
            "tool_use",
            "message_start",
            "content_block_delta",
            "[DONE]",
            "message",
            "image",
            "base64",
        ]
    )
)
_JSON = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4), max_leaves=12
)
_PATHS = st.sampled_from(["/v1/chat/completions", "/v1/messages", "/anything", "/messages"])


@settings(deadline=None)
@given(_PATHS, st.dictionaries(_KEYS, _JSON, max_size=5), _JSON, st.sampled_from([200, 400, 529]))
def test_any_json_in_any_place(path: str, request: Any, answer: Any, status: int) -> None:
    asked = request_of({"model": "m", "messages": [USER], "max_tokens": 1, **request}, path, headers=VERSION)
    received(exchange_of(asked, response_of(answer, status)))


@settings(deadline=None)
@given(st.lists(st.dictionaries(_KEYS, _JSON, max_size=5), max_size=5), st.sampled_from(EVENTS), st.data())
def test_any_events_in_any_order(hostile: list[Any], real: Any, data: st.DataObject) -> None:
    for base, make, call in (
        (CHUNKS, data_events, chat),
        (EVENTS, lambda *events: data_events(*events), claude),
    ):
        mixed = data.draw(st.permutations([*base, *hostile, real]))
        received(call(stream(make(*mixed)), CHAT_STREAM))


def _mutants(content: bytes) -> st.SearchStrategy[bytes]:
    """Real bytes with a piece cut out, doubled, or overwritten."""
    places = st.integers(0, len(content))
    return st.tuples(places, places, st.sampled_from([b"", b'"', b"{", b"]", b"\xff", b"\n\n", b"null", b"1e999"])).map(
        lambda cut: content[: min(cut[:2])] + cut[2] + content[max(cut[:2]) :]
    )


REAL_REQUEST = json.dumps(
    {**CHAT, "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}], "stop": ["x"], "n": 1}
).encode()
REAL_STREAMS = {"/v1/chat/completions": b"".join(data_events(*CHUNKS)), "/v1/messages": b"".join(named_events(*EVENTS))}


@settings(deadline=None)
@given(st.sampled_from(sorted(REAL_STREAMS)), st.data(), st.sampled_from(list(ExchangeEnd)), st.booleans())
def test_mutated_bytes(path: str, data: st.DataObject, end: ExchangeEnd, is_complete: bool) -> None:
    request = request_of(data.draw(_mutants(REAL_REQUEST)), path, headers=VERSION)
    body = body_of(data.draw(_mutants(REAL_STREAMS[path])), complete=is_complete)
    for answer in (response_of(body, headers=SSE_HEADERS), response_of(body), None):
        for event in (exchange_of(request, answer, end=end), received_of(request), head_of(request)):
            received(event)


@settings(deadline=None)
@given(st.binary(max_size=200), st.binary(max_size=200), st.text(max_size=20))
def test_any_bytes(request_body: bytes, response_body: bytes, path: str) -> None:
    request = request_of(request_body, path)
    for headers in (SSE_HEADERS, {}):
        received(exchange_of(request, response_of(response_body, headers=headers)))
        received(exchange_of(request_of(CHAT), response_of(response_body, headers=headers)))
