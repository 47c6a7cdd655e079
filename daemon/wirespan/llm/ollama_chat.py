"""Ollama's POST /api/chat."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from wirespan.llm import ollama
from wirespan.llm.api import AnswerReading, Api, BlockEnd, Framing, RequestReading
from wirespan.llm.fields import JsonObject, is_object, mapping, objects, sequence, string, strings
from wirespan.llm.inference import (
    Generic,
    Json,
    Message,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolCallResponse,
    ToolDefinition,
)
from wirespan.llm.json_text import loads_or_text
from wirespan.llm.media import media_from_base64
from wirespan.llm.ollama_merge import OllamaMerge
from wirespan.llm.provider_error import error_from_json

CallEnd = Callable[[int], int | None]


def not_inference(body: JsonObject) -> str | None:
    """Without messages the server only loads the model, or drops it (keep_alive: 0)."""
    return None if body.get("messages") else "model_load"


def read_request(body: JsonObject) -> RequestReading:
    return RequestReading(
        model=string(body, "model"),
        parameters=ollama.parameters(body),
        messages=tuple(_message(message) for message in objects(sequence(body, "messages"))),
        tool_definitions=tuple(_tool_definition(tool) for tool in objects(sequence(body, "tools"))),
        extra=dict(ollama.request_extra(body)),
    )


def _message(message: JsonObject, call_end: CallEnd = lambda _position: None) -> Message:
    role = string(message, "role") or "user"
    if role == "tool":
        name = string(message, "tool_name") or string(message, "name")
        result = ToolCallResponse(string(message, "tool_call_id"), message.get("content"), name)
        return Message(role, (result,))
    return Message(role, tuple(_parts(message, call_end)))


def _parts(message: JsonObject, call_end: CallEnd) -> Iterator[Part]:
    thinking, content = string(message, "thinking"), message.get("content")
    if thinking is not None:
        yield Reasoning(thinking)
    if isinstance(content, str):
        if content:
            yield Text(content)
    elif content is not None:
        yield Generic("content", content)
    for image in strings(message, "images"):
        yield media_from_base64("image", image)
    for position, call in enumerate(sequence(message, "tool_calls")):
        yield _tool_call(call, call_end(position))


def _tool_call(call: Json, end_ns: int | None) -> Part:
    if not is_object(call):
        return Generic("tool_call", call)
    function = mapping(call, "function")
    arguments = function.get("arguments")
    value = loads_or_text(arguments) if isinstance(arguments, str) else arguments
    return ToolCall(string(call, "id"), string(function, "name") or "", value, end_ns=end_ns)


def _tool_definition(tool: JsonObject) -> ToolDefinition:
    function, kind = mapping(tool, "function"), string(tool, "type") or "function"
    name = string(function, "name") or kind
    return ToolDefinition(name, kind, string(function, "description"), function.get("parameters"))


def read_answer(answer: JsonObject, block_end: BlockEnd) -> AnswerReading:
    wire = answer.get("message")
    if not is_object(wire):
        return AnswerReading(model=string(answer, "model"), error=error_from_json(answer))
    said = _message({**wire, "role": "assistant"}, lambda position: block_end((0, position)))
    has_calls = any(isinstance(part, ToolCall) for part in said.parts)
    return AnswerReading(
        model=string(answer, "model"),
        messages=(Message("assistant", said.parts, finish_reason=ollama.finish_reason(answer, has_calls)),),
        finish_reasons=(string(answer, "done_reason"),),
        usage=ollama.read_usage(answer),
        extra=dict(ollama.answer_extra(answer)),
    )


API = Api(
    name="ollama.chat",
    operation="chat",
    provider=ollama.PROVIDER,
    recognises=lambda answer: ollama.recognises(answer, "message"),
    read_request=read_request,
    read_answer=read_answer,
    new_merge=lambda _request: OllamaMerge(),
    framing=Framing.NDJSON,
    not_inference=not_inference,
)
