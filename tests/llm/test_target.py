from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wirespan.llm.target import asks_for_stream, model_of, path_of


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
        ("/v1beta/models/gemini-3-pro:generateContent", "gemini-3-pro"),
        ("/v1/projects/p/locations/l/publishers/google/models/gemini-3%2Fx:streamGenerateContent", "gemini-3/x"),
        ("/v1beta/tunedModels/mine-1:generateContent", "tunedModels/mine-1"),
        ("/v1/projects/p/locations/l/endpoints/123:generateContent", "endpoints/123"),
        ("/v1internal:generateContent", None),
        ("/v1/models/gpt-5", None),
        ("/v1/chat/completions", None),
    ],
)
def test_model_of(path: str, model: str | None) -> None:
    assert model_of(path) == model


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1beta/models/g:streamGenerateContent", True),
        ("/v1internal:streamGenerateContent", True),
        ("/v1/publishers/anthropic/models/c:streamRawPredict", True),
        ("/model/c/converse-stream", True),
        ("/model/c/invoke-with-response-stream", True),
        ("/v1beta/models/g:generateContent", False),
        ("/model/c/converse", False),
        ("/v1/chat/completions", False),
    ],
)
def test_asks_for_stream(path: str, expected: bool) -> None:
    assert asks_for_stream(path) is expected


@given(st.text() | st.text(alphabet="/:models.%tunedModels"))
def test_any_target(target: str) -> None:
    model_of(path_of(target))
    asks_for_stream(path_of(target))
