"""Shape rules one by one; whole requests stand in test_detection.py."""

from __future__ import annotations

from typing import Any

import pytest

from wirespan.llm.shapes import is_json_rpc, is_telemetry, may_have_shape, shape_of

USER = {"role": "user", "content": "hi"}
CHAT = {"model": "m", "messages": [USER]}


@pytest.mark.parametrize(
    ("body", "shape"),
    [
        ({"jsonrpc": "2.0", "method": "x"}, "mcp"),
        ({"jsonrpc": "2.0", "id": 1, "result": None}, "mcp"),
        ({"contents": [{"parts": []}]}, "gemini"),
        ({"request": {"contents": [{"role": "user", "parts": []}]}}, "gemini"),
        ({"messages": [USER], "inferenceConfig": {}}, "bedrock.converse"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "bedrock.converse"),
        ({"messages": [USER], "anthropic_version": "bedrock-2023-05-31"}, "anthropic.messages"),
        ({**CHAT, "max_tokens": 5, "system": "s"}, "anthropic.messages"),
        ({**CHAT, "max_tokens": 5, "thinking": {"type": "enabled"}}, "anthropic.messages"),
        ({**CHAT, "max_tokens": 5, "tools": [{"name": "f", "input_schema": {}}]}, "anthropic.messages"),
        ({**CHAT, "max_tokens": 5}, "openai.chat"),
        ({**CHAT, "max_tokens": 5, "system": "s", "stream_options": {}, "n": 1}, "openai.chat"),
        ({**CHAT, "max_tokens": 5, "stop_sequences": ["x"], "response_format": {}, "n": 1}, "openai.chat"),
        (CHAT, "openai.chat"),
        ({**CHAT, "keep_alive": "5m"}, "ollama.chat"),
        ({**CHAT, "format": "json"}, "ollama.chat"),
        ({"model": "m", "input": "x", "reasoning": {}}, "openai.responses"),
        ({"model": "m", "input": [{"role": "user", "content": "x"}]}, "openai.responses"),
        ({"model": "m", "input": [], "type": "response.create"}, "openai.responses"),
        ({"model": "m", "input": ["x"], "encoding_format": "float"}, "openai.embeddings"),
        ({"model": "m", "prompt": "x"}, "openai.completions"),
        ({"model": "m", "prompt": "x", "options": {}}, "ollama.generate"),
        # None of them.
        ({}, None),
        ({"messages": [USER]}, None),
        ({"model": "m", "messages": []}, None),
        ({"model": "m", "messages": [{"text": "no role"}]}, None),
        ({"model": "m", "messages": ["x"]}, None),
        ({"model": "m", "input": "x"}, None),
        ({"model": "m", "prompt": {"id": "x"}}, None),
        ({"jsonrpc": "2.0"}, None),
        ({"contents": ["x"]}, None),
    ],
)
def test_shape(body: dict[str, Any], shape: str | None) -> None:
    assert shape_of(body) == shape


@pytest.mark.parametrize("key", ["resourceSpans", "resourceMetrics", "resourceLogs", "batch", "events", "run_type"])
def test_telemetry(key: str) -> None:
    assert is_telemetry({key: [], **CHAT})
    assert not is_telemetry(CHAT)


def test_json_rpc_needs_its_version() -> None:
    assert not is_json_rpc({"method": "x"})
    assert not is_json_rpc({"jsonrpc": "1.0", "method": "x"})


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"messages":1}', True),
        (b' \n{"jsonrpc":1}', True),
        (b'["messages"]', False),
        (b'{"x":1}', False),
        (b"", False),
    ],
)
def test_may_have_shape(content: bytes, expected: bool) -> None:
    assert may_have_shape(content) is expected
