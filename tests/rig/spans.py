"""Small spans for tests of what comes after the spans room."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

START_NS = 1_795_000_000_000_000_000
RESOURCE = Resource({"service.name": "agent.py", "process.pid": 4321, "host.name": "box-7"})


def span(
    number: int = 1,
    *,
    name: str | None = None,
    attributes: Mapping[str, Any] | None = None,
    parent: int | None = None,
    **changes: Any,
) -> ReadableSpan:
    """Trace and span ids follow from `number`; the name is "span <number>"."""
    trace_id = 0xABC0_0000_0000_0000_0000_0000_0000_0000 + number
    fields: dict[str, Any] = {
        "name": f"span {number}" if name is None else name,
        "context": SpanContext(trace_id, number, is_remote=False, trace_flags=TraceFlags(1)),
        "parent": None if parent is None else SpanContext(trace_id, parent, is_remote=True, trace_flags=TraceFlags(1)),
        "resource": RESOURCE,
        "attributes": {} if attributes is None else attributes,
        "kind": SpanKind.CLIENT,
        "status": Status(StatusCode.OK),
        "start_time": START_NS,
        "end_time": START_NS + 1_000_000,
        "instrumentation_scope": InstrumentationScope("wirespan", "1"),
    }
    return ReadableSpan(**{**fields, **changes})
