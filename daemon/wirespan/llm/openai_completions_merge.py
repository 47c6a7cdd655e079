"""Chunks of a streamed completion, assembled into the unstreamed one. Linear in the chunks."""

from __future__ import annotations

from wirespan.llm.api import Place, Step
from wirespan.llm.fields import JsonObject, integer, is_object, objects, sequence
from wirespan.llm.inference import Json

_DONE = "[DONE]"
_NOT_KEPT = frozenset(("choices", "object"))


class CompletionsMerge:
    """`choice_count`: how many texts were asked for, without which the end of one is not the end of the answer."""

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
            return Step.END
        if not is_object(data):
            return Step.UNKNOWN
        if data.get("error") or event == "error" or data.get("object") == "error":
            self._error = data
            return Step.PROGRESS
        choices = list(objects(sequence(data, "choices")))
        if data.get("object") != "text_completion" and not any("text" in choice for choice in choices):
            return Step.UNKNOWN
        self._fields.update(
            (key, value) for key, value in data.items() if value is not None and value != "" and key not in _NOT_KEPT
        )
        has_content = False
        for choice in choices:
            index = integer(choice, "index") or 0
            state = self._choices.get(index)
            if state is None:
                state = self._choices[index] = _Choice()
            has_content = state.add(choice) or has_content
        return Step.CONTENT if has_content else Step.PROGRESS

    def answer(self) -> JsonObject | None:
        if not self._fields and not self._choices:
            return None
        choices = [{"index": index, **self._choices[index].assembled()} for index in sorted(self._choices)]
        return {**self._fields, "object": "text_completion", "choices": choices}

    def block_end(self, place: Place) -> int | None:
        """There are no tool calls in this API."""
        return None


class _Choice:
    def __init__(self) -> None:
        self.finished = False
        self._fields: JsonObject = {}
        self._texts: dict[str, list[str]] = {"text": []}
        self._logprobs: dict[str, list[Json]] = {}

    def add(self, choice: JsonObject) -> bool:
        has_content = False
        for key, value in choice.items():
            if key in ("text", "reasoning") and isinstance(value, str):
                self._texts.setdefault(key, []).append(value)
                has_content = has_content or bool(value)
            elif key == "logprobs" and is_object(value):
                for name, entries in value.items():  # tokens, token_logprobs, top_logprobs, text_offset
                    if isinstance(entries, list):
                        self._logprobs.setdefault(name, []).extend(entries)
            elif value is not None and key != "index":
                self._fields[key] = value
        self.finished = self.finished or bool(choice.get("finish_reason"))
        return has_content

    def assembled(self) -> JsonObject:
        texts = {key: "".join(pieces) for key, pieces in self._texts.items()}
        choice: JsonObject = {**texts, "finish_reason": None, **self._fields}
        return {**choice, "logprobs": self._logprobs} if self._logprobs else choice
