"""Content blocks of the Anthropic Messages API, sent and received, in the words of the GenAI conventions.

Server tools (server_tool_use, mcp_tool_use and their results) are marked as run by the provider. What is unknown is
kept verbatim as `Generic`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from wirespan.llm.fields import JsonObject, is_object, mapping, sequence, string
from wirespan.llm.inference import Generic, Json, Media, Part, Reasoning, Text, ToolCall, ToolCallResponse
from wirespan.llm.media import media_from_base64, media_from_text

BlockEndAt = Callable[[int], int | None]


def content_parts(content: Json, block_end: BlockEndAt = lambda _position: None) -> Iterator[Part]:
    """The parts of a content (or system) field: a string, or blocks. `block_end`: when the one at a position ended."""
    if isinstance(content, str):
        if content:
            yield Text(content)
    elif isinstance(content, list):
        for position, block in enumerate(content):
            yield from _block_parts(block, block_end(position))
    elif content is not None:
        yield Generic("content", content)


def _block_parts(block: Json, end_ns: int | None) -> Iterator[Part]:
    if isinstance(block, str):
        yield Text(block)
        return
    if not is_object(block):
        yield Generic("content", block)
        return
    kind = string(block, "type") or ""
    if kind in _CALLS:
        name = string(block, "name") or ""
        yield ToolCall(string(block, "id"), name, block.get("input"), server_side=_CALLS[kind], end_ns=end_ns)
    elif kind == "tool_result" or kind.endswith("_tool_result"):
        yield _tool_result(block, server_side=kind != "tool_result")
    else:
        read = _BLOCK_READERS.get(kind)
        part = read(block) if read is not None else None
        yield part if part is not None else Generic(kind or "content", block)
        citations = sequence(block, "citations")
        if kind == "text" and citations:
            yield Generic("citations", citations)


_CALLS = {"tool_use": False, "server_tool_use": True, "mcp_tool_use": True}


def _tool_result(block: JsonObject, server_side: bool) -> ToolCallResponse:
    content = block.get("content")
    is_error = block.get("is_error") is True or (string(content, "type") or "").endswith("_error")
    if isinstance(content, list):
        content = [_without_bytes(item) for item in content]
    return ToolCallResponse(string(block, "tool_use_id"), content, is_error=is_error, server_side=server_side)


def _without_bytes(item: Json) -> Json:
    """A block inside of a tool result: media is only described, as everywhere outside of the wire JSON."""
    source = mapping(item, "source")
    if string(source, "type") != "base64":
        return item
    media = media_from_base64("file", string(source, "data") or "", string(source, "media_type"))
    described = {key: value for key, value in source.items() if key != "data"}
    return {**item, "source": {**described, "size_bytes": media.size_bytes, "sha256": media.sha256}}


def _text(block: JsonObject) -> Part | None:
    text = block.get("text")
    return Text(text) if isinstance(text, str) else None


def _thinking(block: JsonObject) -> Part | None:
    thinking = block.get("thinking")
    if not isinstance(thinking, str):
        return None
    return Reasoning(thinking, redacted=not thinking)  # display "omitted": a signature without its text


def _redacted_thinking(block: JsonObject) -> Part | None:
    return Reasoning("", redacted=True)


def _media_reader(modality: str) -> Callable[[JsonObject], Part | None]:
    def read(block: JsonObject) -> Part | None:
        source = mapping(block, "source")
        mime_type, data = string(source, "media_type"), string(source, "data")
        match string(source, "type"):
            case "base64" if data is not None:
                return media_from_base64(modality, data, mime_type)
            case "text" if data is not None:
                return media_from_text(modality, data, mime_type)
            case "url" if string(source, "url") is not None:
                return Media(modality, mime_type, uri=string(source, "url"))
            case "file" if string(source, "file_id") is not None:
                return Media(modality, mime_type, file_id=string(source, "file_id"))
            case _:
                return None  # among them documents made of content blocks: kept verbatim

    return read


def _container_upload(block: JsonObject) -> Part | None:
    file_id = string(block, "file_id")
    return Media("file", file_id=file_id) if file_id is not None else None


_BLOCK_READERS: dict[str, Callable[[JsonObject], Part | None]] = {
    "text": _text,
    "thinking": _thinking,
    "redacted_thinking": _redacted_thinking,
    "image": _media_reader("image"),
    "document": _media_reader("file"),
    "container_upload": _container_upload,
}
