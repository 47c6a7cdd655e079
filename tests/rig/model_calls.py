"""Small model calls in both APIs, whole and in the events of their streams, and what the llm room makes of them."""

from __future__ import annotations

import json
from typing import Any

from rig.exchanges import (
    SSE_HEADERS,
    exchange_of,
    request_of,
    response_of,
    sse_body,
)
from wirespan.counters import Counters
from wirespan.http import HttpExchange, HttpResponse
from wirespan.llm import Inference, Llm, LlmSettings

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
