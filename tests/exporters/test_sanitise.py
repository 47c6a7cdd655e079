from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event
from opentelemetry.trace import Status, StatusCode

from rig.spans import span
from wirespan_exporters.sanitise import NO_LIMITS, Limits, clean_text, sanitise

# Surrogates and NUL as often as anything else.
NASTY = st.text(st.one_of(st.characters(exclude_categories=()), st.sampled_from('\0\ud83d\ude00\\u0{"[d8')))


def nobody(reason: str) -> None:
    """Counts nothing."""


def cleaned(text: str) -> tuple[str, list[str]]:
    reasons: list[str] = []
    return clean_text(text, reasons.append), reasons


@pytest.mark.parametrize(
    ("text", "clean", "reasons"),
    [
        ("plain", "plain", []),
        ("a\0b", "a\ufffdb", ["nul"]),
        ("a\ud83db", "a\ufffdb", ["surrogate"]),
        ('{"a":"x\\u0000y"}', '{"a":"x\ufffdy"}', ["nul"]),
        ('["\\ud83d"]', '["\ufffd"]', ["surrogate"]),
        ('["\\uDE00 \\ud83d"]', '["\ufffd \ufffd"]', ["surrogate", "surrogate"]),
        ('["\\ud83d\\ude00"]', '["\\ud83d\\ude00"]', []),  # a pair is a character
        ('["\\\\u0000"]', '["\\\\u0000"]', []),  # an escaped backslash, then letters
        ('["\\\\\\u0000"]', '["\\\\\ufffd"]', ["nul"]),
        ("not JSON \\u0000", "not JSON \\u0000", []),
        ('["\\u00e9"]', '["\\u00e9"]', []),
    ],
)
def test_poison_in_text(text: str, clean: str, reasons: list[str]) -> None:
    assert cleaned(text) == (clean, reasons)


@given(NASTY)
def test_clean_text_can_be_encoded_and_stays_clean(text: str) -> None:
    clean, reasons = cleaned(text)
    clean.encode("utf-8")
    assert "\0" not in clean
    assert clean_text(clean, nobody) is clean
    assert (clean == text) == (not reasons)


JSON = st.recursive(
    st.none() | st.integers() | NASTY,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NASTY, inner, max_size=3),
    max_leaves=12,
)


def replaced(value: Any) -> Any:
    """What JSON text should say afterwards, found without touching its text."""
    if isinstance(value, str):
        whole = value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return whole.replace("\0", "\ufffd")
    if isinstance(value, list):
        return [replaced(item) for item in value]
    if isinstance(value, dict):
        return {replaced(key): replaced(item) for key, item in value.items()}
    return value


@given(JSON.filter(lambda value: isinstance(value, (list, dict))))
def test_json_stays_json_with_its_poison_replaced(value: Any) -> None:
    # Escaped, so pairs of surrogates in the value become one character for any reader.
    clean = clean_text(json.dumps(value), nobody)
    assert json.loads(clean) == replaced(json.loads(json.dumps(value)))


ATTRIBUTE = st.one_of(
    NASTY, st.booleans(), st.integers(), st.floats(), st.lists(NASTY, max_size=3), st.lists(st.integers(), max_size=3)
)


@given(
    NASTY,
    st.dictionaries(NASTY, ATTRIBUTE, max_size=5),
    st.one_of(st.none(), st.integers()),
    st.one_of(st.none(), st.integers()),
    NASTY,
)
def test_any_span_can_be_encoded(
    name: str, attributes: dict[str, Any], start: int | None, end: int | None, description: str
) -> None:
    made = span(
        name=name,
        attributes=attributes,
        start_time=start,
        end_time=end,
        status=Status(StatusCode.ERROR, description),
        events=(Event(name, attributes, 2**70),),
        resource=Resource({"a": name}),
    )
    clean = sanitise(made, NO_LIMITS, nobody)
    [resource_spans] = encode_spans([clean]).resource_spans
    [encoded] = resource_spans.scope_spans[0].spans
    assert len(encoded.attributes) == len(clean.attributes or {})  # the encoder drops what it can't encode
    assert 0 < encoded.start_time_unix_nano <= encoded.end_time_unix_nano < 2**63
    assert sanitise(clean, NO_LIMITS, nobody) is clean


def test_a_clean_span_is_not_copied() -> None:
    made = span(attributes={"a": "b", "n": 2**63 - 1, "f": 1.5, "list": ("x", "y"), "yes": True})
    assert sanitise(made, NO_LIMITS, nobody) is made


def test_numbers_that_do_not_fit_become_text() -> None:
    reasons: list[str] = []
    made = span(attributes={"big": 2**63, "small": -(2**63), "nan": math.nan, "inf": -math.inf, "list": (1, 2**64)})
    clean = sanitise(made, NO_LIMITS, reasons.append)
    assert dict(clean.attributes or {}) == {
        "big": "9223372036854775808",
        "small": -(2**63),
        "nan": "nan",
        "inf": "-inf",
        "list": ("1", "18446744073709551616"),
    }
    assert reasons == ["number"] * 4


def test_times_come_into_order() -> None:
    reasons: list[str] = []
    clean = sanitise(span(start_time=2**64, end_time=5), NO_LIMITS, reasons.append)
    assert (clean.start_time, clean.end_time) == (2**63 - 1, 2**63 - 1)
    clean = sanitise(span(start_time=-4, end_time=None), NO_LIMITS, reasons.append)
    assert (clean.start_time, clean.end_time) == (1, 1)
    assert reasons == ["time", "time"]


def test_limits_clip_and_are_counted() -> None:
    limits = Limits(name_chars=10, resource_value_chars=6, attribute_chars={"session.id": 5})
    reasons: list[str] = []
    made = span(name="n" * 11, attributes={"session.id": "s" * 6, "other": "o" * 99}, resource=Resource({"a": "r" * 7}))
    clean = sanitise(made, limits, reasons.append)
    assert clean.name == "n" * 9 + "…"
    assert dict(clean.attributes or {}) == {"session.id": "ssss…", "other": "o" * 99}
    assert dict(clean.resource.attributes) == {"a": "rrrrr…"}
    assert reasons == ["clipped"] * 3


def test_everything_else_of_a_span_is_kept() -> None:
    made = span(7, parent=3, name="a\0", events=(Event("e", {"k": "v"}, 5),))
    clean = sanitise(made, NO_LIMITS, nobody)
    assert clean.context is made.context
    assert clean.parent is made.parent
    assert clean.kind is made.kind
    assert clean.status is made.status
    assert clean.events == made.events
    assert clean.instrumentation_scope is made.instrumentation_scope
