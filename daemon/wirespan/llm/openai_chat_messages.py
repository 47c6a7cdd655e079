"""Messages of OpenAI Chat Completions, sent and received, in the words of the GenAI conventions.

Covers OpenAI's own fields and those of servers that speak the same API: vLLM, OpenRouter, Groq, DeepSeek, Mistral,
Copilot, LiteLLM. What is unknown is kept verbatim as `Generic`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from wirespan.llm.fields import JsonObject, is_object, mapping, objects, sequence, string
from wirespan.llm.inference import (
    Generic,
    Json,
    Media,
    Message,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolCallResponse,
)
from wirespan.llm.json_text import loads_or_text
from wirespan.llm.media import media_from_base64, media_from_url

# The role "function" is the one "tool" replaced.
_ROLES = {"function": "tool"}

# reasoning_content: DeepSeek, vLLM, Mistral; reasoning: OpenRouter, Groq, Ollama; reasoning_text: Copilot.
REASONING_KEYS = ("reasoning_content", "reasoning", "reasoning_text")

CallEnd = Callable[[int], int | None]


def read_message(message: JsonObject) -> Message:
    """One message of a request."""
    role = string(message, "role") or "user"
    if role in ("tool", "function"):
        parts: Iterable[Part] = (_tool_result(message),)
    else:
        parts = message_parts(message, lambda _position: None)
    return Message(_ROLES.get(role, role), tuple(parts), name=string(message, "name"))


def message_parts(message: JsonObject, call_end: CallEnd) -> Iterator[Part]:
    """Everything a user's, system's or assistant's message holds, thoughts first, calls last. `call_end` gives the
    end of the call at a position of tool_calls; a legacy function_call stands behind them."""
    yield from _reasoning(message)
    yield from content_parts(message.get("content"))
    refusal = string(message, "refusal")
    if refusal is not None:
        yield Refusal(refusal)
    yield from _audio(mapping(message, "audio"))
    yield from content_parts(sequence(message, "images"))  # OpenRouter: what an image model drew
    annotations = sequence(message, "annotations")
    if annotations:
        yield Generic("annotations", annotations)
    calls = sequence(message, "tool_calls")
    for position, call in enumerate(calls):
        yield _tool_call(call, call_end(position))
    legacy_call = mapping(message, "function_call")
    if legacy_call:
        yield ToolCall(None, string(legacy_call, "name") or "", _arguments(legacy_call), end_ns=call_end(len(calls)))


def content_parts(content: Json) -> Iterator[Part]:
    """The parts of a content field: a string, an array of parts, or absent."""
    if isinstance(content, str):
        if content:
            yield Text(content)
    elif isinstance(content, list):
        for item in content:
            yield _content_part(item)
    elif content is not None:
        yield Generic("content", content)


def _content_part(item: Json) -> Part:
    if isinstance(item, str):
        return Text(item)
    if not is_object(item):
        return Generic("content", item)
    kind = string(item, "type") or ""
    read = _PART_READERS.get(kind)
    part = read(item) if read is not None else None
    return part if part is not None else Generic(kind or "content", item)


def _text(item: JsonObject) -> Part | None:
    text = item.get("text")
    return Text(text) if isinstance(text, str) else None


def _refusal(item: JsonObject) -> Part | None:
    text = string(item, "refusal")
    return Refusal(text) if text is not None else None


def _thinking(item: JsonObject) -> Part | None:
    """Mistral: {"type": "thinking", "thinking": [{"type": "text", "text": ...}]}."""
    thinking = item.get("thinking")
    if isinstance(thinking, str):
        return Reasoning(thinking)
    texts = [chunk.get("text") for chunk in objects(sequence(item, "thinking"))]
    return Reasoning("".join(text for text in texts if isinstance(text, str))) if texts else None


def _url_reader(modality: str, key: str) -> Callable[[JsonObject], Part | None]:
    def read(item: JsonObject) -> Part | None:
        url = string(item, key) or string(item.get(key), "url")
        return media_from_url(modality, url) if url is not None else None

    return read


def _input_audio(item: JsonObject) -> Part | None:
    audio = mapping(item, "input_audio")
    data, form = string(audio, "data"), string(audio, "format")
    return media_from_base64("audio", data, f"audio/{form}" if form else None) if data is not None else None


def _file(item: JsonObject) -> Part | None:
    file = mapping(item, "file")
    data, file_id = string(file, "file_data"), string(file, "file_id")
    if data is None:
        return Media("file", file_id=file_id) if file_id is not None else None
    return media_from_url("file", data) if data.startswith(("data:", "http")) else media_from_base64("file", data)


_PART_READERS: dict[str, Callable[[JsonObject], Part | None]] = {
    "text": _text,
    "refusal": _refusal,
    "thinking": _thinking,
    "image_url": _url_reader("image", "image_url"),
    "video_url": _url_reader("video", "video_url"),
    "audio_url": _url_reader("audio", "audio_url"),
    "input_audio": _input_audio,
    "file": _file,
}


def _reasoning(message: JsonObject) -> Iterator[Part]:
    texts = [text for key in REASONING_KEYS if (text := string(message, key)) is not None]
    if texts:
        yield Reasoning(texts[0])  # servers that send two of the keys send the same text twice
    for block in objects(sequence(message, "thinking_blocks")):  # LiteLLM; beside reasoning_content the same text again
        thought = string(block, "thinking")
        if block.get("type") == "redacted_thinking":
            yield Reasoning("", redacted=True)
        elif thought is not None and not texts:
            yield Reasoning(thought)
    for detail in objects(sequence(message, "reasoning_details")):  # OpenRouter; beside `reasoning` the same text again
        text = string(detail, "text") or string(detail, "summary")
        if text is None and string(detail, "data") is not None:
            yield Reasoning("", redacted=True)
        elif text is not None and not texts:
            yield Reasoning(text)


def _audio(audio: JsonObject) -> Iterator[Part]:
    """A spoken answer: {id, data, transcript}. In a request only the id of an earlier one."""
    if not audio:
        return
    transcript = string(audio, "transcript")
    if transcript is not None:
        yield Text(transcript)
    data = string(audio, "data")
    file_id = string(audio, "id")
    yield media_from_base64("audio", data, file_id=file_id) if data is not None else Media("audio", file_id=file_id)


def _tool_call(call: Json, end_ns: int | None) -> Part:
    if not is_object(call):
        return Generic("tool_call", call)
    custom = call.get("custom")
    if is_object(custom):
        return ToolCall(string(call, "id"), string(custom, "name") or "", custom.get("input"), end_ns=end_ns)
    function = mapping(call, "function")
    return ToolCall(string(call, "id"), string(function, "name") or "", _arguments(function), end_ns=end_ns)


def _arguments(function: JsonObject) -> Json:
    arguments = function.get("arguments")
    return loads_or_text(arguments) if isinstance(arguments, str) else arguments


def _tool_result(message: JsonObject) -> ToolCallResponse:
    return ToolCallResponse(string(message, "tool_call_id"), message.get("content"), string(message, "name"))
