"""Ollama's POST /api/embed, and /api/embeddings, which it replaced."""

from __future__ import annotations

from wirespan.llm import ollama
from wirespan.llm.api import AnswerReading, Api, BlockEnd, RequestReading
from wirespan.llm.embedding_vectors import described, vector_facts
from wirespan.llm.fields import JsonObject, integer, sequence, string, strings
from wirespan.llm.inference import Json, Message, RequestParameters, Text, TokenUsage
from wirespan.llm.ollama_merge import OllamaMerge
from wirespan.llm.provider_error import error_from_json


def not_inference(body: JsonObject) -> str | None:
    return None if body.get("input") or body.get("prompt") else "model_load"


def read_request(body: JsonObject) -> RequestReading:
    texts = strings(body, "input") or strings(body, "prompt")
    extra = dict(ollama.request_extra(body))
    if integer(body, "dimensions") is not None:
        extra["ollama.request.dimensions"] = integer(body, "dimensions")
    return RequestReading(
        model=string(body, "model"),
        parameters=RequestParameters(),
        messages=(Message("user", tuple(Text(text) for text in texts)),),
        extra=extra,
    )


def recognises(answer: JsonObject) -> bool:
    has_vectors = isinstance(answer.get("embeddings"), list) or isinstance(answer.get("embedding"), list)
    return has_vectors or error_from_json(answer) is not None


def read_answer(answer: JsonObject, block_end: BlockEnd) -> AnswerReading:
    return AnswerReading(
        model=string(answer, "model"),
        usage=TokenUsage(input_tokens=integer(answer, "prompt_eval_count")),
        error=error_from_json(answer),
        extra={**vector_facts(_vectors(answer)), **dict(ollama.answer_extra(answer))},
    )


def abridge(answer: JsonObject) -> JsonObject:
    if "embedding" in answer:
        return {**answer, "embedding": described(answer["embedding"])}
    vectors = answer.get("embeddings")
    return {**answer, "embeddings": [described(vector) for vector in vectors]} if isinstance(vectors, list) else answer


def _vectors(answer: JsonObject) -> list[Json]:
    return [answer["embedding"]] if "embedding" in answer else sequence(answer, "embeddings")


API = Api(
    name="ollama.embed",
    operation="embeddings",
    provider=ollama.PROVIDER,
    recognises=recognises,
    read_request=read_request,
    read_answer=read_answer,
    new_merge=lambda _request: OllamaMerge(),
    not_inference=not_inference,
    abridge=abridge,
)
