"""What the endpoints of Ollama's own API have in common: options, counts, durations, how an answer ended.

https://github.com/ollama/ollama/blob/main/docs/api.md. Its OpenAI-compatible side is read as openai.chat.
"""

from __future__ import annotations

from collections.abc import Iterator

from wirespan.llm.fields import JsonObject, integer, is_object, mapping, number, string, strings
from wirespan.llm.inference import Json, RequestParameters, TokenUsage
from wirespan.llm.provider_error import error_from_json

PROVIDER = "ollama"

# unload and load say that nothing was generated; they stay as they are.
_FINISH_REASONS = {"stop": "stop", "length": "length"}
_DURATIONS = ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration")


def parameters(body: JsonObject) -> RequestParameters:
    """Everything is streamed that is not asked to be whole. num_predict is -1 for no limit, -2 for the context's."""
    options = mapping(body, "options")
    limit = integer(options, "num_predict")
    return RequestParameters(
        max_tokens=limit if limit is not None and limit > 0 else None,
        temperature=number(options, "temperature"),
        top_p=number(options, "top_p"),
        top_k=integer(options, "top_k"),
        frequency_penalty=number(options, "frequency_penalty"),
        presence_penalty=number(options, "presence_penalty"),
        seed=integer(options, "seed"),
        stop_sequences=strings(options, "stop"),
        reasoning_level=string(body, "think"),
        output_type="json" if body.get("format") == "json" or is_object(body.get("format")) else None,
        stream=body.get("stream") is not False,
    )


def request_extra(body: JsonObject) -> Iterator[tuple[str, Json]]:
    context = integer(mapping(body, "options"), "num_ctx")
    if context is not None:
        yield "ollama.request.num_ctx", context
    if isinstance(body.get("think"), bool):
        yield "ollama.request.think", body["think"]
    keep_alive = body.get("keep_alive")
    if isinstance(keep_alive, str | int | float) and not isinstance(keep_alive, bool):
        yield "ollama.request.keep_alive", str(keep_alive)


def recognises(answer: JsonObject, content: str) -> bool:
    """Whether an object can be an answer (or an error), whose words stand under `content`."""
    is_answer = isinstance(answer.get("done"), bool) and content in answer
    return is_answer or error_from_json(answer) is not None


def finish_reason(answer: JsonObject, has_calls: bool = False) -> str | None:
    reason = string(answer, "done_reason")
    if reason == "stop" and has_calls:
        return "tool_call"
    return _FINISH_REASONS.get(reason, reason) if reason is not None else None


def read_usage(answer: JsonObject) -> TokenUsage:
    """prompt_eval_count is absent where the whole prompt was in the server's cache."""
    return TokenUsage(input_tokens=integer(answer, "prompt_eval_count"), output_tokens=integer(answer, "eval_count"))


def answer_extra(answer: JsonObject) -> Iterator[tuple[str, Json]]:
    for key in _DURATIONS:
        if integer(answer, key) is not None:
            yield f"ollama.response.{key}_ns", integer(answer, key)
    for key in ("remote_model", "remote_host"):  # a model of Ollama's cloud, called through the local server
        if string(answer, key) is not None:
            yield f"ollama.response.{key}", answer[key]
