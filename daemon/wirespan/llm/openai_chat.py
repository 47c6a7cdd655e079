"""OpenAI Chat Completions, as OpenAI defines it and as the many servers that speak it bend it.

https://platform.openai.com/docs/api-reference/chat; deviations name their server where they are handled.
"""

from __future__ import annotations

from collections.abc import Iterator

from wirespan.llm.api import AnswerReading, Api, BlockEnd, RequestReading
from wirespan.llm.fields import JsonObject, first, integer, mapping, number, objects, sequence, string, strings
from wirespan.llm.inference import InferenceError, Json, Message, RequestParameters, TokenUsage, ToolDefinition
from wirespan.llm.openai_chat_merge import ChatMerge
from wirespan.llm.openai_chat_messages import message_parts, read_message
from wirespan.llm.provider_error import error_from_json

_OUTPUT_TYPES = {"text": "text", "json_object": "json", "json_schema": "json"}

# The words of the conventions. length: also Mistral's model_length. error: OpenRouter, DeepSeek, vLLM.
_FINISH_REASONS = {
    "stop": "stop",
    "eos": "stop",
    "length": "length",
    "model_length": "length",
    "max_tokens": "length",
    "content_filter": "content_filter",
    "tool_calls": "tool_call",
    "function_call": "tool_call",
    "error": "error",
    "abort": "error",
    "insufficient_system_resource": "error",
}


def read_request(body: JsonObject) -> RequestReading:
    metadata = mapping(body, "metadata")
    cache_key = string(body, "prompt_cache_key") or ""
    extra: dict[str, Json] = {"openai.api.type": "chat_completions"}
    if string(body, "service_tier") is not None:
        extra["openai.request.service_tier"] = body["service_tier"]
    return RequestReading(
        model=string(body, "model"),
        parameters=_parameters(body),
        messages=tuple(read_message(message) for message in objects(sequence(body, "messages"))),
        tool_definitions=tuple(_tool_definitions(body)),
        end_user_id=string(body, "user") or string(body, "safety_identifier"),
        # OpenCode puts its session there; other callers use the key for prompts that many sessions share.
        session_id=string(metadata, "session_id") or (cache_key if cache_key.startswith("ses_") else None),
        conversation_id=string(metadata, "conversation_id"),
        extra=extra,
    )


def _parameters(body: JsonObject) -> RequestParameters:
    return RequestParameters(
        max_tokens=first(integer(body, "max_completion_tokens"), integer(body, "max_tokens")),
        temperature=number(body, "temperature"),
        top_p=number(body, "top_p"),
        top_k=integer(body, "top_k"),  # vLLM, OpenRouter
        frequency_penalty=number(body, "frequency_penalty"),
        presence_penalty=number(body, "presence_penalty"),
        seed=first(integer(body, "seed"), integer(body, "random_seed")),  # random_seed: Mistral
        choice_count=integer(body, "n"),
        stop_sequences=strings(body, "stop"),
        # OpenRouter: {"reasoning": {"effort": ...}}
        reasoning_level=string(body, "reasoning_effort") or string(mapping(body, "reasoning"), "effort"),
        output_type=_output_type(body),
        stream=body.get("stream") is True,
    )


def _output_type(body: JsonObject) -> str | None:
    if "audio" in strings(body, "modalities"):
        return "speech"
    if "image" in strings(body, "modalities"):
        return "image"
    return _OUTPUT_TYPES.get(string(mapping(body, "response_format"), "type") or "")


def _tool_definitions(body: JsonObject) -> Iterator[ToolDefinition]:
    for tool in objects(sequence(body, "tools")):
        kind = string(tool, "type") or "function"
        inner = mapping(tool, kind) or tool  # some clients put the function's fields beside its type
        name = string(inner, "name") or kind  # built-in tools have a type only
        parameters = inner.get("format") if kind == "custom" else inner.get("parameters")
        yield ToolDefinition(name, kind, string(inner, "description"), parameters)
    for function in objects(sequence(body, "functions")):  # before tools
        name = string(function, "name") or ""
        yield ToolDefinition(name, "function", string(function, "description"), function.get("parameters"))


def recognises(answer: JsonObject) -> bool:
    """Whether an object can be an answer (or an error) of this API, unstreamed or one chunk."""
    is_answer = isinstance(answer.get("choices"), list) or str(answer.get("object")).startswith("chat.completion")
    return is_answer or error_from_json(answer) is not None


def read_answer(answer: JsonObject, block_end: BlockEnd) -> AnswerReading:
    choices = sorted(objects(sequence(answer, "choices")), key=lambda choice: integer(choice, "index") or 0)
    stated_error = None if choices else error_from_json(answer)
    return AnswerReading(
        id=string(answer, "id"),
        model=string(answer, "model"),
        messages=tuple(_output_message(choice, block_end) for choice in choices),
        finish_reasons=tuple(string(choice, "finish_reason") for choice in choices),
        usage=read_usage(mapping(answer, "usage") or mapping(mapping(answer, "x_groq"), "usage")),
        error=stated_error or _choice_error(choices),
        extra=dict(_answer_extra(answer, choices)),
    )


def _choice_error(choices: list[JsonObject]) -> InferenceError | None:
    """OpenRouter answers 200 and puts the error of the provider behind it into the choice."""
    return next((error for choice in choices if (error := error_from_json(choice)) is not None), None)


def _output_message(choice: JsonObject, block_end: BlockEnd) -> Message:
    message = mapping(choice, "message")
    index = integer(choice, "index") or 0
    reason = string(choice, "finish_reason")
    parts = message_parts(message, lambda position: block_end((index, position)))
    return Message(
        role=string(message, "role") or "assistant",
        parts=tuple(parts),
        finish_reason=_FINISH_REASONS.get(reason, reason) if reason is not None else None,
    )


def read_usage(usage: JsonObject) -> TokenUsage:
    prompt_details = mapping(usage, "prompt_tokens_details")
    completion_details = mapping(usage, "completion_tokens_details")
    prompt, completion = integer(usage, "prompt_tokens"), integer(usage, "completion_tokens")
    total, reasoning = integer(usage, "total_tokens"), integer(completion_details, "reasoning_tokens")
    if reasoning and completion is not None and total == (prompt or 0) + completion + reasoning:
        completion += reasoning  # xAI counts them beside completion_tokens; its total gives it away
    return TokenUsage(
        input_tokens=prompt,
        output_tokens=completion,
        cache_read_input_tokens=first(
            integer(prompt_details, "cached_tokens"),
            integer(usage, "prompt_cache_hit_tokens"),  # DeepSeek
        ),
        cache_write_input_tokens=first(
            integer(prompt_details, "cache_write_tokens"),
            integer(usage, "cache_creation_input_tokens"),  # LiteLLM, older ones
        ),
        reasoning_output_tokens=reasoning,
        total_tokens=total,
    )


def _answer_extra(answer: JsonObject, choices: list[JsonObject]) -> Iterator[tuple[str, Json]]:
    for key in ("service_tier", "system_fingerprint"):
        if string(answer, key) is not None:
            yield f"openai.response.{key}", answer[key]
    cost = number(mapping(answer, "usage"), "cost")  # OpenRouter, LiteLLM: what they charge, in dollars
    if cost is not None:
        yield "wirespan.response.cost", cost
    logprobs = [mapping(choice, "logprobs") for choice in choices]
    count = sum(len(sequence(entry, "content")) + len(sequence(entry, "refusal")) for entry in logprobs)
    if count:
        yield "wirespan.response.logprob_tokens", count


API = Api(
    name="openai.chat",
    operation="chat",
    provider="openai",
    recognises=recognises,
    read_request=read_request,
    read_answer=read_answer,
    new_merge=lambda request: ChatMerge(integer(request, "n") or 1),
)
