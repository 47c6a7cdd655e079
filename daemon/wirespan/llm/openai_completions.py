"""OpenAI Completions, the API before Chat: one prompt or several, texts as choices. vLLM, llama.cpp, LM Studio have it.

https://platform.openai.com/docs/api-reference/completions
"""

from __future__ import annotations

from collections.abc import Iterator

from wirespan.llm.api import AnswerReading, Api, BlockEnd, RequestReading
from wirespan.llm.fields import JsonObject, integer, mapping, number, objects, sequence, string, strings
from wirespan.llm.inference import Generic, Json, Message, Part, Reasoning, RequestParameters, Text
from wirespan.llm.openai_chat import read_usage
from wirespan.llm.openai_completions_merge import CompletionsMerge
from wirespan.llm.provider_error import error_from_json

_FINISH_REASONS = {"stop": "stop", "eos": "stop", "length": "length", "content_filter": "content_filter"}


def read_request(body: JsonObject) -> RequestReading:
    extra: dict[str, Json] = {"openai.api.type": "completions"}
    if string(body, "service_tier") is not None:
        extra["openai.request.service_tier"] = body["service_tier"]
    return RequestReading(
        model=string(body, "model"),
        parameters=_parameters(body),
        messages=(Message("user", tuple(_asked(body))),),
        end_user_id=string(body, "user"),
        extra=extra,
    )


def _parameters(body: JsonObject) -> RequestParameters:
    return RequestParameters(
        max_tokens=integer(body, "max_tokens"),
        temperature=number(body, "temperature"),
        top_p=number(body, "top_p"),
        top_k=integer(body, "top_k"),  # vLLM
        frequency_penalty=number(body, "frequency_penalty"),
        presence_penalty=number(body, "presence_penalty"),
        seed=integer(body, "seed"),
        choice_count=integer(body, "n"),
        stop_sequences=strings(body, "stop"),
        stream=body.get("stream") is True,
    )


def _asked(body: JsonObject) -> Iterator[Part]:
    prompt = body.get("prompt")
    texts = strings(body, "prompt")
    if texts:
        yield from (Text(text) for text in texts)
    elif prompt:
        yield Generic("prompt", prompt)  # token numbers
    suffix = string(body, "suffix")
    if suffix is not None:
        yield Generic("suffix", suffix)  # the text goes between prompt and suffix


def choice_count(body: JsonObject) -> int:
    """`n` texts for each prompt; a list of numbers is one prompt."""
    prompt = body.get("prompt")
    is_list = isinstance(prompt, list) and not any(isinstance(item, int) for item in prompt)
    return (integer(body, "n") or 1) * (len(prompt) if is_list and prompt else 1)


def recognises(answer: JsonObject) -> bool:
    """Whether an object can be an answer (or an error) of this API. A chat's choices have messages, not texts."""
    choices = list(objects(sequence(answer, "choices")))
    is_answer = any("text" in choice for choice in choices) or answer.get("object") == "text_completion"
    return is_answer or error_from_json(answer) is not None


def read_answer(answer: JsonObject, block_end: BlockEnd) -> AnswerReading:
    choices = sorted(objects(sequence(answer, "choices")), key=lambda choice: integer(choice, "index") or 0)
    return AnswerReading(
        id=string(answer, "id"),
        model=string(answer, "model"),
        messages=tuple(_message(choice) for choice in choices),
        finish_reasons=tuple(string(choice, "finish_reason") for choice in choices),
        usage=read_usage(mapping(answer, "usage")),
        error=None if choices else error_from_json(answer),
        extra=dict(_answer_extra(answer, choices)),
    )


def _message(choice: JsonObject) -> Message:
    reason = string(choice, "finish_reason")
    thought, text = string(choice, "reasoning"), string(choice, "text")  # reasoning: OpenRouter
    parts: list[Part] = [Reasoning(thought)] if thought is not None else []
    if text is not None:
        parts.append(Text(text))
    word = _FINISH_REASONS.get(reason, reason) if reason is not None else None
    return Message("assistant", tuple(parts), finish_reason=word)


def _answer_extra(answer: JsonObject, choices: list[JsonObject]) -> Iterator[tuple[str, Json]]:
    if string(answer, "system_fingerprint") is not None:
        yield "openai.response.system_fingerprint", answer["system_fingerprint"]
    logprobs = sum(len(sequence(mapping(choice, "logprobs"), "tokens")) for choice in choices)
    if logprobs:
        yield "wirespan.response.logprob_tokens", logprobs


API = Api(
    name="openai.completions",
    operation="text_completion",
    provider="openai",
    recognises=recognises,
    read_request=read_request,
    read_answer=read_answer,
    new_merge=lambda request: CompletionsMerge(choice_count(request)),
)
