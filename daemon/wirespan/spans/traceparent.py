"""The caller's own trace context, as it stands in the captured request (W3C Trace Context, level 2)."""

from __future__ import annotations

import re

from opentelemetry.trace import SpanContext, TraceFlags

# Section 3.2.2: lower-case hex only; version ff is forbidden; later versions may append fields after a dash.
_TRACEPARENT = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)


def remote_parent(traceparent: str | None) -> SpanContext | None:
    """The span that made the request, or None if the field is absent, invalid or says "not sampled".

    A parent that was not sampled is never sent anywhere; a child of it would wait for its root for ever.
    """
    match = _TRACEPARENT.fullmatch(traceparent.strip()) if traceparent else None
    if match is None or (match[1] == "00" and match[5] is not None):
        return None
    flags = TraceFlags(int(match[4], 16))
    context = SpanContext(int(match[2], 16), int(match[3], 16), is_remote=True, trace_flags=flags)
    return context if context.is_valid and flags.sampled else None
