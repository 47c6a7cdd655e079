"""Content of messages and tool results in OpenAI's Responses API, in the words of the GenAI conventions.

What is unknown is kept verbatim as `Generic`; bytes of images and files are described by size and hash.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from wirespan.llm.fields import JsonObject, is_object, mapping, sequence, string
from wirespan.llm.inference import Generic, Json, Media, Part, Reasoning, Refusal, Text
from wirespan.llm.media import media_from_base64, media_from_url

# Fields of content parts that may hold a data URL.
_URL_FIELDS = ("image_url", "file_url", "file_data", "url")


def content_parts(content: Json) -> Iterator[Part]:
    """The parts of a content (or instructions) field: a string, an array of parts, or absent."""
    if isinstance(content, str):
        if content:
            yield Text(content)
    elif isinstance(content, list):
        for item in content:
            yield from _content_part(item)
    elif content is not None:
        yield Generic("content", content)


def without_bytes(value: Json) -> Json:
    """A tool's result with its images and files described, as everywhere outside of the wire JSON."""
    if isinstance(value, list):
        return [without_bytes(item) for item in value]
    if not is_object(value):
        return value
    for field in _URL_FIELDS:
        url = string(value, field)
        if url is not None and url[:5].lower() == "data:":
            media = media_from_url("file", url)
            rest = {key: item for key, item in value.items() if key != field}
            return {**rest, "mime_type": media.mime_type, "size_bytes": media.size_bytes, "sha256": media.sha256}
    return value


def _content_part(item: Json) -> Iterator[Part]:
    if isinstance(item, str):
        yield Text(item)
        return
    kind = string(item, "type") or "content"
    read = _PART_READERS.get(kind)
    part = read(item) if read is not None else None
    yield part if part is not None else Generic(kind, item)
    annotations = sequence(item, "annotations")
    if part is not None and annotations:
        yield Generic("annotations", annotations)


def _text(item: JsonObject) -> Part | None:
    text = item.get("text")
    return Text(text) if isinstance(text, str) else None


def _reasoning_text(item: JsonObject) -> Part | None:
    text = item.get("text")
    return Reasoning(text) if isinstance(text, str) else None


def _refusal(item: JsonObject) -> Part | None:
    refusal = string(item, "refusal")
    return Refusal(refusal) if refusal is not None else None


def _image(item: JsonObject) -> Part | None:
    return _by_url_or_id("image", string(item, "image_url") or string(item.get("image_url"), "url"), item)


def _file(item: JsonObject) -> Part | None:
    data = string(item, "file_data")
    if data is not None and data[:5].lower() != "data:":
        return media_from_base64("file", data)
    return _by_url_or_id("file", data or string(item, "file_url"), item)


def _by_url_or_id(modality: str, url: str | None, item: JsonObject) -> Part | None:
    if url is not None:
        return media_from_url(modality, url)
    file_id = string(item, "file_id")
    return Media(modality, file_id=file_id) if file_id is not None else None


def _audio(item: JsonObject) -> Part | None:
    audio = mapping(item, "input_audio") or item
    data, form = string(audio, "data"), string(audio, "format")
    return media_from_base64("audio", data, f"audio/{form}" if form else None) if data is not None else None


_PART_READERS: dict[str, Callable[[JsonObject], Part | None]] = {
    "input_text": _text,
    "output_text": _text,
    "text": _text,
    "summary_text": _text,
    "reasoning_text": _reasoning_text,
    "refusal": _refusal,
    "input_image": _image,
    "computer_screenshot": _image,
    "input_file": _file,
    "input_audio": _audio,
}
