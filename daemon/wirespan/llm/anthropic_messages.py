"""Anthropic Messages, also behind gateways that speak it (LiteLLM, Azure Foundry, OpenRouter, vLLM).

https://docs.anthropic.com/en/api/messages
"""

from __future__ import annotations

from collections.abc import Iterator

from wirespan.llm.anthropic_messages_merge import MessagesMerge
from wirespan.llm.anthropic_messages_parts import content_parts
from wirespan.llm.api import AnswerReading, Api, BlockEnd, RequestReading
from wirespan.llm.caller import split_user_id
from wirespan.llm.fields import JsonObject, integer, mapping, number, objects, sequence, string, strings
from wirespan.llm.inference import Json, Message, RequestParameters, TokenUsage, ToolDefinition
from wirespan.llm.provider_error import error_from_json

# The words of the conventions; pause_turn has none and stays. refusal: a classifier of the provider stopped it.
_FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_call",
    "refusal": "content_filter",
}


def read_request(body: JsonObject) -> RequestReading:
    metadata = mapping(body, "metadata")
    user_id = string(metadata, "user_id")
    user, session = split_user_id(user_id) if user_id is not None else (None, None)
    return RequestReading(
        model=string(body, "model"),
        parameters=_parameters(body),
        system_instructions=tuple(content_parts(body.get("system"))),
        messages=tuple(_input_message(message) for message in objects(sequence(body, "messages"))),
        tool_definitions=tuple(_tool_definition(tool) for tool in objects(sequence(body, "tools"))),
        end_user_id=user,
        session_id=session or string(metadata, "session_id"),
        conversation_id=string(metadata, "conversation_id"),
        extra=dict(_request_extra(body)),
    )


def _parameters(body: JsonObject) -> RequestParameters:
    output_config = mapping(body, "output_config")
    output_format = mapping(output_config, "format") or mapping(body, "output_format")  # the beta's place of it
    return RequestParameters(
        max_tokens=integer(body, "max_tokens"),
        temperature=number(body, "temperature"),
        top_p=number(body, "top_p"),
        top_k=integer(body, "top_k"),
        stop_sequences=strings(body, "stop_sequences"),
        reasoning_level=string(output_config, "effort"),
        output_type="json" if string(output_format, "type") == "json_schema" else None,
        stream=body.get("stream") is True,
    )


def _input_message(message: JsonObject) -> Message:
    return Message(string(message, "role") or "user", tuple(content_parts(message.get("content"))))


def _tool_definition(tool: JsonObject) -> ToolDefinition:
    """Own tools have type "custom" or none; the provider's have a dated type and at most a name."""
    kind = string(tool, "type") or "custom"
    return ToolDefinition(
        name=string(tool, "name") or kind,
        type="function" if kind == "custom" else kind,
        description=string(tool, "description"),
        parameters=tool.get("input_schema"),
    )


def _request_extra(body: JsonObject) -> Iterator[tuple[str, Json]]:
    thinking = mapping(body, "thinking")
    if string(thinking, "type") is not None:
        yield "anthropic.request.thinking.type", thinking["type"]
    if integer(thinking, "budget_tokens") is not None:
        yield "anthropic.request.thinking.budget_tokens", integer(thinking, "budget_tokens")
    for key in ("service_tier", "speed"):
        if string(body, key) is not None:
            yield f"anthropic.request.{key}", body[key]


def recognises(answer: JsonObject) -> bool:
    """Whether an object can be an answer (or an error) of this API."""
    return answer.get("type") in ("message", "error") or error_from_json(answer) is not None


def read_answer(answer: JsonObject, block_end: BlockEnd) -> AnswerReading:
    if answer.get("type") != "message":
        return AnswerReading(error=error_from_json(answer))
    stop_reason = string(answer, "stop_reason")
    output = Message(
        role=string(answer, "role") or "assistant",
        parts=tuple(content_parts(answer.get("content"), lambda position: block_end((0, position)))),
        finish_reason=_FINISH_REASONS.get(stop_reason, stop_reason) if stop_reason is not None else None,
    )
    return AnswerReading(
        id=string(answer, "id"),
        model=string(answer, "model"),
        messages=(output,),
        finish_reasons=(stop_reason,),
        usage=read_usage(mapping(answer, "usage")),
        extra=dict(_answer_extra(answer)),
    )


def read_usage(usage: JsonObject) -> TokenUsage:
    """input_tokens leaves out what was cached: the sum of the three is the input (the SDK's Message.usage says so)."""
    uncached = integer(usage, "input_tokens")
    cache_read = integer(usage, "cache_read_input_tokens")
    cache_write = integer(usage, "cache_creation_input_tokens")
    if cache_write is None:
        by_lifetime = [integer(mapping(usage, "cache_creation"), key) for key in _CACHE_LIFETIMES]
        cache_write = (
            sum(count or 0 for count in by_lifetime) if any(count is not None for count in by_lifetime) else None
        )
    return TokenUsage(
        input_tokens=None if uncached is None else uncached + (cache_read or 0) + (cache_write or 0),
        output_tokens=integer(usage, "output_tokens"),
        cache_read_input_tokens=cache_read,
        cache_write_input_tokens=cache_write,
        reasoning_output_tokens=integer(mapping(usage, "output_tokens_details"), "thinking_tokens"),
    )


_CACHE_LIFETIMES = ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")


def _answer_extra(answer: JsonObject) -> Iterator[tuple[str, Json]]:
    usage = mapping(answer, "usage")
    if string(answer, "stop_sequence") is not None:
        yield "anthropic.response.stop_sequence", answer["stop_sequence"]
    stop_details = mapping(answer, "stop_details")
    for key in ("type", "category", "explanation"):
        if string(stop_details, key) is not None:
            yield f"anthropic.response.stop_details.{key}", stop_details[key]
    if string(usage, "service_tier") is not None:
        yield "anthropic.response.service_tier", usage["service_tier"]
    for key in _CACHE_LIFETIMES:  # they are priced differently
        if integer(mapping(usage, "cache_creation"), key):
            yield f"anthropic.usage.cache_creation.{key}", integer(mapping(usage, "cache_creation"), key)
    for tool in mapping(usage, "server_tool_use"):
        if integer(mapping(usage, "server_tool_use"), tool):
            yield f"anthropic.usage.server_tool_use.{tool}", integer(mapping(usage, "server_tool_use"), tool)


API = Api(
    name="anthropic.messages",
    operation="chat",
    provider="anthropic",
    recognises=recognises,
    read_request=read_request,
    read_answer=read_answer,
    new_merge=lambda _request: MessagesMerge(),
)
