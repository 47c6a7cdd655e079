from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wirespan.llm.formats import BY_NAME, FORMATS, match_path


@pytest.mark.parametrize(
    ("path", "name", "sure"),
    [
        ("/v1/chat/completions", "openai.chat", True),
        ("/v1/completions", "openai.completions", True),
        ("/completions", "openai.completions", False),
        ("/api/embeddings", "ollama.embed", False),
        ("/v1/embeddings", "openai.embeddings", True),
        ("/v1/fim/completions", "mistral.fim", True),
        ("/v1/agents/completions", "mistral.agents", True),
        ("/v1/responses/compact", "openai.responses", True),
        ("/v1beta2/messages", "anthropic.messages", True),
        ("/version/messages", "anthropic.messages", False),
        ("/v1/messages/batches/b1/results", "anthropic.batches", True),
        ("/ws/google.ai.generativelanguage.v1.GenerativeService.BidiGenerateContent", "gemini.live", True),
        ("/v1/models/m:streamGenerateContent", "gemini", True),
        ("/v1/p/publishers/anthropic/models/c:rawPredict", "vertex.anthropic", True),
        ("/v1/p/publishers/meta/models/l:rawPredict", "vertex.rawpredict", True),
        ("/model/a.b%3A0/converse", "bedrock.converse", True),
    ],
)
def test_matches(path: str, name: str, sure: bool) -> None:
    match = match_path(path)
    assert match is not None
    assert (match.row.name, match.sure) == (name, sure)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/v1/models",
        "/v1/messages/123",
        "/v1/chat/completions/chatcmpl-1",
        "/achat/completions/x",
        "/mymessages",
        "/v1/responses/resp_1/cancel",
        "/model/a/b/converse",
    ],
)
def test_does_not_match(path: str) -> None:
    assert match_path(path) is None


def test_names_are_unique_and_modules_know_their_own() -> None:
    assert len(BY_NAME) == len(FORMATS)
    covered = {row.name: row.api.name for row in FORMATS if row.api is not None}
    assert covered == {name: name for name in covered}
    assert sorted(covered) == [
        "anthropic.messages",
        "gemini",
        "ollama.chat",
        "ollama.embed",
        "ollama.generate",
        "openai.chat",
        "openai.completions",
        "openai.embeddings",
        "openai.responses",
    ]


def test_required_is_one_key_of_each_group() -> None:
    responses = BY_NAME["openai.responses"]
    assert responses.has_required({"model": "m", "prompt": {"id": "p"}})
    assert not responses.has_required({"model": "m"})
    assert not responses.has_required({"model": None, "input": "x"})


@given(st.text(alphabet="/:.v1chatmessagesmodel", max_size=60))
def test_any_path(path: str) -> None:
    match_path(path)


def test_linear_in_hostile_paths() -> None:
    for piece in ("/v1", "/v" + "1" * 100_000, "/model/", "/publishers/anthropic/models/", "/conversations"):
        assert match_path(piece * (200_000 // len(piece)) + "!/!/!") is None
