from __future__ import annotations

from typing import Any

import pytest

from rig.exchanges import exchange_of, request_of, response_of
from rig.model_calls import inference_of
from wirespan.llm import InferenceError, Message, Text, TokenUsage
from wirespan.llm.ollama_embed import abridge, not_inference, read_answer, read_request, recognises

ANSWER = {
    "model": "all-minilm",
    "embeddings": [[0.5, 0.25, -1.0], [0.0, 1.0, 2.0]],
    "total_duration": 14,
    "prompt_eval_count": 8,
}


def test_requests() -> None:
    reading = read_request({"model": "m", "input": ["a", "b"], "dimensions": 3})
    assert reading.messages == (Message("user", (Text("a"), Text("b"))),)
    assert reading.extra == {"ollama.request.dimensions": 3}
    assert not reading.parameters.stream
    assert read_request({"prompt": "old"}).messages == (Message("user", (Text("old"),)),)


def test_answers() -> None:
    reading = read_answer(ANSWER, lambda _place: None)
    assert reading.model == "all-minilm"
    assert reading.usage == TokenUsage(input_tokens=8)
    assert reading.extra == {
        "wirespan.response.embedding_count": 2,
        "gen_ai.embeddings.dimension.count": 3,
        "ollama.response.total_duration_ns": 14,
    }
    assert reading.messages == ()


def test_an_error() -> None:
    assert read_answer({"error": "x"}, lambda _place: None).error == InferenceError("", "x")


def test_vectors_are_told_by_their_length() -> None:
    inference = inference_of(exchange_of(request_of({"model": "m", "input": "a"}, "/api/embed"), response_of(ANSWER)))
    assert inference.response_json == {**ANSWER, "embeddings": [{"dimensions": 3}, {"dimensions": 3}]}
    assert abridge({"embedding": [1.0]}) == {"embedding": {"dimensions": 1}}
    assert abridge({"error": "x"}) == {"error": "x"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [(ANSWER, True), ({"embedding": []}, True), ({"error": "x"}, True), ({"embeddings": 3}, False), ({}, False)],
)
def test_recognises(body: dict[str, Any], expected: bool) -> None:
    assert recognises(body) is expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [({"input": "x"}, None), ({"prompt": "x"}, None), ({"input": []}, "model_load"), ({}, "model_load")],
)
def test_loading_a_model_is_no_inference(body: dict[str, Any], expected: str | None) -> None:
    assert not_inference(body) == expected
