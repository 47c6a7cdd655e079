"""Inferences in, agent traces out: conversations, turns, tool executions.

Invariant: a trace is handed on when its last span is known; a call of no known agent loop is a trace of its own.
"""

from wirespan.agents.room import Agents
from wirespan.agents.trace import AgentTrace

__all__ = ["AgentTrace", "Agents"]
