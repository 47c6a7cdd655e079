"""Ollama's POST /api/generate: one prompt, one text."""

from __future__ import annotations

from collections.abc import Iterator

from wirespan.llm import ollama
from wirespan.llm.api import AnswerReading, Api, BlockEnd, Framing, RequestReading
from wirespan.llm.fields import JsonObject, string, strings
from wirespan.llm.inference import Generic, Message, Part, Reasoning, Text
from wirespan.llm.media import media_from_base64
from wirespan.llm.ollama_merge import OllamaMerge
from wirespan.llm.provider_error import error_from_json


def not_inference(body: JsonObject) -> str | None:
    """Without a prompt the server only loads the model, or drops it (keep_alive: 0)."""
    return None if body.get("prompt") or body.get("images") else "model_load"


def read_request(body: JsonObject) -> RequestReading:
    system = string(body, "system")
    return RequestReading(
        model=string(body, "model"),
        parameters=ollama.parameters(body),
        system_instructions=(Text(system),) if system is not None else (),
        messages=(Message("user", tuple(_asked(body))),),
        extra=dict(ollama.request_extra(body)),
    )


def _asked(body: JsonObject) -> Iterator[Part]:
    prompt, suffix = string(body, "prompt"), string(body, "suffix")
    if prompt is not None:
        yield Text(prompt)
    for image in strings(body, "images"):
        yield media_from_base64("image", image)
    if suffix is not None:
        yield Generic("suffix", suffix)  # the text goes between prompt and suffix


def read_answer(answer: JsonObject, block_end: BlockEnd) -> AnswerReading:
    if not isinstance(answer.get("done"), bool):
        return AnswerReading(error=error_from_json(answer))
    return AnswerReading(
        model=string(answer, "model"),
        messages=(Message("assistant", tuple(_said(answer)), finish_reason=ollama.finish_reason(answer)),),
        finish_reasons=(string(answer, "done_reason"),),
        usage=ollama.read_usage(answer),
        extra=dict(ollama.answer_extra(answer)),
    )


def _said(answer: JsonObject) -> Iterator[Part]:
    thinking, text, image = string(answer, "thinking"), string(answer, "response"), string(answer, "image")
    if thinking is not None:
        yield Reasoning(thinking)
    if text is not None:
        yield Text(text)
    if image is not None:
        yield media_from_base64("image", image)


API = Api(
    name="ollama.generate",
    operation="text_completion",
    provider=ollama.PROVIDER,
    recognises=lambda answer: ollama.recognises(answer, "response") or ollama.recognises(answer, "image"),
    read_request=read_request,
    read_answer=read_answer,
    new_merge=lambda _request: OllamaMerge(),
    framing=Framing.NDJSON,
    not_inference=not_inference,
)
