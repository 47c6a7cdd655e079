"""Chunks of a streamed chat completion, assembled into the unstreamed one.

Invariant: every field ends up as the vendors' own SDK accumulates it; linear in the chunks, as text is joined once.
"""

from __future__ import annotations

from wirespan.llm.api import Place, Step
from wirespan.llm.fields import JsonObject, integer, is_object, objects, sequence
from wirespan.llm.fragments import Content, Fragments
from wirespan.llm.inference import Json
from wirespan.llm.openai_chat_calls import StreamedCall, StreamedCalls

_DONE = "[DONE]"

# Built here, or padding against traffic analysis that is no part of the answer.
_NOT_KEPT = frozenset(("choices", "object", "obfuscation"))

# Fields of a choice that are no plain values.
_READ_APART = frozenset(("index", "delta", "message", "finish_reason"))

# The same in every chunk but Azure's first one (prompt_filter_results), where they are empty.
_FIRST_COUNTS = frozenset(("id", "created", "model", "system_fingerprint", "service_tier"))


class ChatMerge:
    """`choice_count`: the request's n, without which the end of one choice is not the end of the answer."""

    def __init__(self, choice_count: int) -> None:
        self._choice_count = choice_count
        self._fields: JsonObject = {}
        self._choices: dict[int, _Choice] = {}
        self._error: Json = None
        self._done = False

    @property
    def finished(self) -> bool:
        choices = self._choices.values()
        return self._done or (len(choices) >= self._choice_count and all(choice.finished for choice in choices))

    @property
    def error(self) -> Json:
        return self._error

    def add(self, event: str | None, data: Json, time_ns: int) -> Step:
        if data == _DONE:
            self._done = True
            self._close_calls(time_ns)
            return Step.END
        if not is_object(data):
            return Step.UNKNOWN
        if data.get("error") or event == "error" or data.get("object") == "error":
            self._error = data
            return Step.PROGRESS
        if "choices" not in data and data.get("object") != "chat.completion.chunk":
            return Step.UNKNOWN
        self._add_fields(data)
        has_content = False
        for choice in objects(sequence(data, "choices")):
            index = integer(choice, "index") or 0
            state = self._choices.get(index)
            if state is None:
                state = self._choices[index] = _Choice()
            has_content = state.add(choice, time_ns) or has_content
        return Step.CONTENT if has_content else Step.PROGRESS

    def answer(self) -> JsonObject | None:
        if not self._fields and not self._choices:
            return None
        choices = [{"index": index, **self._choices[index].assembled()} for index in sorted(self._choices)]
        return {**self._fields, "object": "chat.completion", "choices": choices}

    def block_end(self, place: Place) -> int | None:
        choice = self._choices.get(place[0])
        ends = choice.call_ends if choice is not None else []
        return ends[place[1]] if place[1] < len(ends) else None

    def _add_fields(self, chunk: JsonObject) -> None:
        fields = self._fields
        for key, value in chunk.items():
            if key in _FIRST_COUNTS:
                if value and key not in fields:
                    fields[key] = value
            elif value is not None and key not in _NOT_KEPT:
                fields[key] = value  # usage is cumulative where it comes more than once

    def _close_calls(self, time_ns: int) -> None:
        for choice in self._choices.values():
            choice.close_calls(time_ns)


class _Choice:
    """`call_ends`: the ends of the tool calls in the order of `assembled()`, filled by it."""

    def __init__(self) -> None:
        self.finished = False
        self.call_ends: list[int | None] = []
        self._fields: JsonObject = {}
        self._message = Fragments()
        self._content = Content()
        self._thinking_blocks = Content()
        self._provider_fields: JsonObject = {}
        self._calls = StreamedCalls()
        self._legacy_call: StreamedCall | None = None
        self._logprobs: dict[str, list[Json]] = {}

    def add(self, choice: JsonObject, time_ns: int) -> bool:
        """Take one chunk of this choice; whether it held content."""
        delta = choice.get("delta")
        if delta is None:
            delta = choice.get("message")  # servers that answer a stream in one piece
        has_content = self._add_delta(delta, time_ns) if is_object(delta) else False
        for key, value in choice.items():
            if value is None or key in _READ_APART:
                continue
            if key == "logprobs":
                self._add_logprobs(value)
            else:
                self._fields[key] = value
        if choice.get("finish_reason"):
            self._fields["finish_reason"] = choice["finish_reason"]
            self.finished = True
            self.close_calls(time_ns)
        return has_content

    def close_calls(self, time_ns: int) -> None:
        self._calls.close(time_ns)
        if self._legacy_call is not None:
            self._legacy_call.close(time_ns)

    def assembled(self) -> JsonObject:
        message: JsonObject = {"role": "assistant", "content": self._content.assembled(), **self._message.assembled()}
        thinking_blocks = self._thinking_blocks.assembled()
        if thinking_blocks:
            message["thinking_blocks"] = thinking_blocks
        if self._provider_fields:
            message["provider_specific_fields"] = self._provider_fields
        calls = self._calls.in_order()
        if calls:
            message["tool_calls"] = [call.assembled() for call in calls]
        if self._legacy_call is not None:
            calls.append(self._legacy_call)
            message["function_call"] = self._legacy_call.assembled_function()
        self.call_ends = [call.end_ns for call in calls]
        choice: JsonObject = {"message": message, "finish_reason": None, **self._fields}
        return {**choice, "logprobs": self._logprobs} if self._logprobs else choice

    def _add_delta(self, delta: JsonObject, time_ns: int) -> bool:
        has_content = False
        for key, value in delta.items():
            if value is None:
                continue
            if key == "content":
                self._content.add(value)
            elif key == "role":
                if value:
                    self._message.add(key, value)
                continue
            elif key == "tool_calls" and isinstance(value, list):
                self._calls.add(value, time_ns)
            elif key == "thinking_blocks" and isinstance(value, list):  # LiteLLM: Anthropic's blocks in pieces
                self._thinking_blocks.add(value)
            elif key == "provider_specific_fields" and is_object(value):  # LiteLLM joins nothing of it: the last stands
                self._provider_fields.update((name, item) for name, item in value.items() if item is not None)
                continue
            elif key == "function_call" and is_object(value):
                self._legacy_call = self._legacy_call or StreamedCall()
                self._legacy_call.add_function(value)
            else:
                self._message.add(key, value)
            has_content = has_content or bool(value)
        return has_content

    def _add_logprobs(self, logprobs: Json) -> None:
        for key in ("content", "refusal"):
            entries = sequence(logprobs, key)
            if entries:
                self._logprobs.setdefault(key, []).extend(entries)
