"""One output item of a streamed OpenAI response, grown from its deltas.

Invariant: what `response.output_item.done` says stands, deltas only fill in for it. Linear in the deltas.
"""

from __future__ import annotations

from dataclasses import dataclass

from wirespan.llm.fields import JsonObject, mapping, sequence, string
from wirespan.llm.fragments import Fragments
from wirespan.llm.inference import Json


@dataclass(frozen=True, slots=True)
class Growth:
    """What a kind of delta grows: field `field` of an item of type `item`, or of the part of type `part` in its
    array `array`."""

    item: str
    field: str
    array: str = ""
    part: str = ""


# Event name without .delta or .done.
GROWTHS = {
    "response.output_text": Growth("message", "text", "content", "output_text"),
    "response.refusal": Growth("message", "refusal", "content", "refusal"),
    "response.reasoning_text": Growth("reasoning", "text", "content", "reasoning_text"),
    "response.reasoning_summary_text": Growth("reasoning", "text", "summary", "summary_text"),
    "response.function_call_arguments": Growth("function_call", "arguments"),
    "response.custom_tool_call_input": Growth("custom_tool_call", "input"),
    "response.mcp_call_arguments": Growth("mcp_call", "arguments"),
    "response.code_interpreter_call_code": Growth("code_interpreter_call", "code"),
}


class _Grown:
    """Named texts that arrive in pieces, on top of what the object began with."""

    def __init__(self, start: JsonObject) -> None:
        self.start = start
        self.annotations: list[Json] = []
        self._texts: dict[str, list[str]] = {}

    def add(self, field: str, delta: Json) -> None:
        if isinstance(delta, str):
            self._texts.setdefault(field, []).append(delta)

    def set(self, field: str, text: Json) -> None:
        if isinstance(text, str):
            self.start = {**self.start, field: text}
            self._texts.pop(field, None)

    def assembled(self) -> JsonObject:
        grown = {field: (string(self.start, field) or "") + "".join(pieces) for field, pieces in self._texts.items()}
        annotations = {"annotations": self.annotations} if self.annotations else {}
        return {**self.start, **annotations, **grown}


class StreamedItem:
    """`end_ns`: when the item was said to be complete. `has_content`: something of it was shown already."""

    def __init__(self, start: JsonObject) -> None:
        self.end_ns: int | None = None
        self.has_content = False
        self._fields = _Grown(start)
        self._parts: dict[str, dict[int, _Grown]] = {}
        self._commands: dict[int, _Grown] = {}
        self._outputs: dict[int, Fragments] = {}
        self._done: JsonObject | None = None

    def begin(self, start: JsonObject) -> None:
        """A late output_item.added, behind the deltas that had opened the item."""
        self._fields.start = start

    def finish(self, item: JsonObject, time_ns: int) -> None:
        self._done = item
        self.end_ns = time_ns

    def grow(self, growth: Growth, index: int, delta: Json) -> None:
        self._target(growth, index).add(growth.field, delta)
        self.has_content = self.has_content or bool(delta)

    def complete(self, growth: Growth, index: int, text: Json) -> None:
        self._target(growth, index).set(growth.field, text)

    def put_part(self, array: str, index: int, part: JsonObject) -> None:
        """A part as content_part.added or .done (reasoning_summary_part, too) gives it."""
        self._parts.setdefault(array, {})[index] = _Grown(part)

    def annotate(self, index: int, annotation: Json) -> None:
        self._target(GROWTHS["response.output_text"], index).annotations.append(annotation)

    def add_command(self, index: int, verb: str, text: Json) -> None:
        command = self._commands.setdefault(index, _Grown({}))
        (command.add if verb == "delta" else command.set)("text", text)
        self.has_content = True

    def add_command_output(self, index: int, delta: JsonObject) -> None:
        self._outputs.setdefault(index, Fragments()).add_object(delta)
        self.has_content = True

    def assembled(self) -> JsonObject:
        if self._done is not None:
            return self._done
        item = self._fields.assembled()
        for array, parts in self._parts.items():
            known = dict(enumerate(sequence(item, array)))
            known.update((index, part.assembled()) for index, part in parts.items())
            item[array] = [known[index] for index in sorted(known)]
        if self._commands:
            commands = [self._commands[index].assembled().get("text") for index in sorted(self._commands)]
            item["action"] = {**mapping(item, "action"), "commands": commands}
        if self._outputs:
            item["output"] = [self._outputs[index].assembled() for index in sorted(self._outputs)]
        return item

    def _target(self, growth: Growth, index: int) -> _Grown:
        if not growth.array:
            return self._fields
        parts = self._parts.setdefault(growth.array, {})
        if index not in parts:
            parts[index] = _Grown({"type": growth.part})
        return parts[index]
