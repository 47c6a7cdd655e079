"""Inferences in, agent traces out. Linking calls into turns is not built yet: each call is a trace of its own.

Invariant: every inference leaves in exactly one trace.
"""

from __future__ import annotations

from collections.abc import Iterable

from wirespan.agents.trace import AgentTrace
from wirespan.counters import Counters
from wirespan.llm import Inference


class Agents:
    def __init__(self, counters: Counters) -> None:
        self._counters = counters

    def receive(self, inference: Inference) -> Iterable[AgentTrace]:
        self._counters.add("agents.traces")
        return (AgentTrace((inference,)),)

    def expire(self, now_ns: int) -> Iterable[AgentTrace]:
        """Nothing waits for a later call yet."""
        return ()
