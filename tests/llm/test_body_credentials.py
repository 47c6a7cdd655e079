from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wirespan.llm.body_credentials import REDACTED, without_credentials

SCHEMA = {"type": "object", "properties": {"authorization": {"type": "string", "default": "x"}, "api_key": {}}}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        # OpenAI Responses
        (
            {"tools": [{"type": "mcp", "server_label": "s", "authorization": "k", "headers": {"X-A": "k", "n": 1}}]},
            {
                "tools": [
                    {
                        "type": "mcp",
                        "server_label": "s",
                        "authorization": REDACTED,
                        "headers": {"X-A": REDACTED, "n": 1},
                    }
                ]
            },
        ),
        (
            {"tools": [{"type": "shell", "environment": {"network_policy": {"domain_secrets": [{"value": "k"}]}}}]},
            {
                "tools": [
                    {"type": "shell", "environment": {"network_policy": {"domain_secrets": [{"value": REDACTED}]}}}
                ]
            },
        ),
        (
            {"input": [{"type": "additional_tools", "tools": [{"type": "mcp", "authorization": "k"}]}, "x"]},
            {"input": [{"type": "additional_tools", "tools": [{"type": "mcp", "authorization": REDACTED}]}, "x"]},
        ),
        # Anthropic
        (
            {"mcp_servers": [{"name": "n", "url": "https://e.org", "authorization_token": "k"}]},
            {"mcp_servers": [{"name": "n", "url": "https://e.org", "authorization_token": REDACTED}]},
        ),
        # Gemini, alone and in Code Assist's wrapper
        (
            {"request": {"tools": [{"googleMaps": {"authConfig": {"apiKeyConfig": {"apiKeyString": "k"}}}}]}},
            {"request": {"tools": [{"googleMaps": {"authConfig": {"apiKeyConfig": {"apiKeyString": REDACTED}}}}]}},
        ),
        (
            {"tools": [{"mcpServers": [{"streamableHttpTransport": {"url": "u", "headers": {"Authorization": "k"}}}]}]},
            {
                "tools": [
                    {"mcpServers": [{"streamableHttpTransport": {"url": "u", "headers": {"Authorization": REDACTED}}}]}
                ]
            },
        ),
        # LiteLLM
        ({"model": "m", "api_key": "k"}, {"model": "m", "api_key": REDACTED}),
    ],
)
def test_replaced(body: Any, expected: Any) -> None:
    assert without_credentials(body) == expected


@pytest.mark.parametrize(
    "body",
    [
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": SCHEMA}}]},
        {"tools": [{"type": "function", "name": "f", "parameters": SCHEMA}]},
        {"tools": [{"name": "f", "input_schema": SCHEMA}]},
        {"tools": [{"functionDeclarations": [{"name": "f", "parameters": SCHEMA}]}]},
        {"messages": [{"role": "user", "content": "my api_key is x", "authorization": "kept"}]},
        {"input": [{"type": "function_call", "arguments": "{}"}], "output": []},
        {"input": "text", "request": "text"},
        {"prompt_cache_key": "k", "safety_identifier": "s"},
    ],
)
def test_left_alone(body: Any) -> None:
    assert without_credentials(body) is body


def test_no_object_at_all() -> None:
    assert without_credentials("text") == "text"
    assert without_credentials(None) is None


_KEYS = st.sampled_from(["tools", "request", "input", "authorization", "headers", "api_key", "parameters", "x"])
_JSON = st.recursive(
    st.none() | st.integers() | st.sampled_from(["secret"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=10,
)


@given(_JSON)
def test_any_json_keeps_its_shape(body: Any) -> None:
    assert _shape(without_credentials(body)) == _shape(body)


def _shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shape(item) for key, item in value.items()}
    return [_shape(item) for item in value] if isinstance(value, list) else type(value)
