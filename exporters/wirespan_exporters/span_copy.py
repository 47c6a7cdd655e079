"""Reading and copying `ReadableSpan`s, which know no `replace`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Status
from opentelemetry.util.types import AttributeValue

SpanKey = tuple[int, int]

# What a span without attributes takes in memory (ReadableSpan, two contexts, dict), measured: 1.1 KiB.
_SPAN_BYTES = 1200
_ENTRY_BYTES = 100


def span_key(span: ReadableSpan) -> SpanKey | None:
    """(trace id, span id), or None for a span that no target can store."""
    context = span.get_span_context()
    return (context.trace_id, context.span_id) if context is not None and context.is_valid else None


def attributes_of(span: ReadableSpan) -> Mapping[str, AttributeValue]:
    return span.attributes or {}


def with_changes(
    span: ReadableSpan,
    *,
    name: str | None = None,
    attributes: Mapping[str, AttributeValue] | None = None,
    events: Sequence[Event] | None = None,
    resource: Resource | None = None,
    status: Status | None = None,
    start_time: int | None = None,
    end_time: int | None = None,
) -> ReadableSpan:
    return ReadableSpan(
        name=span.name if name is None else name,
        context=span.get_span_context(),
        parent=span.parent,
        resource=span.resource if resource is None else resource,
        attributes=span.attributes if attributes is None else attributes,
        events=span.events if events is None else events,
        links=span.links,
        kind=span.kind,
        status=span.status if status is None else status,
        start_time=span.start_time if start_time is None else start_time,
        end_time=span.end_time if end_time is None else end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def size_bytes(span: ReadableSpan) -> int:
    """About what the span takes in memory; its Resource is shared and not counted. Constant time per attribute."""
    total = _SPAN_BYTES + sys.getsizeof(span.name) + _values_bytes(attributes_of(span).values())
    for event in span.events:
        total += _SPAN_BYTES + _values_bytes((event.attributes or {}).values())
    return total


def _values_bytes(values: Iterable[Any]) -> int:
    total = 0
    for value in values:
        total += _ENTRY_BYTES
        if isinstance(value, (str, bytes)):
            total += sys.getsizeof(value)
        elif isinstance(value, (list, tuple)):
            total += _values_bytes(value)
    return total
