"""Lines of a streamed Ollama answer (chat or generate), assembled into the unstreamed one.

Invariant: texts are joined, calls, pictures and log probabilities appended, of all else the last word stands: the line
with done: true brings the counts. Linear in the lines.
"""

from __future__ import annotations

from wirespan.llm.api import Place, Step
from wirespan.llm.fields import JsonObject, is_object
from wirespan.llm.inference import Json

_TEXTS = ("content", "response", "thinking")
_LISTS = ("tool_calls", "images", "logprobs")


class OllamaMerge:
    def __init__(self) -> None:
        self._line = _Grown()
        self._message = _Grown()
        self._call_ends: list[int] = []
        self._error: Json = None
        self._ended = False

    @property
    def finished(self) -> bool:
        return self._ended

    @property
    def error(self) -> Json:
        return self._error

    def add(self, event: str | None, data: Json, time_ns: int) -> Step:
        if not is_object(data):
            return Step.UNKNOWN
        if data.get("error"):
            self._error = data
            return Step.PROGRESS
        if not isinstance(data.get("done"), bool):
            return Step.UNKNOWN
        message = data.get("message")
        has_content = self._line.add({key: value for key, value in data.items() if key != "message"})
        if is_object(message):
            has_content = self._message.add(message) or has_content
            calls = message.get("tool_calls")
            self._call_ends += [time_ns] * (len(calls) if isinstance(calls, list) else 0)  # they come whole
        if data["done"]:
            self._ended = True
            return Step.END
        return Step.CONTENT if has_content else Step.PROGRESS

    def answer(self) -> JsonObject | None:
        if self._line.is_empty:
            return None
        if self._message.is_empty:
            return self._line.assembled()
        return {**self._line.assembled(), "message": {"role": "assistant", "content": "", **self._message.assembled()}}

    def block_end(self, place: Place) -> int | None:
        return self._call_ends[place[1]] if place[1] < len(self._call_ends) else None


class _Grown:
    """An object that comes again with each line."""

    def __init__(self) -> None:
        self._fields: JsonObject = {}
        self._texts: dict[str, list[str]] = {}
        self._lists: dict[str, list[Json]] = {}

    @property
    def is_empty(self) -> bool:
        return not (self._fields or self._texts or self._lists)

    def add(self, piece: JsonObject) -> bool:
        """Take a piece; whether there is something to see in it."""
        has_content = False
        for key, value in piece.items():
            if value is None:
                continue
            if key in _TEXTS and isinstance(value, str):
                self._texts.setdefault(key, []).append(value)
            elif key in _LISTS and isinstance(value, list):
                self._lists.setdefault(key, []).extend(value)
            else:
                self._fields[key] = value
                has_content = has_content or key == "image"
                continue
            has_content = has_content or (bool(value) and key != "logprobs")
        return has_content

    def assembled(self) -> JsonObject:
        return {**self._fields, **{key: "".join(pieces) for key, pieces in self._texts.items()}, **self._lists}
