"""Anthropic Messages: check a request as strictly as the vendor, answer it plain or as a stream of events.

Shapes: the public API reference, "Messages" and "Streaming messages"; the vendor's SDKs read them in the tests.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

from wirespan.demo.answer import EVENT_STREAM_TYPE, JSON_TYPE, Answer, Json, RequestRejected, dumps, event, require
from wirespan.demo.content import Draft, Tool, Turn, compose, digest_of
from wirespan.demo.script import Script

_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}\Z")
_MIN_THINKING_BUDGET = 1024


def answer(body: bytes, request: Json, script: Script) -> Answer:
    """Raises RequestRejected."""
    _check(request)
    draft = _draft(request, script, digest_of(body))
    headers = (("request-id", f"req_{draft.digest}"), ("anthropic-ratelimit-requests-remaining", "49"))
    usage = _input_usage(body, script)
    if request.get("stream"):
        parts = tuple(_events(request, draft, usage, script))
        return Answer(200, EVENT_STREAM_TYPE, parts, headers, streamed=True, error_part=_error_event(script))
    message = {
        **_message(request, draft),
        "content": [whole for whole, _, _ in _blocks(draft)],
        "stop_reason": _stop_reason(draft),
        "usage": {**usage, "output_tokens": draft.output_tokens},
    }
    return Answer(200, JSON_TYPE, (dumps(message),), headers)


def count_tokens(body: bytes, request: Json) -> Answer:
    """Raises RequestRejected."""
    _check({**request, "max_tokens": 1})
    return Answer(200, JSON_TYPE, (dumps({"input_tokens": len(body) // 4}),))


def failure(status: int, message: str, param: str = "") -> Answer:
    """The vendor's error body for `status`."""
    text = f"{param}: {message}" if param else message
    body = {"type": "error", "error": {"type": _ERROR_TYPES.get(status, "api_error"), "message": text}}
    request_id = f"req_{status}"
    return Answer(status, JSON_TYPE, (dumps({**body, "request_id": request_id}),), (("request-id", request_id),))


_ROLES = ("user", "assistant", "system")


def _check(request: Json) -> None:
    require(isinstance(request.get("model"), str) and request["model"] != "", "Field required", "model")
    limit = request.get("max_tokens")
    require(isinstance(limit, int) and limit > 0, "Input should be greater than or equal to 1", "max_tokens")
    messages = request.get("messages")
    require(isinstance(messages, list) and messages != [], "at least one message is required", "messages")
    require(isinstance(request.get("system", ""), str | list), "Input should be a string or a list", "system")
    thinking = request.get("thinking") or {}
    if thinking.get("type") == "enabled":
        budget = thinking.get("budget_tokens")
        require(isinstance(budget, int) and budget >= _MIN_THINKING_BUDGET, "too small", "thinking.budget_tokens")
        require(budget < limit, "max_tokens must be greater than thinking.budget_tokens", "max_tokens")
    for index, tool in enumerate(request.get("tools") or ()):
        name = tool.get("name") if isinstance(tool, dict) else None
        require(isinstance(name, str) and _NAME.match(name) is not None, "bad name", f"tools.{index}.name")
        require("type" in tool or isinstance(tool.get("input_schema"), dict), "Field required", f"tools.{index}")
    _check_messages(messages)


def _check_messages(messages: list[Json]) -> None:
    open_calls: list[str] = []
    for index, message in enumerate(messages):
        place = f"messages.{index}"
        require(isinstance(message, dict) and message.get("role") in _ROLES, "bad role", place)
        if message["role"] == "system":  # between any two others, as Claude Code 2.1 sends it
            _blocks_of(message.get("content"), place)
            continue
        blocks = _blocks_of(message.get("content"), place)
        results = [block.get("tool_use_id") for block in blocks if block["type"] == "tool_result"]
        unknown = [call for call in results if call not in open_calls]
        require(not unknown, f"unexpected `tool_use_id` found in `tool_result` blocks: {unknown}", place)
        missing = [call for call in open_calls if call not in results]
        require(not missing, f"`tool_use` ids were found without `tool_result` blocks after: {missing}", place)
        open_calls = [block.get("id") for block in blocks if block["type"] == "tool_use"]
    require(messages[0]["role"] == "user", "first message must use the user role", "messages.0")
    require(not open_calls, f"`tool_use` ids were found without `tool_result` blocks after: {open_calls}", "messages")


def _blocks_of(content: Json, place: str) -> list[Json]:
    if isinstance(content, str):
        require(content != "", "text content must be non-empty", place)
        return [{"type": "text", "text": content}]
    typed = isinstance(content, list) and all(isinstance(block, dict) and "type" in block for block in content)
    require(typed, "Input should be a string or a list of blocks", f"{place}.content")
    return list(content)


def _draft(request: Json, script: Script, digest: str) -> Draft:
    last = next(message for message in reversed(request["messages"]) if message["role"] != "system")
    blocks = _blocks_of(last["content"], "messages")
    is_result = any(block["type"] == "tool_result" for block in blocks)
    offered = () if (request.get("tool_choice") or {}).get("type") == "none" else request.get("tools") or ()
    tools = [Tool(tool["name"], tool.get("input_schema")) for tool in offered]
    thinking = (request.get("thinking") or {}).get("type") in ("enabled", "adaptive")
    try:
        return compose(Turn(digest, _text_of(blocks), is_result, tools, thinking), script)
    except ValueError as error:
        raise RequestRejected(400, str(error), "tools") from error


def _text_of(blocks: list[Json]) -> str:
    texts = []
    for block in blocks:
        inner = block.get("text") or block.get("content") or ""
        texts.append(inner if isinstance(inner, str) else _text_of([item for item in inner if isinstance(item, dict)]))
    return " ".join(text for text in texts if text)


def _message(request: Json, draft: Draft) -> dict[str, Json]:
    return {
        "id": f"msg_{draft.digest}",
        "type": "message",
        "role": "assistant",
        "model": request["model"],
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _input_usage(body: bytes, script: Script) -> dict[str, Json]:
    return {
        "input_tokens": len(body) // 4,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": script.cached_tokens,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": 1,
        "service_tier": "standard",
    }


def _stop_reason(draft: Draft) -> str:
    if draft.refusal:
        return "refusal"
    return "tool_use" if draft.calls else "end_turn"


def _blocks(draft: Draft) -> Iterator[tuple[Json, Json, list[Json]]]:
    """(the block as a whole, as content_block_start shows it, its deltas)."""
    start: Json
    deltas: list[Json]
    if draft.reasoning:
        signature = base64.b64encode(f"signature of {draft.digest}".encode()).decode()
        start = {"type": "thinking", "thinking": "", "signature": ""}
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in draft.reasoning]
        deltas.append({"type": "signature_delta", "signature": signature})
        yield {**start, "thinking": "".join(draft.reasoning), "signature": signature}, start, deltas
    if texts := draft.text or draft.refusal:
        start = {"type": "text", "text": ""}
        yield {**start, "text": "".join(texts)}, start, [{"type": "text_delta", "text": piece} for piece in texts]
    for call in draft.calls:
        start = {"type": "tool_use", "id": f"toolu_{call.id_suffix}", "name": call.name, "input": {}}
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in call.pieces]
        yield {**start, "input": call.arguments}, start, deltas


def _events(request: Json, draft: Draft, usage: Json, script: Script) -> Iterator[bytes]:
    def named(kind: str, **fields: Json) -> bytes:
        return event(dumps({"type": kind, **fields}), kind, script.newline)

    yield named("message_start", message={**_message(request, draft), "usage": usage})
    for index, (_, start, deltas) in enumerate(_blocks(draft)):
        yield named("content_block_start", index=index, content_block=start)
        if index == 0:
            yield named("ping")
        for delta in deltas:
            yield named("content_block_delta", index=index, delta=delta)
        yield named("content_block_stop", index=index)
    final = {"stop_reason": _stop_reason(draft), "stop_sequence": None}
    yield named("message_delta", delta=final, usage={"output_tokens": draft.output_tokens})
    yield named("message_stop")


def _error_event(script: Script) -> bytes:
    body = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    return event(dumps(body), "error", script.newline)
