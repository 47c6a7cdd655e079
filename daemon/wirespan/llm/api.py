"""What one provider API's module gives the room: the contract a further provider implements.

A module reads foreign JSON only: no HTTP, no timing decisions. It never raises on any JSON value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from wirespan.llm.fields import JsonObject
from wirespan.llm.inference import (
    InferenceError,
    Json,
    Message,
    Part,
    RequestParameters,
    TokenUsage,
    ToolDefinition,
)

# Where a tool call stands in an answer: (choice index, position among the choice's calls or blocks).
Place = tuple[int, int]

# When the block at a place was complete, in monotonic ns; None if it never was.
BlockEnd = Callable[[Place], int | None]


@dataclass(frozen=True, slots=True)
class RequestReading:
    """What a request body says. `end_user_id` and `session_id` as the body alone gives them."""

    model: str | None = None
    parameters: RequestParameters = field(default_factory=RequestParameters)
    system_instructions: tuple[Part, ...] = ()
    messages: tuple[Message, ...] = ()
    tool_definitions: tuple[ToolDefinition, ...] = ()
    end_user_id: str | None = None
    session_id: str | None = None
    conversation_id: str | None = None
    extra: dict[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AnswerReading:
    """What an unstreamed (or merged) answer says. `finish_reasons` are the vendor's own words, one a message (None: it
    gave none). `error` is the error object of an answer that is one."""

    id: str | None = None
    model: str | None = None
    messages: tuple[Message, ...] = ()
    finish_reasons: tuple[str | None, ...] = ()
    usage: TokenUsage = field(default_factory=TokenUsage)
    error: InferenceError | None = None
    extra: dict[str, Json] = field(default_factory=dict)


class Step(Enum):
    """What one event of a stream meant."""

    KEEPALIVE = "keepalive"  # a ping: says nothing about the answer
    UNKNOWN = "unknown"  # not of this API
    PROGRESS = "progress"  # part of the answer, but nothing a reader would see
    CONTENT = "content"
    END = "end"  # the API's end marker


class StreamMerge(Protocol):
    """Assembles the events of one streamed answer into the shape of the unstreamed one. Linear in the events."""

    @property
    def finished(self) -> bool:
        """Every part of the answer was said to be complete, with or without the end marker."""

    @property
    def error(self) -> Json:
        """The error object that was sent in place of the rest, or None."""

    def add(self, event: str | None, data: Json, time_ns: int) -> Step:
        """Take one event: its SSE name, and its data as JSON (the raw text if it is none)."""

    def answer(self) -> JsonObject | None:
        """The answer as far as it is known; None before anything of it was seen."""

    def block_end(self, place: Place) -> int | None:
        """When the tool call at `place` of `answer()` was complete."""


class Framing(Enum):
    """How the events of a streamed answer are told apart in a body. Server-sent events are understood of every API."""

    SSE = "sse"
    NDJSON = "ndjson"
    JSON_ARRAY = "json_array"


def _always_inference(_request: JsonObject) -> str | None:
    return None


def _as_it_is(body: JsonObject) -> JsonObject:
    return body


@dataclass(frozen=True, slots=True)
class Api:
    """One provider API. `provider` is the gen_ai.provider.name where the host does not tell a better one.

    `framing`: what its streams come in where not in server-sent events. `not_inference`: why a request in this API's
    words asks for no answer (the rest of a counter name), None if it does. `abridge`: an answer without the bulk that
    nobody reads (vectors), for the wire JSON.
    """

    name: str
    operation: str
    provider: str
    recognises: Callable[[JsonObject], bool]
    read_request: Callable[[JsonObject], RequestReading]
    read_answer: Callable[[JsonObject, BlockEnd], AnswerReading]
    new_merge: Callable[[JsonObject], StreamMerge]
    framing: Framing = Framing.SSE
    not_inference: Callable[[JsonObject], str | None] = _always_inference
    abridge: Callable[[JsonObject], JsonObject] = _as_it_is
