"""OpenAI Responses, also of those that speak it (Azure, ChatGPT's Codex back end, Copilot, OpenRouter, vLLM).

https://platform.openai.com/docs/api-reference/responses. The functions take bodies, not exchanges: a `response.create`
message of a WebSocket has the fields of the HTTP body, and what answers it are the events of the HTTP stream.
"""

from __future__ import annotations

from collections.abc import Iterator

from wirespan.llm.api import AnswerReading, Api, BlockEnd, Framing, RequestReading
from wirespan.llm.fields import JsonObject, integer, is_object, mapping, number, objects, sequence, string
from wirespan.llm.inference import (
    InferenceError,
    Json,
    Message,
    RequestParameters,
    TokenUsage,
    ToolCall,
    ToolDefinition,
)
from wirespan.llm.openai_responses_content import content_parts
from wirespan.llm.openai_responses_items import ASSISTANT, input_messages, output_parts
from wirespan.llm.openai_responses_merge import ResponsesMerge
from wirespan.llm.provider_error import error_from_json

_OUTPUT_TYPES = {"text": "text", "json_object": "json", "json_schema": "json"}
_FINISH_REASONS = {"max_output_tokens": "length", "content_filter": "content_filter", "cancelled": "error"}
_OBJECTS = ("response", "response.compaction")

# Attribute -> where it stands in the request.
_REQUEST_EXTRA = {
    "openai.request.service_tier": ("service_tier",),
    "gen_ai.request.previous_response.id": ("previous_response_id",),
    "gen_ai.prompt.name": ("prompt", "id"),
    "gen_ai.prompt.version": ("prompt", "version"),
    "openai.request.reasoning.summary": ("reasoning", "summary"),
    "openai.request.text.verbosity": ("text", "verbosity"),
    "openai.request.truncation": ("truncation",),
    "openai.request.store": ("store",),
    "openai.request.background": ("background",),
    "openai.request.max_tool_calls": ("max_tool_calls",),
}


def not_inference(body: JsonObject) -> str | None:
    """Codex sends its prompt ahead with generate: false; prompt_cache_options.prewarm implies it."""
    is_prewarm = body.get("generate") is False or mapping(body, "prompt_cache_options").get("prewarm") is True
    return "prewarm" if is_prewarm else None


def read_request(body: JsonObject) -> RequestReading:
    metadata, codex = mapping(body, "metadata"), mapping(body, "client_metadata")
    cache_key = string(body, "prompt_cache_key") or ""
    conversation = string(body, "conversation") or string(body.get("conversation"), "id")
    return RequestReading(
        model=string(body, "model"),
        parameters=_parameters(body),
        system_instructions=tuple(content_parts(body.get("instructions"))),
        messages=tuple(input_messages(body.get("input"))),
        tool_definitions=tuple(_tool_definitions(body)),
        end_user_id=string(body, "user") or string(body, "safety_identifier"),
        # OpenCode puts its session into the key; other callers use it for prompts that many sessions share.
        session_id=string(codex, "session_id")
        or string(metadata, "session_id")
        or (cache_key if cache_key.startswith("ses_") else None),
        conversation_id=conversation or string(metadata, "conversation_id") or string(codex, "thread_id"),
        extra=dict(_request_extra(body)),
    )


def _parameters(body: JsonObject) -> RequestParameters:
    return RequestParameters(
        max_tokens=integer(body, "max_output_tokens"),
        temperature=number(body, "temperature"),
        top_p=number(body, "top_p"),
        top_k=integer(body, "top_k"),  # vLLM, OpenRouter
        frequency_penalty=number(body, "frequency_penalty"),
        presence_penalty=number(body, "presence_penalty"),
        reasoning_level=string(mapping(body, "reasoning"), "effort"),
        output_type=_OUTPUT_TYPES.get(string(mapping(mapping(body, "text"), "format"), "type") or ""),
        # On a WebSocket every answer is streamed.
        stream=body.get("stream") is True or body.get("type") == "response.create",
    )


def _request_extra(body: JsonObject) -> Iterator[tuple[str, Json]]:
    yield "openai.api.type", "responses"
    for name, path in _REQUEST_EXTRA.items():
        value: Json = body
        for key in path:
            value = value.get(key) if is_object(value) else None
        if isinstance(value, str | bool | int) and value != "":
            yield name, value
    if body.get("conversation") or body.get("prompt"):
        yield "wirespan.request.input_incomplete", True  # OpenAI puts in what it has stored
    if any(item.get("type") in ("compaction", "compaction_summary") for item in objects(sequence(body, "input"))):
        yield "gen_ai.conversation.compacted", True


def _tool_definitions(body: JsonObject) -> Iterator[ToolDefinition]:
    added = (item for item in objects(sequence(body, "input")) if item.get("type") == "additional_tools")
    for holder in (body, *added):
        for tool in objects(sequence(holder, "tools")):
            yield from _definitions(tool)


def _definitions(tool: JsonObject) -> Iterator[ToolDefinition]:
    kind = string(tool, "type") or "function"
    if kind == "namespace":
        for inner in objects(sequence(tool, "tools")):
            yield _definition(inner, prefix=f"{string(tool, 'name') or ''}.")
        return
    yield _definition(tool)


def _definition(tool: JsonObject, prefix: str = "") -> ToolDefinition:
    kind = string(tool, "type") or "function"
    name = string(tool, "name") or string(tool, "server_label") or kind  # built-in tools have a type only
    description = string(tool, "description") or string(tool, "server_description")
    return ToolDefinition(prefix + name, kind, description, tool.get("format" if kind == "custom" else "parameters"))


def recognises(answer: JsonObject) -> bool:
    """Whether an object can be an answer (or an error) of this API."""
    is_answer = answer.get("object") in _OBJECTS or ("id" in answer and isinstance(answer.get("output"), list))
    return is_answer or error_from_json(answer) is not None


def read_answer(answer: JsonObject, block_end: BlockEnd) -> AnswerReading:
    messages, reasons = _messages(answer, block_end)
    return AnswerReading(
        id=string(answer, "id"),
        model=string(answer, "model"),
        messages=messages,
        finish_reasons=reasons,
        usage=read_usage(mapping(answer, "usage")),
        error=_error(answer),
        extra=dict(_answer_extra(answer)),
    )


def _messages(answer: JsonObject, block_end: BlockEnd) -> tuple[tuple[Message, ...], tuple[str | None, ...]]:
    """One answer is one message of the assistant, however many items it has."""
    repeated, said = output_parts(sequence(answer, "output"), lambda position: block_end((0, position)))
    reason = _stop_reason(answer)
    if not said and (reason is None or reason == "failed"):
        return tuple(repeated), (None,) * len(repeated)
    word = _FINISH_REASONS.get(reason, reason) if reason is not None else None
    if reason == "completed":
        calls = any(isinstance(part, ToolCall) and not part.server_side for part in said)
        word = "tool_call" if calls else "stop"
    spoken = Message(ASSISTANT, tuple(said), finish_reason="error" if reason == "failed" else word)
    return (*repeated, spoken), (*(None for _ in repeated), reason)


def _stop_reason(answer: JsonObject) -> str | None:
    """The vendor's own word: why the response is incomplete, else its status if that is a final one."""
    status = string(answer, "status")
    if status in ("queued", "in_progress"):
        return None
    if status is None and answer.get("object") == "response.compaction":
        return "completed"  # it has no status
    return string(mapping(answer, "incomplete_details"), "reason") or status


def _error(answer: JsonObject) -> InferenceError | None:
    stated = error_from_json(answer)
    if stated is None and answer.get("status") == "failed":
        return InferenceError("failed", "the response failed, without a word why")
    if stated is None and answer.get("status") == "cancelled":
        return InferenceError("cancelled", "the response was cancelled")
    return stated


def read_usage(usage: JsonObject) -> TokenUsage:
    input_details = mapping(usage, "input_tokens_details")
    return TokenUsage(
        input_tokens=integer(usage, "input_tokens"),
        output_tokens=integer(usage, "output_tokens"),
        cache_read_input_tokens=integer(input_details, "cached_tokens"),
        cache_write_input_tokens=integer(input_details, "cache_write_tokens"),
        reasoning_output_tokens=integer(mapping(usage, "output_tokens_details"), "reasoning_tokens"),
        total_tokens=integer(usage, "total_tokens"),
    )


def _answer_extra(answer: JsonObject) -> Iterator[tuple[str, Json]]:
    if string(answer, "service_tier") is not None:
        yield "openai.response.service_tier", answer["service_tier"]
    status = string(answer, "status")
    if status is not None and status != "completed":
        yield "openai.response.status", status
    searches = integer(mapping(mapping(answer, "tool_usage"), "web_search"), "num_requests")
    if searches:
        yield "openai.usage.web_search.num_requests", searches
    contents = (part for item in objects(sequence(answer, "output")) for part in objects(sequence(item, "content")))
    logprobs = sum(len(sequence(part, "logprobs")) for part in contents)
    if logprobs:
        yield "wirespan.response.logprob_tokens", logprobs


API = Api(
    name="openai.responses",
    operation="chat",
    provider="openai",
    recognises=recognises,
    read_request=read_request,
    read_answer=read_answer,
    new_merge=lambda _request: ResponsesMerge(),
    framing=Framing.NDJSON,  # messages of a WebSocket, one a line, are the same events
    not_inference=not_inference,
)
