"""Chunks of a streamed Gemini answer, assembled into the unstreamed one.

https://ai.google.dev/api/generate-content. Invariant: neighbouring texts of one kind (said or thought) are one part,
every other part is kept as it came; usage and what else is cumulative: the last word stands. Linear in the chunks.
"""

from __future__ import annotations

from wirespan.llm.api import Place, Step
from wirespan.llm.fields import JsonObject, integer, is_object, mapping, objects, sequence, string
from wirespan.llm.gemini_fields import camel
from wirespan.llm.gemini_partial_args import PartialArguments
from wirespan.llm.inference import Json

_DONE = "[DONE]"  # gateways
_OURS = frozenset(("candidates", "usageMetadata", "promptFeedback", "modelVersion", "responseId"))
_TEXT_KEYS = frozenset(("text", "thought", "thoughtSignature"))


class GeminiMerge:
    """`candidate_count`: what the request asked for, without which the end of one candidate is not the end of all."""

    def __init__(self, candidate_count: int) -> None:
        self._candidate_count = candidate_count
        self._wrapper: JsonObject | None = None
        self._fields: JsonObject = {}
        self._candidates: dict[int, _Candidate] = {}
        self._error: Json = None
        self._done = False

    @property
    def finished(self) -> bool:
        """There is no end marker: each candidate gives the reason why it stopped, or the prompt was refused."""
        if self._done or string(camel(self._fields.get("promptFeedback")), "blockReason") is not None:
            return True
        candidates = self._candidates.values()
        return len(candidates) >= self._candidate_count and all(candidate.finished for candidate in candidates)

    @property
    def error(self) -> Json:
        return self._error

    def add(self, event: str | None, data: Json, time_ns: int) -> Step:
        if data == _DONE:
            self._done = True
            return Step.END
        if not is_object(data):
            return Step.UNKNOWN
        if data.get("error"):
            self._error = data
            return Step.PROGRESS
        chunk = self._unwrapped(data)
        if not _OURS & chunk.keys():
            return Step.UNKNOWN
        self._fields.update((key, value) for key, value in chunk.items() if key != "candidates" and value is not None)
        has_content = False
        for candidate in objects(sequence(chunk, "candidates")):
            index = integer(candidate, "index") or 0
            state = self._candidates.get(index)
            if state is None:
                state = self._candidates[index] = _Candidate()
            has_content = state.add(camel(candidate), time_ns) or has_content
        return Step.CONTENT if has_content else Step.PROGRESS

    def answer(self) -> JsonObject | None:
        if not self._fields and not self._candidates:
            return None
        answer = dict(self._fields)
        if self._candidates:
            answer["candidates"] = [self._candidates[index].assembled() for index in sorted(self._candidates)]
        return answer if self._wrapper is None else {"response": answer, **self._wrapper}

    def block_end(self, place: Place) -> int | None:
        candidate = self._candidates.get(place[0])
        ends = candidate.part_ends if candidate is not None else []
        return ends[place[1]] if place[1] < len(ends) else None

    def _unwrapped(self, data: JsonObject) -> JsonObject:
        if not is_object(data.get("response")) or "candidates" in data:
            return camel(data)
        rest = {key: value for key, value in data.items() if key != "response" and value is not None}
        self._wrapper = {**(self._wrapper or {}), **rest}
        return camel(data["response"])


class _Candidate:
    """`part_ends`: when each part of `assembled()` was complete, None while it grows."""

    def __init__(self) -> None:
        self.finished = False
        self.part_ends: list[int | None] = []
        self._fields: JsonObject = {}
        self._content: JsonObject = {}
        self._parts: list[_Part] = []
        self._logprobs: dict[str, list[Json]] = {}

    def add(self, candidate: JsonObject, time_ns: int) -> bool:
        """Take what one chunk says of this candidate; whether there was something to see in it."""
        has_content = False
        for key, value in candidate.items():
            if value is None:
                continue
            if key == "content" and is_object(value):
                has_content = self._add_content(value, time_ns)
            elif key == "logprobsResult" and is_object(value):
                self._add_logprobs(value)
            else:
                self._fields[key] = value
        self.finished = self.finished or bool(candidate.get("finishReason"))
        return has_content

    def assembled(self) -> JsonObject:
        self.part_ends = [part.end_ns for part in self._parts]
        candidate = dict(self._fields)
        if self._content or self._parts:
            parts = [part.assembled() for part in self._parts]
            candidate["content"] = {"role": "model", **self._content, "parts": parts}
        return {**candidate, "logprobsResult": self._logprobs} if self._logprobs else candidate

    def _add_content(self, content: JsonObject, time_ns: int) -> bool:
        self._content.update((key, value) for key, value in content.items() if key != "parts" and value is not None)
        has_content = False
        for value in sequence(content, "parts"):
            part = camel(value) if is_object(value) else {"text": value} if isinstance(value, str) else {"part": value}
            latest = self._parts[-1] if self._parts else None
            if latest is None or not latest.takes(part):
                latest = _Part(part)
                self._parts.append(latest)
            has_content = latest.add(part, time_ns) or has_content
        return has_content

    def _add_logprobs(self, logprobs: JsonObject) -> None:
        for key, value in logprobs.items():
            if isinstance(value, list):
                self._logprobs.setdefault(key, []).extend(value)


class _Part:
    """One part, with the texts or the pieces of a call's arguments that followed it."""

    def __init__(self, part: JsonObject) -> None:
        self.end_ns: int | None = None
        self._start = part
        self._texts: list[str] = []
        self._arguments: PartialArguments | None = None
        self._is_open_call = False

    def takes(self, part: JsonObject) -> bool:
        """Whether `part` goes on with this one."""
        if _is_text(part):
            return _is_text(self._start) and bool(part.get("thought")) is bool(self._start.get("thought"))
        return self._is_open_call and "functionCall" in part and not string(mapping(part, "functionCall"), "name")

    def add(self, part: JsonObject, time_ns: int) -> bool:
        """Take the first or a further piece; whether there is something to see in it."""
        if _is_text(part):
            self._texts.append(part["text"])
            if part.get("thoughtSignature"):
                self._start = {**self._start, "thoughtSignature": part["thoughtSignature"]}
            return bool(part["text"])
        if "functionCall" in part:
            self._add_call(camel(part["functionCall"]))
        self.end_ns = None if self._is_open_call else time_ns
        return True

    def assembled(self) -> JsonObject:
        if _is_text(self._start):
            return {**self._start, "text": "".join(self._texts)}
        if self._arguments is None:
            return self._start
        call = {
            key: value
            for key, value in camel(self._start["functionCall"]).items()
            if key not in ("partialArgs", "willContinue")
        }
        return {**self._start, "functionCall": {**call, "args": self._arguments.assembled()}}

    def _add_call(self, call: JsonObject) -> None:
        partial = sequence(call, "partialArgs")
        self._is_open_call = call.get("willContinue") is True
        if self._arguments is None and (partial or self._is_open_call):
            self._arguments = PartialArguments()
        if self._arguments is not None:
            for argument in objects(partial):
                self._arguments.add(camel(argument))


def _is_text(part: JsonObject) -> bool:
    return isinstance(part.get("text"), str) and part.keys() <= _TEXT_KEYS
