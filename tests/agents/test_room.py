from __future__ import annotations

from rig.inferences import anthropic_messages, openai_chat
from wirespan.agents import Agents
from wirespan.counters import Counters


def test_each_inference_is_a_trace_of_its_own() -> None:
    counters = Counters()
    agents = Agents(counters)
    first, second = openai_chat(), anthropic_messages()
    traces = [trace for inference in (first, second) for trace in agents.receive(inference)]
    assert [trace.inferences for trace in traces] == [(first,), (second,)]
    assert counters["agents.traces"] == 2


def test_nothing_waits() -> None:
    agents = Agents(Counters())
    list(agents.receive(openai_chat()))
    assert list(agents.expire(10**18)) == []
