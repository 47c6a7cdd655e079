"""Whole calls as clients and servers make them, and every way they go wrong, as inferences."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from rig.exchanges import (
    REQUEST_START_NS,
    RESPONSE_START_NS,
    SSE_HEADERS,
    body_of,
    data_events,
    event_time,
    exchange_of,
    named_events,
    request_of,
    response_of,
    sse_body,
)
from rig.model_calls import (
    CHAT,
    CHAT_STREAM,
    CHUNKS,
    CLAUDE,
    CLAUDE_STREAM,
    COMPLETION,
    EVENTS,
    MESSAGE,
    OPENAI_ERROR,
    USER,
    VERSION,
    chat,
    chunk,
    claude,
    cut_stream,
    inference_of,
    stream,
)
from wirespan.http import BodyGap, ExchangeEnd
from wirespan.llm import (
    Inference,
    InferenceError,
    Message,
    Outcome,
    StreamEventMark,
    Text,
    TokenUsage,
    ToolCall,
)

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


def test_a_status_that_was_lost_says_nothing() -> None:
    # GIVEN an HTTP/2 connection that was joined late, so that the status is not known
    inference = inference_of(chat(response_of(COMPLETION, status=0)))
    assert (inference.outcome, inference.response_id) == (Outcome.OK, "chatcmpl-1")
    error = inference_of(chat(response_of(OPENAI_ERROR, status=0)))
    assert error.error == InferenceError("invalid_request_error", "No such model")


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
