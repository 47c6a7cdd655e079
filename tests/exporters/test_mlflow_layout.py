from __future__ import annotations

from wirespan_exporters.mlflow_layout import beside, without


def test_without() -> None:
    assert without({"a": 1, "b": 2}, ("b", "c")) == {"a": 1}


def test_beside() -> None:
    assert beside({"messages": 1}, {"model": "m", "messages": 2}) == {"messages": 1, "model": "m", "wire_messages": 2}
    assert list(beside({"messages": 1}, {"model": "m"})) == ["messages", "model"]
