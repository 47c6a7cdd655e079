from __future__ import annotations

import sys

from opentelemetry.sdk.trace import Event
from opentelemetry.trace import SpanContext, TraceFlags

from rig.spans import span
from wirespan_exporters.span_copy import size_bytes, span_key, with_changes


def test_a_copy_differs_only_where_it_was_told_to() -> None:
    made = span(3, parent=2, attributes={"a": 1}, events=(Event("e", {}, 1),))
    copy = with_changes(made, name="other", attributes={"b": 2})
    assert (copy.name, dict(copy.attributes or {})) == ("other", {"b": 2})
    for field in ("context", "parent", "resource", "events", "links", "kind", "status", "start_time", "end_time"):
        assert getattr(copy, field) == getattr(made, field)


def test_keys() -> None:
    assert span_key(span(3)) == (0xABC0_0000_0000_0000_0000_0000_0000_0003, 3)
    assert span_key(span(context=None)) is None
    assert span_key(span(context=SpanContext(0, 5, False, TraceFlags(1)))) is None
    assert span_key(span(context=SpanContext(5, 0, False, TraceFlags(1)))) is None


def test_sizes_follow_the_content_as_it_lies_in_memory() -> None:
    empty = size_bytes(span())
    assert 500 < empty < 3000
    ascii_text, wide_text = "x" * 100_000, "\U0001f600" * 100_000
    assert size_bytes(span(attributes={"a": ascii_text})) - empty >= 100_000
    assert size_bytes(span(attributes={"a": wide_text})) - empty >= sys.getsizeof(wide_text)
    assert size_bytes(span(attributes={"a": (ascii_text, ascii_text)})) - empty >= 200_000
    assert size_bytes(span(events=(Event("e", {"m": ascii_text}, 1),))) - empty >= 100_000
