"""Parts of Gemini contents, sent and received, in the words of the GenAI conventions.

https://ai.google.dev/api/caching#Part. Code that runs at Google is marked as such. What is unknown is kept verbatim as
`Generic`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from wirespan.llm.fields import JsonObject, is_object, mapping, sequence, string
from wirespan.llm.gemini_fields import camel
from wirespan.llm.inference import Generic, Json, Media, Part, Reasoning, Text, ToolCall, ToolCallResponse
from wirespan.llm.media import media_from_base64

_CODE = "code_execution"
# Says something about a part, but is none.
_BESIDE = frozenset(("thought", "thoughtSignature", "videoMetadata", "mediaResolution", "partMetadata"))

PartEnd = Callable[[int], int | None]


def content_parts(content: Json, part_end: PartEnd = lambda _position: None) -> Iterator[Part]:
    """The parts of a Content object, or of what is taken for one: a string, a part, a list of them. `part_end`: when
    the part at a position was complete."""
    parts = content.get("parts") if is_object(content) and "parts" in content else content
    if not isinstance(parts, list):
        parts = [] if parts is None else [parts]
    for position, part in enumerate(parts):
        yield from _part(part, part_end(position))


def _part(part: Json, end_ns: int | None) -> Iterator[Part]:
    if isinstance(part, str):
        yield Text(part)
        return
    if not is_object(part):
        yield Generic("part", part)
        return
    part = camel(part)
    text = part.get("text")
    if isinstance(text, str):
        if text:  # an empty one only carries a signature
            yield Reasoning(text) if part.get("thought") is True else Text(text)
        return
    for kind in part:
        read = _PART_READERS.get(kind)
        found = read(camel(part[kind]), end_ns) if read is not None and is_object(part[kind]) else None
        if found is not None:
            yield found
            return
    kind = next((key for key in part if key not in _BESIDE), None)
    if kind is not None:
        yield Generic(kind, part)


def _function_call(call: JsonObject, end_ns: int | None) -> Part:
    return ToolCall(string(call, "id"), string(call, "name") or "", call.get("args"), end_ns=end_ns)


def _function_response(result: JsonObject, _end_ns: int | None) -> Part:
    response, parts = result.get("response"), sequence(result, "parts")
    is_error = is_object(response) and bool(response.get("error")) and "output" not in response
    value = {"response": response, "parts": [_without_bytes(part) for part in parts]} if parts else response
    return ToolCallResponse(string(result, "id"), value, string(result, "name"), is_error=is_error)


def _executable_code(code: JsonObject, end_ns: int | None) -> Part:
    arguments = {key: code[key] for key in ("language", "code") if key in code}
    return ToolCall(string(code, "id"), _CODE, arguments, server_side=True, end_ns=end_ns)


def _code_result(result: JsonObject, _end_ns: int | None) -> Part:
    is_error = string(result, "outcome") not in (None, "OUTCOME_OK", "OUTCOME_UNSPECIFIED")
    value = result.get("output") if "output" in result else result.get("outcome")
    return ToolCallResponse(string(result, "id"), value, _CODE, is_error=is_error, server_side=True)


def _tool_call(call: JsonObject, end_ns: int | None) -> Part:
    name = string(call, "toolType") or ""
    return ToolCall(string(call, "id"), name, call.get("args"), server_side=True, end_ns=end_ns)


def _tool_response(result: JsonObject, _end_ns: int | None) -> Part:
    return ToolCallResponse(string(result, "id"), result.get("response"), string(result, "toolType"), server_side=True)


def _inline_data(blob: JsonObject, _end_ns: int | None) -> Part | None:
    data, mime_type = string(blob, "data"), string(blob, "mimeType")
    return _media(data, mime_type) if data is not None else None


def _file_data(file: JsonObject, _end_ns: int | None) -> Part | None:
    uri, mime_type = string(file, "fileUri"), string(file, "mimeType")
    return Media(_modality(mime_type), mime_type, uri=uri) if uri is not None else None


def _media(data: str, mime_type: str | None) -> Media:
    """Google's own SDKs send the URL-safe alphabet (RFC 4648 section 5), with and without padding."""
    data = data.replace("-", "+").replace("_", "/")
    return media_from_base64(_modality(mime_type), data + "=" * (-len(data) % 4), mime_type)


def _modality(mime_type: str | None) -> str:
    kind = (mime_type or "").partition("/")[0].lower()
    return kind if kind in ("image", "audio", "video") else "file"


def _without_bytes(part: Json) -> Json:
    """A part of a tool's result: media is only described, as everywhere outside of the wire JSON."""
    blob = camel(mapping(camel(part), "inlineData"))
    data, mime_type = string(blob, "data"), string(blob, "mimeType")
    if data is None:
        return part
    media = _media(data, mime_type)
    described = {key: value for key, value in blob.items() if key != "data"}
    return {"inlineData": {**described, "size_bytes": media.size_bytes, "sha256": media.sha256}}


_PART_READERS: dict[str, Callable[[JsonObject, int | None], Part | None]] = {
    "functionCall": _function_call,
    "functionResponse": _function_response,
    "inlineData": _inline_data,
    "fileData": _file_data,
    "executableCode": _executable_code,
    "codeExecutionResult": _code_result,
    "toolCall": _tool_call,
    "toolResponse": _tool_response,
}
