from __future__ import annotations

import base64
import struct
from typing import Any

import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.exchanges import exchange_of, request_of, response_of
from rig.model_calls import inference_of
from wirespan.llm import Generic, InferenceError, Message, Part, Text, TokenUsage
from wirespan.llm.openai_embeddings import abridge, read_answer, read_request, recognises

VECTOR = base64.b64encode(struct.pack("<4f", 0.5, 0.25, -1, 2)).decode()
ANSWER = {
    "object": "list",
    "model": "text-embedding-3-small",
    "data": [{"object": "embedding", "index": place, "embedding": VECTOR} for place in range(2)],
    "usage": {"prompt_tokens": 5, "total_tokens": 5},
}


@pytest.mark.parametrize(
    ("asked", "parts"),
    [
        ("a", [Text("a")]),
        (["a", "b"], [Text("a"), Text("b")]),
        ([1, 2], [Generic("input", [1, 2])]),
        ([{"image": "x"}], [Generic("input", [{"image": "x"}])]),
        ("", [Text("")]),
        (None, []),
    ],
)
def test_inputs(asked: Any, parts: list[Part]) -> None:
    assert read_request({"model": "m", "input": asked}).messages == (Message("user", tuple(parts)),)


def test_other_fields() -> None:
    body = {"model": "m", "input": "a", "encoding_format": "base64", "dimensions": 4, "user": "ada"}
    reading = read_request(body)
    assert reading.end_user_id == "ada"
    assert reading.extra == {
        "openai.api.type": "embeddings",
        "openai.request.encoding_format": "base64",
        "openai.request.dimensions": 4,
    }


def test_as_long_as_the_vendor_sdk_says() -> None:
    # GIVEN the SDK's own client, which asks for base64 and unpacks it
    asked: list[Any] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.read())
        return httpx2.Response(200, json=ANSWER)

    with (
        httpx2.Client(transport=httpx2.MockTransport(answer)) as http,
        openai.OpenAI(api_key="none", base_url="http://mock/v1", http_client=http) as client,
    ):
        made = client.embeddings.create(model="text-embedding-3-small", input=["a", "b"])
    # THEN ours has the same numbers
    inference = inference_of(exchange_of(request_of(asked[0], "/v1/embeddings"), response_of(ANSWER)))
    assert (inference.api, inference.operation) == ("openai.embeddings", "embeddings")
    assert inference.response_model == made.model
    assert inference.extra["wirespan.response.embedding_count"] == len(made.data)
    assert inference.extra["gen_ai.embeddings.dimension.count"] == len(made.data[0].embedding)
    assert inference.usage == TokenUsage(input_tokens=made.usage.prompt_tokens, total_tokens=made.usage.total_tokens)
    assert inference.extra["openai.request.encoding_format"] == "base64"
    assert inference.output_messages == ()
    assert inference.input_messages == (Message("user", (Text("a"), Text("b"))),)


def test_vectors_are_told_by_their_length() -> None:
    inference = inference_of(
        exchange_of(request_of({"model": "m", "input": "a"}, "/v1/embeddings"), response_of(ANSWER))
    )
    assert [row["embedding"] for row in inference.response_json["data"]] == [{"dimensions": 4}] * 2
    assert inference.response_json["usage"] == ANSWER["usage"]
    assert abridge({"error": "x"}) == {"error": "x"}


def test_an_error() -> None:
    body = {"error": {"message": "No", "type": "invalid_request_error"}}
    assert read_answer(body, lambda _place: None).error == InferenceError("invalid_request_error", "No")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (ANSWER, True),
        ({"data": [{"embedding": []}]}, True),
        ({"error": {"message": "x"}}, True),
        ({"data": []}, False),
        ({"data": [{"id": 1}]}, False),
        ({"data": "x"}, False),
        ({}, False),
    ],
)
def test_recognises(body: dict[str, Any], expected: bool) -> None:
    assert recognises(body) is expected


_KEYS = st.sampled_from(["input", "data", "embedding", "usage", "model", "error", "index", "dimensions"])
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(_KEYS, _JSON, max_size=6))
def test_any_json(body: dict[str, Any]) -> None:
    read_request(body)
    recognises(body)
    read_answer(body, lambda _place: None)
    abridge(body)
