from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wirespan.llm.target import model_of, path_of


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/v1/chat/completions", "/v1/chat/completions"),
        ("/v1/chat/completions/", "/v1/chat/completions"),
        ("/v1/messages?beta=true&x=/y", "/v1/messages"),
        ("/v1/messages#f", "/v1/messages"),
        ("https://api.openai.com:443/v1/responses?x=1", "/v1/responses"),
        ("http://[::1]:8080/v1", "/v1"),
        ("https://api.openai.com", ""),
        ("//v1/messages", "//v1/messages"),
        ("*", "*"),
        ("host:443", "host:443"),
        ("", ""),
    ],
)
def test_path_of(target: str, path: str) -> None:
    assert path_of(target) == path


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/openai/deployments/gpt-5/chat/completions", "gpt-5"),
        ("/openai/deployments/my%20gpt/chat/completions", "my gpt"),
        ("/v1/chat/completions", None),
    ],
)
def test_model_of(path: str, model: str | None) -> None:
    assert model_of(path) == model


@given(st.text())
def test_any_target(target: str) -> None:
    model_of(path_of(target))
