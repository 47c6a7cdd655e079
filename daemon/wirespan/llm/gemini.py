"""Gemini generateContent and streamGenerateContent: AI Studio, Vertex AI, and Code Assist's wrapper (Gemini CLI).

https://ai.google.dev/api/generate-content. The model stands in the path, in the body only at Code Assist.
"""

from __future__ import annotations

from collections.abc import Iterator

from wirespan.llm.api import AnswerReading, Api, BlockEnd, Framing, RequestReading
from wirespan.llm.fields import JsonObject, integer, is_object, number, objects, sequence, string, strings
from wirespan.llm.gemini_fields import camel, unwrapped
from wirespan.llm.gemini_merge import GeminiMerge
from wirespan.llm.gemini_parts import content_parts
from wirespan.llm.inference import (
    Generic,
    Json,
    Message,
    Part,
    RequestParameters,
    TokenUsage,
    ToolCall,
    ToolDefinition,
)
from wirespan.llm.provider_error import error_from_json

_ROLES = {"model": "assistant", "function": "tool"}

_FINISH_REASONS = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    **dict.fromkeys(
        ("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR"), "content_filter"
    ),
    **dict.fromkeys(("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION"), "content_filter"),
    **dict.fromkeys(
        (
            "OTHER",
            "MALFORMED_FUNCTION_CALL",
            "UNEXPECTED_TOOL_CALL",
            "TOO_MANY_TOOL_CALLS",
            "MISSING_THOUGHT_SIGNATURE",
            "MALFORMED_RESPONSE",
            "IMAGE_OTHER",
            "NO_IMAGE",
        ),
        "error",
    ),
}

# What a candidate says beside its content: sources, and why it stopped in words.
_BESIDE_CONTENT = ("citationMetadata", "groundingMetadata", "urlContextMetadata", "finishMessage")
_COUNTED_MODALITIES = ("text", "image", "audio")


def read_request(body: JsonObject) -> RequestReading:
    request = unwrapped(body, "request", "contents")
    model = string(body, "model")
    prompt_id = string(camel(body), "userPromptId")
    extra: dict[str, Json] = {"gemini.request.user_prompt_id": prompt_id} if prompt_id is not None else {}
    return RequestReading(
        model=model.removeprefix("models/") if model is not None else None,
        parameters=_parameters(camel(request.get("generationConfig"))),
        system_instructions=tuple(content_parts(request.get("systemInstruction"))),
        messages=tuple(_messages(request.get("contents"))),
        tool_definitions=tuple(_tool_definitions(request)),
        session_id=string(request, "sessionId"),
        extra={**extra, **dict(_request_extra(request))},
    )


def _messages(contents: Json) -> Iterator[Message]:
    for content in contents if isinstance(contents, list) else [] if contents is None else [contents]:
        role = string(content, "role") or "user"
        yield Message(_ROLES.get(role, role), tuple(content_parts(content)))


def _parameters(config: JsonObject) -> RequestParameters:
    thinking = camel(config.get("thinkingConfig"))
    return RequestParameters(
        max_tokens=integer(config, "maxOutputTokens"),
        temperature=number(config, "temperature"),
        top_p=number(config, "topP"),
        top_k=integer(config, "topK"),
        frequency_penalty=number(config, "frequencyPenalty"),
        presence_penalty=number(config, "presencePenalty"),
        seed=integer(config, "seed"),
        choice_count=integer(config, "candidateCount"),
        stop_sequences=strings(config, "stopSequences"),
        reasoning_level=string(thinking, "thinkingLevel"),
        output_type=_output_type(config),
    )


def _output_type(config: JsonObject) -> str | None:
    modalities = [modality.upper() for modality in strings(config, "responseModalities")]
    if "AUDIO" in modalities:
        return "speech"
    if "IMAGE" in modalities:
        return "image"
    mime_type = string(config, "responseMimeType")
    if mime_type is None:
        return None
    return "json" if "json" in mime_type or mime_type == "text/x.enum" else "text"


def _request_extra(request: JsonObject) -> Iterator[tuple[str, Json]]:
    thinking = camel(camel(request.get("generationConfig")).get("thinkingConfig"))
    budget = integer(thinking, "thinkingBudget")
    if budget is not None:
        yield "gemini.request.thinking_budget", budget
    for name, key in (("cached_content", "cachedContent"), ("service_tier", "serviceTier")):
        if string(request, key) is not None:
            yield f"gemini.request.{name}", request[key]


def _tool_definitions(request: JsonObject) -> Iterator[ToolDefinition]:
    tools = request.get("tools")
    for tool in objects(tools if isinstance(tools, list) else [tools]):
        for kind, value in camel(tool).items():
            if kind != "functionDeclarations":
                yield ToolDefinition(kind, kind)  # googleSearch, codeExecution, ...: they run at Google
                continue
            for function in map(camel, objects(value if isinstance(value, list) else [value])):
                schema = function.get("parameters", function.get("parametersJsonSchema"))
                description = string(function, "description")
                yield ToolDefinition(string(function, "name") or "", "function", description, schema)


def recognises(answer: JsonObject) -> bool:
    """Whether an object can be an answer (or an error) of this API, unstreamed or one chunk."""
    found = unwrapped(answer, "response", "candidates")
    is_answer = isinstance(found.get("candidates"), list) or is_object(found.get("promptFeedback"))
    # Other resources count tokens too, of what they keep.
    is_empty_answer = is_object(found.get("usageMetadata")) and ("modelVersion" in found or "responseId" in found)
    return is_answer or is_empty_answer or error_from_json(answer) is not None


def read_answer(answer: JsonObject, block_end: BlockEnd) -> AnswerReading:
    found = unwrapped(answer, "response", "candidates")
    candidates = [camel(candidate) for candidate in objects(sequence(found, "candidates"))]
    feedback = camel(found.get("promptFeedback"))
    blocked = string(feedback, "blockReason")
    messages = tuple(_candidate(candidate, block_end) for candidate in candidates)
    reasons = tuple(string(candidate, "finishReason") for candidate in candidates)
    if not messages and blocked is not None:
        said = feedback.get("blockReasonMessage")
        parts = (Generic("blockReasonMessage", said),) if said else ()
        messages, reasons = (Message("assistant", parts, finish_reason="content_filter"),), (blocked,)
    return AnswerReading(
        id=string(found, "responseId"),
        model=string(found, "modelVersion"),
        messages=messages,
        finish_reasons=reasons,
        usage=read_usage(camel(found.get("usageMetadata"))),
        error=None if messages else error_from_json(answer),
        extra=dict(_answer_extra(answer, found, blocked)),
    )


def _candidate(candidate: JsonObject, block_end: BlockEnd) -> Message:
    index = integer(candidate, "index") or 0
    content = candidate.get("content")
    parts: list[Part] = list(content_parts(content, lambda position: block_end((index, position)))) if content else []
    calls = any(isinstance(part, ToolCall) and not part.server_side for part in parts)
    parts.extend(Generic(key, candidate[key]) for key in _BESIDE_CONTENT if candidate.get(key))
    reason = string(candidate, "finishReason")
    word = _FINISH_REASONS.get(reason, reason) if reason is not None else None
    return Message("assistant", tuple(parts), finish_reason="tool_call" if word == "stop" and calls else word)


def read_usage(usage: JsonObject) -> TokenUsage:
    """total = prompt + tool use + candidates + thoughts, as the API's reference says; prompt includes what was
    cached."""
    prompt, tool_use = integer(usage, "promptTokenCount"), integer(usage, "toolUsePromptTokenCount")
    candidates, thoughts = integer(usage, "candidatesTokenCount"), integer(usage, "thoughtsTokenCount")
    return TokenUsage(
        input_tokens=_sum(prompt, tool_use),
        output_tokens=_sum(candidates, thoughts),
        cache_read_input_tokens=integer(usage, "cachedContentTokenCount"),
        reasoning_output_tokens=thoughts,
        total_tokens=integer(usage, "totalTokenCount"),
    )


def _sum(first: int | None, second: int | None) -> int | None:
    return None if first is None and second is None else (first or 0) + (second or 0)


def _answer_extra(answer: JsonObject, found: JsonObject, blocked: str | None) -> Iterator[tuple[str, Json]]:
    usage = camel(found.get("usageMetadata"))
    facts = {
        "gemini.response.block_reason": blocked,
        "gemini.response.trace_id": string(answer, "traceId"),  # Code Assist
        "gemini.response.traffic_type": string(usage, "trafficType"),
        "gemini.response.service_tier": string(usage, "serviceTier"),
    }
    yield from ((name, value) for name, value in facts.items() if value is not None)
    for name, key in (
        ("input_tokens", "promptTokensDetails"),
        ("output_tokens", "candidatesTokensDetails"),
        ("cache_read.input_tokens", "cacheTokensDetails"),
    ):
        for detail in map(camel, objects(sequence(usage, key))):
            modality, count = (string(detail, "modality") or "").lower(), integer(detail, "tokenCount")
            if modality in _COUNTED_MODALITIES and count is not None:
                yield f"gen_ai.usage.{modality}.{name}", count


def _candidate_count(request: JsonObject) -> int:
    config = camel(unwrapped(request, "request", "contents").get("generationConfig"))
    return integer(config, "candidateCount") or 1


API = Api(
    name="gemini",
    operation="generate_content",
    provider="gcp.gemini",
    recognises=recognises,
    read_request=read_request,
    read_answer=read_answer,
    new_merge=lambda request: GeminiMerge(_candidate_count(request)),
    framing=Framing.JSON_ARRAY,
)
