from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.exchanges import SSE_HEADERS, data_events, event_time, exchange_of, request_of, response_of, sse_body
from rig.model_calls import inference_of, refusal_of
from wirespan.llm import (
    Generic,
    InferenceError,
    Message,
    Outcome,
    Part,
    Reasoning,
    RequestParameters,
    Text,
    TokenUsage,
)
from wirespan.llm.openai_completions import choice_count, read_answer, read_request, recognises

REQUEST = {"model": "m", "prompt": "Once upon"}
ANSWER = {
    "id": "cmpl-1",
    "object": "text_completion",
    "model": "m-1",
    "choices": [{"index": 0, "text": " a time", "finish_reason": "length", "logprobs": None}],
    "usage": {"prompt_tokens": 2, "completion_tokens": 2, "total_tokens": 4},
}


def test_parameters() -> None:
    body = {
        **REQUEST,
        "max_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.9,
        "n": 2,
        "stop": ["."],
        "seed": 1,
        "frequency_penalty": 0.1,
        "presence_penalty": 0.2,
        "stream": True,
        "user": "ada",
        "service_tier": "flex",
    }
    reading = read_request(body)
    assert reading.parameters == RequestParameters(
        max_tokens=9,
        temperature=0.5,
        top_p=0.9,
        frequency_penalty=0.1,
        presence_penalty=0.2,
        seed=1,
        choice_count=2,
        stop_sequences=(".",),
        stream=True,
    )
    assert reading.end_user_id == "ada"
    assert reading.extra == {"openai.api.type": "completions", "openai.request.service_tier": "flex"}


@pytest.mark.parametrize(
    ("body", "parts", "count"),
    [
        ({"prompt": "a"}, [Text("a")], 1),
        ({"prompt": ["a", "b"], "n": 2}, [Text("a"), Text("b")], 4),
        ({"prompt": [1, 2, 3]}, [Generic("prompt", [1, 2, 3])], 1),
        ({"prompt": [[1], [2]]}, [Generic("prompt", [[1], [2]])], 2),
        ({"prompt": "a", "suffix": "z"}, [Text("a"), Generic("suffix", "z")], 1),
        ({}, [], 1),
    ],
)
def test_prompts(body: dict[str, Any], parts: list[Part], count: int) -> None:
    assert read_request(body).messages == (Message("user", tuple(parts)),)
    assert choice_count(body) == count


def test_answers() -> None:
    reading = read_answer(ANSWER, lambda _place: None)
    assert (reading.id, reading.model) == ("cmpl-1", "m-1")
    assert reading.messages == (Message("assistant", (Text(" a time"),), finish_reason="length"),)
    assert reading.finish_reasons == ("length",)
    assert reading.usage == TokenUsage(2, 2, total_tokens=4)


def test_choices_in_order_with_what_else_they_have() -> None:
    logprobs = {"tokens": ["a", "b"]}
    choices = [
        {"index": 1, "text": "b", "finish_reason": "stop"},
        {"index": 0, "text": "a", "reasoning": "t", "logprobs": logprobs},
    ]
    reading = read_answer({"choices": choices, "system_fingerprint": "fp"}, lambda _place: None)
    assert reading.messages == (
        Message("assistant", (Reasoning("t"), Text("a"))),
        Message("assistant", (Text("b"),), finish_reason="stop"),
    )
    assert reading.extra == {"openai.response.system_fingerprint": "fp", "wirespan.response.logprob_tokens": 2}


def test_an_error() -> None:
    body = {"error": {"message": "No", "type": "invalid_request_error"}}
    assert read_answer(body, lambda _place: None).error == InferenceError("invalid_request_error", "No")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (ANSWER, True),
        ({"choices": [{"text": ""}]}, True),
        ({"object": "text_completion", "choices": []}, True),
        ({"error": "x"}, True),
        ({"choices": [{"message": {}}]}, False),
        ({"choices": []}, False),
        ({}, False),
    ],
)
def test_recognises(body: dict[str, Any], expected: bool) -> None:
    assert recognises(body) is expected


def test_streamed_call() -> None:
    first = {**ANSWER, "choices": [{"index": 0, "text": " a", "finish_reason": None}], "usage": None}
    events = data_events(
        first, {**ANSWER, "choices": [{"index": 0, "text": " time", "finish_reason": "length"}]}, "[DONE]"
    )
    request = request_of({**REQUEST, "stream": True}, "/v1/completions")
    inference = inference_of(exchange_of(request, response_of(sse_body(events), headers=SSE_HEADERS)))
    assert (inference.api, inference.operation) == ("openai.completions", "text_completion")
    assert (inference.outcome, inference.first_chunk_ns) == (Outcome.OK, event_time(0))
    assert inference.output_messages == (Message("assistant", (Text(" a time"),), finish_reason="length"),)


def test_another_products_completions() -> None:
    exchange = exchange_of(request_of(REQUEST, "/search/completions"), response_of({"completions": ["a"]}))
    assert refusal_of(exchange) == {"llm.not_inference.contradicted": 1}


_KEYS = st.sampled_from(["prompt", "suffix", "n", "choices", "text", "index", "logprobs", "tokens", "usage", "error"])
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(_KEYS, _JSON, max_size=6))
def test_any_json(body: dict[str, Any]) -> None:
    read_request(body)
    choice_count(body)
    recognises(body)
    read_answer(body, lambda _place: None)
