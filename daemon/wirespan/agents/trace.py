"""The unit that becomes one trace. Turns and tool executions join it when the linking room is built."""

from __future__ import annotations

from dataclasses import dataclass

from wirespan.llm import Inference


@dataclass(frozen=True, slots=True)
class AgentTrace:
    inferences: tuple[Inference, ...]
