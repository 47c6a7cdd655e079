"""Spans that any target can store: the values known to make a server refuse a whole request are taken out here.

One such value costs every span of its request. Measured with MLflow 3.17 on sqlite and PostgreSQL: NUL (also as
`\\u0000` in JSON) and lone surrogates give 500, session ids over 250 characters 400, users over 8,000 400, times
beyond int64 500. protobuf itself refuses lone surrogates and integers beyond int64.
Invariant: pure, never raises, and a span without such values comes back as the same object.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Status
from opentelemetry.util.types import AttributeValue

from wirespan_exporters.span_copy import attributes_of, with_changes

REPLACEMENT = "\ufffd"
_MAX_INT64 = 2**63 - 1

_BAD_CHARACTERS = re.compile("[\x00\ud800-\udfff]")
# Every escape is consumed as a whole, so the second half of `\\\\u0000` (an escaped backslash) is never misread.
_JSON_ESCAPES = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u([0-9a-fA-F]{4})|\\.", re.DOTALL
)
_JSON_START = re.compile(r'\s*[\[{"]')


@dataclass(frozen=True, slots=True)
class Limits:
    """Longest values in characters: of a name, of any resource value, of named attributes. None: no limit."""

    name_chars: int | None = None
    resource_value_chars: int | None = None
    attribute_chars: Mapping[str, int] = field(default_factory=dict)


NO_LIMITS = Limits()

Count = Callable[[str], None]


def sanitise(span: ReadableSpan, limits: Limits, count: Count) -> ReadableSpan:
    """`count` is called with the reason for each value changed: "nul", "surrogate", "clipped", "number", "time"."""
    start_ns, end_ns = _times(span, count)
    name = _clip(clean_text(span.name, count), limits.name_chars, count)
    attributes = _attributes(attributes_of(span), limits.attribute_chars, None, count)
    resource = _attributes(span.resource.attributes, {}, limits.resource_value_chars, count)
    events = tuple(_event(event, count) for event in span.events)
    status = _status(span.status, count)
    unchanged = (
        name is span.name
        and attributes is None
        and resource is None
        and status is span.status
        and (start_ns, end_ns) == (span.start_time, span.end_time)
        and all(new is old for new, old in zip(events, span.events, strict=True))
    )
    if unchanged:
        return span
    return with_changes(
        span,
        name=name,
        attributes=attributes,
        events=events,
        resource=None if resource is None else Resource(resource, span.resource.schema_url),
        status=status,
        start_time=start_ns,
        end_time=end_ns,
    )


def clean_text(text: str, count: Count) -> str:
    """`text` without NUL and lone surrogates, and if it may be JSON, without the escapes that mean them."""
    if _BAD_CHARACTERS.search(text):
        text = _BAD_CHARACTERS.sub(lambda match: _replace(match[0], count), text)
    if "\\u" in text and _JSON_START.match(text):
        text = _JSON_ESCAPES.sub(lambda match: _clean_escape(match, count), text)
    return text


def _clean_escape(match: re.Match[str], count: Count) -> str:
    digits = match[1]
    if digits is None:
        return match[0]
    code = int(digits, 16)
    return _replace(chr(code), count) if code == 0 or 0xD800 <= code <= 0xDFFF else match[0]


def _replace(character: str, count: Count) -> str:
    count("nul" if character == "\0" else "surrogate")
    return REPLACEMENT


def _clip(text: str, limit: int | None, count: Count) -> str:
    if limit is None or len(text) <= limit:
        return text
    count("clipped")
    return text[: limit - 1] + "…"


def _attributes(
    attributes: Mapping[str, AttributeValue], limits: Mapping[str, int], any_limit: int | None, count: Count
) -> dict[str, AttributeValue] | None:
    """The changed attributes, or None if nothing was changed."""
    changed = False
    cleaned: dict[str, AttributeValue] = {}
    for name, value in attributes.items():
        new_name, new_value = clean_text(name, count), _value(value, count)
        if isinstance(new_value, str):
            new_value = _clip(new_value, limits.get(name, any_limit), count)
        changed = changed or new_name is not name or new_value is not value
        cleaned[new_name] = new_value
    return cleaned if changed else None


def _value(value: AttributeValue, count: Count) -> AttributeValue:
    if isinstance(value, str):
        return clean_text(value, count)
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        if -_MAX_INT64 - 1 <= value <= _MAX_INT64 or (isinstance(value, float) and math.isfinite(value)):
            return value
        count("number")
        return str(value)
    if isinstance(value, (list, tuple)):
        items = [_value(item, count) for item in value]
        same = all(new is old for new, old in zip(items, value, strict=True))
        return value if same else tuple(str(item) for item in items)
    count("type")
    return clean_text(str(value), count)


def _event(event: Event, count: Count) -> Event:
    name = clean_text(event.name, count)
    attributes = _attributes(event.attributes or {}, {}, None, count)
    time_ns = min(max(event.timestamp, 1), _MAX_INT64)
    if name is event.name and attributes is None and time_ns == event.timestamp:
        return event
    if time_ns != event.timestamp:
        count("time")
    return Event(name, event.attributes if attributes is None else attributes, time_ns)


def _status(status: Status, count: Count) -> Status:
    if status.description is None:
        return status
    description = clean_text(status.description, count)
    return status if description is status.description else Status(status.status_code, description)


def _times(span: ReadableSpan, count: Count) -> tuple[int, int]:
    """Both within int64 and in order. MLflow takes an end of 0 or before the start, and shows decades of duration."""
    start_ns = min(max(span.start_time or 0, 1), _MAX_INT64)
    end_ns = min(max(span.end_time or 0, start_ns), _MAX_INT64)
    if (start_ns, end_ns) != (span.start_time, span.end_time):
        count("time")
    return start_ns, end_ns
