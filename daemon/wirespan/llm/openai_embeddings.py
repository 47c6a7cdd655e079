"""OpenAI Embeddings, also of those that speak it (Azure, Mistral, vLLM, llama.cpp, LM Studio, LiteLLM).

https://platform.openai.com/docs/api-reference/embeddings
"""

from __future__ import annotations

from wirespan.llm.api import AnswerReading, Api, BlockEnd, RequestReading
from wirespan.llm.embedding_vectors import described, vector_facts
from wirespan.llm.fields import JsonObject, integer, is_object, mapping, objects, sequence, string, strings
from wirespan.llm.inference import Generic, Json, Message, Part, RequestParameters, Text, TokenUsage
from wirespan.llm.openai_completions_merge import CompletionsMerge
from wirespan.llm.provider_error import error_from_json


def read_request(body: JsonObject) -> RequestReading:
    extra: dict[str, Json] = {"openai.api.type": "embeddings"}
    if string(body, "encoding_format") is not None:
        extra["openai.request.encoding_format"] = body["encoding_format"]
    if integer(body, "dimensions") is not None:
        extra["openai.request.dimensions"] = integer(body, "dimensions")
    return RequestReading(
        model=string(body, "model"),
        parameters=RequestParameters(),
        messages=(Message("user", _texts(body.get("input"))),),
        end_user_id=string(body, "user"),
        extra=extra,
    )


def _texts(asked: Json) -> tuple[Part, ...]:
    texts = strings({"input": asked}, "input")
    if texts:
        return tuple(Text(text) for text in texts)
    return (Generic("input", asked),) if asked else ()  # token numbers; pictures at Jina and vLLM


def recognises(answer: JsonObject) -> bool:
    return _is_embeddings(answer) or error_from_json(answer) is not None


def _is_embeddings(answer: JsonObject) -> bool:
    rows = list(objects(sequence(answer, "data")))
    return bool(rows) and "embedding" in rows[0]


def read_answer(answer: JsonObject, block_end: BlockEnd) -> AnswerReading:
    if not _is_embeddings(answer):
        return AnswerReading(model=string(answer, "model"), error=error_from_json(answer))
    usage = mapping(answer, "usage")
    return AnswerReading(
        id=string(answer, "id"),
        model=string(answer, "model"),
        usage=TokenUsage(input_tokens=integer(usage, "prompt_tokens"), total_tokens=integer(usage, "total_tokens")),
        extra=vector_facts([row.get("embedding") for row in objects(sequence(answer, "data"))]),
    )


def abridge(answer: JsonObject) -> JsonObject:
    """Without the vectors."""
    if not _is_embeddings(answer):
        return answer
    rows = (
        {**row, "embedding": described(row["embedding"])} if is_object(row) and "embedding" in row else row
        for row in answer["data"]
    )
    return {**answer, "data": list(rows)}


API = Api(
    name="openai.embeddings",
    operation="embeddings",
    provider="openai",
    recognises=recognises,
    read_request=read_request,
    read_answer=read_answer,
    new_merge=lambda _request: CompletionsMerge(1),  # nobody streams vectors
    abridge=abridge,
)
