"""What may be chosen about spans."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class ContentPolicy(Enum):
    """What of a conversation may leave the host."""

    FULL = "full"
    METADATA = "metadata"  # models, tokens, times, status: nothing that a person or a model wrote


@dataclass(frozen=True, slots=True)
class SpanSettings:
    """`messages`: attach `gen_ai.*.messages`, which OTLP back ends read. `wire_bodies`: attach the wire JSON, which the
    MLflow exporter renders. Switch off what no exporter reads: prompts are large.

    `join_traces`: a sampled `traceparent` in the request makes our span a child of the caller's span. Switch it off
    where the callers' spans go to another back end than ours, since a child without its root is never shown complete.
    """

    host_name: str = ""
    content: ContentPolicy = ContentPolicy.FULL
    messages: bool = True
    wire_bodies: bool = True
    join_traces: bool = True
