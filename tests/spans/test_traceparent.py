from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from wirespan.spans.traceparent import remote_parent

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_a_sampled_parent_is_taken_over() -> None:
    parent = remote_parent(f"00-{TRACE}-{SPAN}-01")
    assert parent is not None
    assert (parent.trace_id, parent.span_id) == (int(TRACE, 16), int(SPAN, 16))
    assert parent.is_remote


def test_mlflow_sets_the_random_flag_too() -> None:
    parent = remote_parent(f"00-{TRACE}-{SPAN}-03")
    assert parent is not None
    assert parent.trace_flags.sampled


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        f"00-{TRACE}-{SPAN}-00",  # not sampled: the parent will never be sent
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-extra",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01\n00-{TRACE}-{SPAN}-01",
    ],
)
def test_anything_else_is_no_parent(value: str | None) -> None:
    assert remote_parent(value) is None


def test_later_versions_may_say_more() -> None:
    assert remote_parent(f"01-{TRACE}-{SPAN}-01-what-the-future-brings") is not None


@given(st.one_of(st.text(), st.from_regex(r"\A[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}\Z")))
def test_it_agrees_with_opentelemetry_about_validity(value: str) -> None:
    from opentelemetry.trace import get_current_span

    theirs = get_current_span(TraceContextTextMapPropagator().extract({"traceparent": value})).get_span_context()
    ours = remote_parent(value)
    if ours is not None and not re.search(r"[^0-9a-f-]", value):
        assert (ours.trace_id, ours.span_id) == (theirs.trace_id, theirs.span_id)
    if theirs.is_valid and theirs.trace_flags.sampled and re.fullmatch(r"[0-9a-f-]{55}", value):
        assert ours is not None
