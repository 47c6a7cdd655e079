from __future__ import annotations

from typing import Any

import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.exchanges import data_events
from wirespan.llm.api import Step
from wirespan.llm.openai_completions_merge import CompletionsMerge

Chunk = dict[str, Any]


def chunk(text: str = "", index: int = 0, finish_reason: str | None = None, **fields: Any) -> Chunk:
    choice = {"index": index, "text": text, "logprobs": None, "finish_reason": finish_reason}
    return {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 1795400000,
        "model": "m-1",
        "choices": [choice],
        **fields,
    }


def merged(*chunks: Any, choice_count: int = 1) -> CompletionsMerge:
    merge = CompletionsMerge(choice_count)
    for time_ns, data in enumerate(chunks):
        merge.add(None, data, time_ns)
    return merge


STREAM = [chunk("Hel"), chunk("lo", 1), chunk("lo"), chunk("", 1, "length"), chunk(" ✓", 0, "stop")]
USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


def test_written_out() -> None:
    assert merged(*STREAM, {**chunk(), "choices": [], "usage": USAGE}, "[DONE]", choice_count=2).answer() == {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 1795400000,
        "model": "m-1",
        "usage": USAGE,
        "choices": [
            {"index": 0, "text": "Hello ✓", "finish_reason": "stop"},
            {"index": 1, "text": "lo", "finish_reason": "length"},
        ],
    }


def test_like_the_vendor_sdk_over_http() -> None:
    # GIVEN the SDK's own client, fed over a transport that plays the chunks; it leaves the joining to its program
    content = b"".join(data_events(*STREAM, "[DONE]"))
    transport = httpx2.MockTransport(
        lambda request: httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=content)
    )
    texts = {0: "", 1: ""}
    reasons: dict[int, str] = {}
    with (
        httpx2.Client(transport=transport) as http,
        openai.OpenAI(api_key="none", base_url="http://mock/v1", http_client=http) as client,
    ):
        for seen in client.completions.create(model="m", prompt="x", n=2, stream=True):
            for choice in seen.choices:
                texts[choice.index] += choice.text
                if choice.finish_reason:
                    reasons[choice.index] = choice.finish_reason
    answer = merged(*STREAM, "[DONE]", choice_count=2).answer()
    assert answer is not None
    assert {choice["index"]: choice["text"] for choice in answer["choices"]} == texts
    assert {choice["index"]: choice["finish_reason"] for choice in answer["choices"]} == reasons


def test_log_probabilities_are_appended() -> None:
    def with_logprobs(text: str) -> Chunk:
        logprobs = {"tokens": [text], "token_logprobs": [-0.5], "top_logprobs": None, "text_offset": [0]}
        return {**chunk(), "choices": [{"index": 0, "text": text, "logprobs": logprobs}]}

    answer = merged(with_logprobs("a"), with_logprobs("b")).answer()
    assert answer is not None
    assert answer["choices"][0]["logprobs"] == {
        "tokens": ["a", "b"],
        "token_logprobs": [-0.5, -0.5],
        "text_offset": [0, 0],
    }


def test_finished() -> None:
    assert not merged(*STREAM[:4], choice_count=2).finished
    assert merged(*STREAM, choice_count=2).finished
    assert not merged(*STREAM, choice_count=3).finished
    assert merged(STREAM[0], "[DONE]").finished


@pytest.mark.parametrize("error", [{"error": {"message": "x"}}, {"object": "error", "message": "x"}])
def test_error_in_place_of_the_rest(error: Chunk) -> None:
    merge = merged(STREAM[0])
    assert merge.add(None, error, 9) is Step.PROGRESS
    assert merge.error == error


def test_steps() -> None:
    events: list[tuple[Any, Step]] = [
        (chunk(""), Step.PROGRESS),
        (chunk("x"), Step.CONTENT),
        ({"choices": [{"text": "no object"}]}, Step.CONTENT),
        ({"choices": [], "object": "text_completion", "usage": USAGE}, Step.PROGRESS),
        ({"object": "chat.completion.chunk", "choices": [{"delta": {"content": "x"}}]}, Step.UNKNOWN),
        ({"type": "ping"}, Step.UNKNOWN),
        ("not json", Step.UNKNOWN),
        ("[DONE]", Step.END),
    ]
    merge = CompletionsMerge(1)
    assert [merge.add(None, data, 0) for data, _ in events] == [step for _, step in events]


def test_nothing_seen_is_no_answer() -> None:
    assert merged().answer() is None
    assert merged({"type": "ping"}).answer() is None
    assert merged().block_end((0, 0)) is None


_KEYS = st.sampled_from(["choices", "index", "text", "finish_reason", "logprobs", "tokens", "object", "error", "usage"])
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.just("text_completion"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(_KEYS, _JSON, max_size=4) | st.sampled_from(STREAM), max_size=5))
def test_any_chunks(chunks: list[Any]) -> None:
    merged(*chunks).answer()
