"""OpenAI Chat Completions: check a request as strictly as the vendor, answer it plain or as a stream of chunks.

Shapes: the public API reference, "Chat" and "Streaming"; the vendor's SDKs read them in the tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from wirespan.demo.answer import EVENT_STREAM_TYPE, JSON_TYPE, Answer, Json, RequestRejected, dumps, event, require
from wirespan.demo.content import Draft, DraftCall, Tool, Turn, compose, digest_of
from wirespan.demo.script import Script

_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}\Z")
_ERROR_TYPES = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}


def answer(body: bytes, request: Json, script: Script) -> Answer:
    """Raises RequestRejected."""
    _check(request)
    choices = [_draft(request, script, digest_of(body, index)) for index in range(request.get("n") or 1)]
    digest = choices[0].digest
    headers = (("x-request-id", f"req_{digest}"), ("openai-processing-ms", "7"))
    usage = _usage(body, choices, script)
    if request.get("stream"):
        asked = (request.get("stream_options") or {}).get("include_usage")
        parts = tuple(_events(digest, request, choices, usage if asked else None, script))
        return Answer(200, EVENT_STREAM_TYPE, parts, headers, streamed=True, error_part=_error_event(script))
    message = {
        **_common(digest, request, "chat.completion"),
        "choices": [_choice(index, draft) for index, draft in enumerate(choices)],
        "usage": usage,
    }
    return Answer(200, JSON_TYPE, (dumps(message),), headers)


def failure(status: int, message: str, param: str = "") -> Answer:
    """The vendor's error body for `status`."""
    kind, code = _ERROR_TYPES.get(status, ("server_error", None))
    error = {"message": message, "type": kind, "param": param or None, "code": code}
    return Answer(status, JSON_TYPE, (dumps({"error": error}),), (("x-request-id", f"req_{status}"),))


def _check(request: Json) -> None:
    require(isinstance(request.get("model"), str) and request["model"] != "", "you must provide a model", "model")
    messages = request.get("messages")
    require(isinstance(messages, list) and messages != [], "messages must be a non-empty array", "messages")
    for key, low, high in (("temperature", 0, 2), ("top_p", 0, 1), ("n", 1, 128)):
        value = request.get(key)
        require(value is None or (isinstance(value, int | float) and low <= value <= high), f"bad {key}", key)
    require(isinstance(request.get("stream"), bool | None), "stream must be a boolean", "stream")
    if request.get("stream_options") is not None:
        require(bool(request.get("stream")), "stream_options is only allowed with stream", "stream_options")
    _check_messages(messages)
    for index, tool in enumerate(request.get("tools") or ()):
        _check_tool(tool, f"tools[{index}]")


def _check_messages(messages: list[Json]) -> None:
    open_calls: list[str] = []
    for index, message in enumerate(messages):
        place = f"messages[{index}]"
        require(isinstance(message, dict) and message.get("role") in _ROLES, "unknown role", f"{place}.role")
        if message["role"] == "tool":
            call = message.get("tool_call_id")
            require(call in open_calls, "a tool message must answer a preceding tool call", f"{place}.tool_call_id")
            open_calls.remove(call)
            continue
        require(not open_calls, f"tool calls without an answer: {open_calls}", place)
        calls = message.get("tool_calls") or []
        require(
            bool(calls) or message.get("content") is not None or message["role"] == "assistant", "no content", place
        )
        for call in calls:
            require(isinstance(call.get("id"), str) and "function" in call, "bad tool call", f"{place}.tool_calls")
            require(isinstance(call["function"].get("arguments"), str), "arguments must be a string", place)
        open_calls = [call["id"] for call in calls]
    require(not open_calls, f"tool calls without an answer: {open_calls}", "messages")


def _check_tool(tool: Json, place: str) -> None:
    require(isinstance(tool, dict) and tool.get("type") == "function", "unknown tool type", f"{place}.type")
    name = (tool.get("function") or {}).get("name")
    require(isinstance(name, str) and _NAME.match(name) is not None, "bad function name", f"{place}.function.name")


def _draft(request: Json, script: Script, digest: str) -> Draft:
    last = request["messages"][-1]
    offered = () if request.get("tool_choice") == "none" else request.get("tools") or ()
    tools = [Tool(tool["function"]["name"], tool["function"].get("parameters")) for tool in offered]
    turn = Turn(digest, _text_of(last.get("content")), last["role"] == "tool", tools)
    try:
        return compose(turn, script)
    except ValueError as error:
        raise RequestRejected(400, str(error), "tools") from error


def _text_of(content: Json) -> str:
    if isinstance(content, str):
        return content
    return " ".join(part.get("text", "") for part in content or () if isinstance(part, dict))


def _common(digest: str, request: Json, kind: str) -> dict[str, Json]:
    # `created` is no clock reading: the same request shall give the same bytes.
    return {
        "id": f"chatcmpl-{digest}",
        "object": kind,
        "created": 1_700_000_000 + int(digest[:6], 16),
        "model": request["model"] + "-2026-01-01",
        "service_tier": "default",
        "system_fingerprint": f"fp_{digest[:8]}",
    }


def _usage(body: bytes, choices: list[Draft], script: Script) -> dict[str, Json]:
    prompt = len(body) // 4 + script.cached_tokens
    completion = sum(draft.output_tokens for draft in choices)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": script.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": sum(draft.reasoning_tokens for draft in choices),
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _call(call: DraftCall, arguments: str) -> dict[str, Json]:
    return {"id": f"call_{call.id_suffix}", "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _finish_reason(draft: Draft) -> str:
    return "tool_calls" if draft.calls else "stop"


def _choice(index: int, draft: Draft) -> dict[str, Json]:
    message: dict[str, Json] = {
        "role": "assistant",
        "content": "".join(draft.text) or None,
        "refusal": "".join(draft.refusal) or None,
        "annotations": [],
    }
    if draft.reasoning:
        message["reasoning_content"] = "".join(draft.reasoning)
    if draft.calls:
        message["tool_calls"] = [_call(call, "".join(call.pieces)) for call in draft.calls]
    return {"index": index, "message": message, "logprobs": None, "finish_reason": _finish_reason(draft)}


def _events(digest: str, request: Json, choices: list[Draft], usage: Json, script: Script) -> Iterator[bytes]:
    common = _common(digest, request, "chat.completion.chunk")

    def chunk(choices: list[Json], **more: Json) -> bytes:
        return event(dumps({**common, "choices": choices, **more}), newline=script.newline)

    deltas = [list(_deltas(draft)) for draft in choices]
    if script.comments:
        yield f": keep-alive{script.newline}{script.newline}".encode()
    for step in range(max(len(items) for items in deltas)):  # the choices of n > 1 come interleaved
        for index, items in enumerate(deltas):
            if step < len(items):
                yield chunk([{"index": index, "delta": items[step], "logprobs": None, "finish_reason": None}])
    for index, draft in enumerate(choices):
        yield chunk([{"index": index, "delta": {}, "logprobs": None, "finish_reason": _finish_reason(draft)}])
    if usage:
        yield chunk([], usage=usage)
    yield event(b"[DONE]", newline=script.newline)


def _deltas(draft: Draft) -> Iterator[dict[str, Json]]:
    yield {"role": "assistant", "content": None if draft.calls else "", "refusal": None}
    for piece in draft.reasoning:
        yield {"reasoning_content": piece}
    for piece in draft.text:
        yield {"content": piece}
    for piece in draft.refusal:
        yield {"refusal": piece}
    for index, call in enumerate(draft.calls):
        yield {"tool_calls": [{"index": index, **_call(call, call.pieces[0])}]}
        for piece in call.pieces[1:]:
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _error_event(script: Script) -> bytes:
    error = {"message": "The server had an error while processing your request.", "type": "server_error"}
    return event(dumps({"error": {**error, "param": None, "code": None}}), newline=script.newline)
