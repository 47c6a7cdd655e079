"""Events of a streamed Anthropic message, assembled into the unstreamed one.

https://docs.anthropic.com/en/docs/build-with-claude/streaming. Invariant: same result as the vendor SDK's
accumulate_event, without its order assumptions: a delta for a block that never began opens one. Linear in the events.
"""

from __future__ import annotations

from wirespan.llm.api import Place, Step
from wirespan.llm.fields import JsonObject, integer, is_object, mapping, string
from wirespan.llm.inference import Json
from wirespan.llm.json_text import loads_or_text

# delta type -> the block's field that grows by the delta's field of the same name.
_TEXT_DELTAS = {"text_delta": "text", "thinking_delta": "thinking", "compaction_delta": "content"}
_TEXT_OF_BLOCK = {"text": "text", "thinking": "thinking", "compaction": "content"}
_BLOCK_OF_DELTA = {
    "text_delta": "text",
    "citations_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "thinking",
    "input_json_delta": "tool_use",
    "compaction_delta": "compaction",
}


class MessagesMerge:
    def __init__(self) -> None:
        self._message: JsonObject | None = None
        self._blocks: dict[int, _Block] = {}
        self._error: Json = None
        self._stopped = False
        self._block_ends: list[int | None] = []

    @property
    def finished(self) -> bool:
        """Behind the stop reason only message_stop follows."""
        return self._stopped or (self._message is not None and self._message.get("stop_reason") is not None)

    @property
    def error(self) -> Json:
        return self._error

    def add(self, event: str | None, data: Json, time_ns: int) -> Step:
        if not is_object(data):
            return Step.UNKNOWN
        match string(data, "type") or event:
            case "ping":
                return Step.KEEPALIVE
            case "error":
                self._error = data
                return Step.PROGRESS
            case "message_start":
                return self._start(mapping(data, "message"))
            case "message" if "content" in data:
                return self._take_whole(data, time_ns)
            case "message_delta" if self._message is not None:
                return self._change_message(self._message, data)
            case "message_stop" if self._message is not None:
                return self._stop(time_ns)
            case "content_block_start" if self._message is not None:
                self._blocks[integer(data, "index") or 0] = block = _Block(mapping(data, "content_block"))
                return Step.CONTENT if block.has_content_from_start else Step.PROGRESS
            case "content_block_delta" if self._message is not None:
                return self._block(data).add(mapping(data, "delta"))
            case "content_block_stop" if self._message is not None:
                self._block(data).close(time_ns)
                return Step.PROGRESS
            case (
                "message_delta" | "message_stop" | "content_block_start" | "content_block_delta" | "content_block_stop"
            ):
                return Step.PROGRESS  # without a message_start there is nothing they could belong to
            case _:
                return Step.UNKNOWN

    def answer(self) -> JsonObject | None:
        if self._message is None:
            return None
        blocks = [self._blocks[index] for index in sorted(self._blocks)]
        self._block_ends = [block.end_ns for block in blocks]
        return {**self._message, "content": [block.assembled() for block in blocks]} if blocks else self._message

    def block_end(self, place: Place) -> int | None:
        return self._block_ends[place[1]] if place[1] < len(self._block_ends) else None

    def _start(self, message: JsonObject) -> Step:
        if self._message is None:
            self._message = {"type": "message", "role": "assistant", **message}
            self._message["usage"] = dict(mapping(message, "usage"))
        return Step.PROGRESS

    def _take_whole(self, message: JsonObject, time_ns: int) -> Step:
        """A gateway that puts the unstreamed message into one event."""
        self._message = dict(message)
        content = message["content"] if isinstance(message["content"], list) else []
        self._blocks = {index: _Block(block) for index, block in enumerate(content) if is_object(block)}
        for block in self._blocks.values():
            block.close(time_ns)
        return Step.CONTENT

    def _change_message(self, message: JsonObject, data: JsonObject) -> Step:
        message.update((key, value) for key, value in mapping(data, "delta").items() if value is not None)
        usage = message.setdefault("usage", {})
        if is_object(usage):  # counts are cumulative: the last one said stands
            usage.update((key, value) for key, value in mapping(data, "usage").items() if value is not None)
        for key, value in data.items():  # context_management and what else may come beside delta and usage
            if key not in ("type", "delta", "usage") and value is not None:
                message[key] = value
        return Step.PROGRESS

    def _stop(self, time_ns: int) -> Step:
        self._stopped = True
        for block in self._blocks.values():
            block.close(time_ns)
        return Step.END

    def _block(self, data: JsonObject) -> _Block:
        index = integer(data, "index") or 0
        block = self._blocks.get(index)
        if block is None:
            kind = _BLOCK_OF_DELTA.get(string(mapping(data, "delta"), "type") or "", "unknown")
            block = self._blocks[index] = _Block({"type": kind})
        return block


class _Block:
    """One content block. `start` is what content_block_start gave."""

    def __init__(self, start: JsonObject) -> None:
        self.end_ns: int | None = None
        self._start = start
        self._texts: dict[str, list[str]] = {}
        self._input_json: list[str] | None = None
        self._changes: JsonObject = {}
        self._citations: list[Json] = []
        self._unknown_deltas: list[Json] = []

    @property
    def has_content_from_start(self) -> bool:
        """Tool calls show their name, results and redacted thoughts come whole; what grows by text begins empty."""
        field = _TEXT_OF_BLOCK.get(string(self._start, "type") or "")
        return field is None or bool(self._start.get(field))

    def close(self, time_ns: int) -> None:
        if self.end_ns is None:
            self.end_ns = time_ns

    def add(self, delta: JsonObject) -> Step:
        kind = string(delta, "type") or ""
        field = _TEXT_DELTAS.get(kind)
        if field is not None:
            text = delta.get(field)
            if isinstance(text, str):
                self._texts.setdefault(field, []).append(text)
            rest = {key: value for key, value in delta.items() if key not in ("type", field) and value is not None}
            self._changes.update(rest)  # compaction_delta brings encrypted_content beside content
            return Step.CONTENT if text or rest else Step.PROGRESS
        if kind == "input_json_delta":
            if self._input_json is None:
                self._input_json = []
            self._input_json.append(string(delta, "partial_json") or "")
            return Step.CONTENT
        if kind == "signature_delta":
            self._changes["signature"] = delta.get("signature")
            return Step.PROGRESS
        if kind == "citations_delta":
            self._citations.append(delta.get("citation"))
            return Step.CONTENT
        self._unknown_deltas.append(delta)
        return Step.CONTENT

    def assembled(self) -> JsonObject:
        block = {**self._start, **self._changes}
        for field, pieces in self._texts.items():
            begin = self._start.get(field)
            block[field] = (begin if isinstance(begin, str) else "") + "".join(pieces)
        if self._input_json is not None:
            joined = "".join(self._input_json)
            if joined.strip():
                block["input"] = loads_or_text(joined)
            else:
                block["input"] = self._start.get("input") or {}
        if self._citations:
            known = self._start.get("citations")
            block["citations"] = [*(known if isinstance(known, list) else []), *self._citations]
        if self._unknown_deltas:
            block["unknown_deltas"] = self._unknown_deltas
        return block
