"""One model call in the words of the OpenTelemetry GenAI semantic conventions.

https://github.com/open-telemetry/semantic-conventions-genai. Invariant: None means that the wire did not say.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from wirespan.http import HttpExchange

# What json.loads gives. Written loosely: it is foreign data, checked where it is used.
Json = Any


@dataclass(frozen=True, slots=True)
class Text:
    content: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    """`content` may be empty when the vendor redacted it; `signature`/`encrypted` only say that there was one."""

    content: str
    redacted: bool = False


@dataclass(frozen=True, slots=True)
class ToolCall:
    """`arguments` is the parsed JSON, or the raw string if it does not parse. `end_ns`: when its block was complete."""

    id: str | None
    name: str
    arguments: Json
    server_side: bool = False
    end_ns: int | None = None


@dataclass(frozen=True, slots=True)
class ToolCallResponse:
    id: str | None
    response: Json
    name: str | None = None
    is_error: bool = False
    server_side: bool = False


@dataclass(frozen=True, slots=True)
class Media:
    """An image, sound or file. The bytes stay in the wire JSON; here only what describes them."""

    modality: str  # image | audio | video | file
    mime_type: str | None = None
    uri: str | None = None
    file_id: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    content: str


@dataclass(frozen=True, slots=True)
class Generic:
    """A part this version does not know, kept verbatim."""

    type: str
    value: Json


Part = Text | Reasoning | ToolCall | ToolCallResponse | Media | Refusal | Generic


@dataclass(frozen=True, slots=True)
class Message:
    role: str  # system | user | assistant | tool | developer
    parts: tuple[Part, ...]
    name: str | None = None
    finish_reason: str | None = None  # output messages only


@dataclass(frozen=True, slots=True)
class ToolDefinition:
    name: str
    type: str = "function"
    description: str | None = None
    parameters: Json = None


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Normalised as the conventions want it: `input_tokens` includes cached ones, `output_tokens` includes reasoning.
    None = the vendor did not say."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None
    reasoning_output_tokens: int | None = None
    total_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class RequestParameters:
    """Named as gen_ai.request.*; absent in the request = None."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    choice_count: int | None = None
    stop_sequences: tuple[str, ...] = ()
    reasoning_level: str | None = None
    output_type: str | None = None  # text | json | image | speech
    stream: bool = False


@dataclass(frozen=True, slots=True)
class InferenceError:
    """`type` for error.type: the vendor's own type if it gave one, else the HTTP status as a string, or one of
    "aborted" (the client went away), "incomplete" (the stream was cut), "capture" (we lost the end),
    "invalid_response" (the answer is not in the language of the API, e.g. a gateway's HTML under status 200)."""

    type: str
    message: str
    retry_after_s: float | None = None


class Outcome(Enum):
    """How the call ended, as far as the wire shows."""

    OK = "ok"
    PROVIDER_ERROR = "provider_error"
    CLIENT_ABORTED = "client_aborted"  # it closed, went on, or exited before the answer was complete
    INCOMPLETE = "incomplete"  # the server cut it, the connection was lost, or no response was seen
    CAPTURE_GAP = "capture_gap"  # it may have ended well: our copy has a hole


@dataclass(frozen=True, slots=True)
class StreamEventMark:
    """One event of a streamed answer: when it had arrived, how large it was."""

    time_ns: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Inference:
    """A model call. Times are monotonic ns: `start_ns` first request byte, `first_chunk_ns` first event that carries
    content (None if not streamed), `end_ns` last byte that belongs to the answer.

    `request_json` / `response_json` are the wire JSON in the provider's own shape; a streamed answer is assembled into
    the shape of the unstreamed one; a body that is no (whole) JSON is its raw text. `api` names the row of
    the format table that read it, such as "openai.chat".
    """

    exchange: HttpExchange
    api: str
    operation: str  # gen_ai.operation.name
    provider: str  # gen_ai.provider.name
    request_model: str | None
    response_model: str | None
    response_id: str | None
    parameters: RequestParameters
    system_instructions: tuple[Part, ...]
    input_messages: tuple[Message, ...]
    output_messages: tuple[Message, ...]
    tool_definitions: tuple[ToolDefinition, ...]
    finish_reasons: tuple[str, ...]
    usage: TokenUsage
    outcome: Outcome
    error: InferenceError | None
    streamed: bool
    start_ns: int
    first_chunk_ns: int | None
    end_ns: int
    request_json: Json
    response_json: Json
    stream_events: tuple[StreamEventMark, ...] = ()
    resend_count: int = 0  # http.request.resend_count, from x-stainless-retry-count
    conversation_id: str | None = None  # only if the wire names one
    session_id: str | None = None  # an agent's or caller's own session id on the wire
    end_user_id: str | None = None  # user / metadata.user_id; of Claude Code's packed one the account
    request_id: str | None = None  # request-id / x-request-id of the response
    traceparent: str | None = None  # W3C, as sent
    extra: dict[str, Json] = field(default_factory=dict)  # attribute name -> value, for provider-specific facts
