"""Inferences as the spans room makes them, now."""

from __future__ import annotations

import time
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan

from rig.inferences import START_NS
from wirespan.agents import AgentTrace
from wirespan.capture import ClockSync
from wirespan.clock import WallClock
from wirespan.counters import Counters
from wirespan.llm import Inference
from wirespan.spans import Spans, SpanSettings


def made_span(inference: Inference, **settings: Any) -> ReadableSpan:
    clock = WallClock()
    clock.receive(ClockSync(START_NS, time.time_ns()))
    [span] = Spans(SpanSettings(**settings), Counters(), clock).receive(AgentTrace((inference,)))
    return span
