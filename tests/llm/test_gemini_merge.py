"""Chunks of Gemini streams: what the vendor's SDK read of them stands in test_gemini.py; here what it leaves apart."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from wirespan.llm.api import Step
from wirespan.llm.gemini_merge import GeminiMerge

Chunk = dict[str, Any]


def candidate(*parts: Any, index: int | None = None, **fields: Any) -> Chunk:
    place = {} if index is None else {"index": index}
    return {**({"content": {"role": "model", "parts": list(parts)}} if parts else {}), **place, **fields}


def chunk(*candidates: Chunk, **fields: Any) -> Chunk:
    return {"candidates": list(candidates), "modelVersion": "gemini-3-pro-002", "responseId": "r", **fields}


def thought(text: str, **fields: Any) -> Chunk:
    return {"text": text, "thought": True, **fields}


def partial(*arguments: Chunk, more: bool = True, **fields: Any) -> Chunk:
    return {"functionCall": {**({"partialArgs": list(arguments)} if arguments else {}), "willContinue": more, **fields}}


def merged(*chunks: Any, candidate_count: int = 1) -> GeminiMerge:
    merge = GeminiMerge(candidate_count)
    for time_ns, data in enumerate(chunks):
        merge.add(None, data, time_ns)
    return merge


def parts_of(*chunks: Any) -> Any:
    answer = merged(*chunks).answer()
    assert answer is not None
    return answer["candidates"][0]["content"]["parts"]


STREAM = [
    chunk(candidate(thought("I "), index=0), usageMetadata={"promptTokenCount": 4}),
    chunk(candidate(thought("think."), index=0)),
    chunk(candidate({"text": "Hel"}, index=0)),
    chunk(candidate({"text": "lo"}, {"functionCall": {"name": "f", "args": {"x": 1}}}, index=0)),
    chunk(candidate({"text": "", "thoughtSignature": "c2ln"}, index=0)),
    chunk(
        candidate(index=0, finishReason="STOP", safetyRatings=[]),
        usageMetadata={"promptTokenCount": 4, "candidatesTokenCount": 9},
    ),
]


def test_written_out() -> None:
    merge = merged(*STREAM)
    assert merge.answer() == {
        "candidates": [
            {
                "content": {
                    "role": "model",
                    "parts": [
                        {"text": "I think.", "thought": True},
                        {"text": "Hello"},
                        {"functionCall": {"name": "f", "args": {"x": 1}}},
                        {"text": "", "thoughtSignature": "c2ln"},
                    ],
                },
                "index": 0,
                "finishReason": "STOP",
                "safetyRatings": [],
            }
        ],
        "modelVersion": "gemini-3-pro-002",
        "responseId": "r",
        "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 9},
    }
    assert merge.finished


def test_a_signature_of_a_later_piece_is_kept() -> None:
    assert parts_of(
        chunk(candidate({"text": "a"})),
        chunk(candidate({"text": "b", "thoughtSignature": "s1"})),
        chunk(candidate({"text": "c"})),
    ) == [{"text": "abc", "thoughtSignature": "s1"}]


def test_texts_with_anything_beside_stay_apart() -> None:
    apart = {"text": "b", "partMetadata": {"x": 1}}
    assert parts_of(chunk(candidate({"text": "a"}, apart, {"text": "c"}))) == [{"text": "a"}, apart, {"text": "c"}]


def test_candidates_apart() -> None:
    merge = merged(
        chunk(candidate({"text": "a"}, index=0), candidate({"text": "x"}, index=1)),
        chunk(candidate({"text": "y"}, index=1, finishReason="STOP")),
        candidate_count=2,
    )
    assert not merge.finished
    merge.add(None, chunk(candidate({"text": "b"}, index=0, finishReason="STOP")), 9)
    assert merge.finished
    answer = merge.answer()
    assert answer is not None
    assert [found["content"]["parts"] for found in answer["candidates"]] == [[{"text": "ab"}], [{"text": "xy"}]]


def test_the_second_candidate_may_not_have_begun() -> None:
    assert not merged(chunk(candidate({"text": "a"}, index=0, finishReason="STOP")), candidate_count=2).finished


def test_code_assist_stays_wrapped() -> None:
    merge = merged(
        {"response": chunk(candidate({"text": "a"})), "traceId": "t"},
        {"response": chunk(candidate({"text": "b"}, finishReason="STOP")), "remainingCredits": [1]},
    )
    assert merge.answer() == {
        "response": {
            "candidates": [{"content": {"role": "model", "parts": [{"text": "ab"}]}, "finishReason": "STOP"}],
            "modelVersion": "gemini-3-pro-002",
            "responseId": "r",
        },
        "traceId": "t",
        "remainingCredits": [1],
    }
    assert merge.finished


def test_snake_case_is_understood() -> None:
    merge = merged(
        {
            "candidates": [
                {"content": {"parts": [{"function_call": {"name": "f", "args": {"a_b": 1}}}]}, "finish_reason": "STOP"}
            ],
            "usage_metadata": {"prompt_token_count": 1},
        }
    )
    assert merge.finished
    answer = merge.answer()
    assert answer is not None
    assert answer["candidates"][0]["content"]["parts"] == [{"functionCall": {"name": "f", "args": {"a_b": 1}}}]


def test_arguments_in_pieces() -> None:
    chunks = [
        chunk(candidate(partial(name="f", id="c1"))),
        chunk(candidate(partial({"jsonPath": "$.city", "stringValue": "Pa", "willContinue": True}))),
        chunk(
            candidate(partial({"json_path": "$.city", "string_value": "ris"}, {"jsonPath": "$.days", "numberValue": 2}))
        ),
        chunk(candidate({"functionCall": {}})),
        chunk(candidate({"functionCall": {"name": "g", "args": {}}}, finishReason="STOP")),
    ]
    assert parts_of(*chunks) == [
        {"functionCall": {"name": "f", "id": "c1", "args": {"city": "Paris", "days": 2}}},
        {"functionCall": {"name": "g", "args": {}}},
    ]
    merge = merged(*chunks)
    merge.answer()
    assert [merge.block_end((0, place)) for place in range(3)] == [3, 4, None]
    cut = merged(*chunks[:2])
    cut.answer()
    assert cut.block_end((0, 0)) is None
    assert parts_of(*chunks[:2]) == [{"functionCall": {"name": "f", "id": "c1", "args": {"city": "Pa"}}}]


def test_log_probabilities_are_appended_and_what_else_is_said_again_replaces() -> None:
    def logprobs(token: str) -> Chunk:
        return {"chosenCandidates": [{"token": token}], "topCandidates": []}

    merge = merged(
        chunk(candidate({"text": "a"}, logprobsResult=logprobs("a"), citationMetadata={"citations": [1]})),
        chunk(candidate({"text": "b"}, logprobsResult=logprobs("b"), citationMetadata={"citations": [1, 2]})),
    )
    answer = merge.answer()
    assert answer is not None
    (found,) = answer["candidates"]
    assert found["logprobsResult"] == {"chosenCandidates": [{"token": "a"}, {"token": "b"}], "topCandidates": []}
    assert found["citationMetadata"] == {"citations": [1, 2]}


def test_a_refused_prompt_is_a_whole_answer() -> None:
    merge = merged({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {}})
    assert merge.finished
    assert merge.answer() == {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {}}


def test_error_in_place_of_the_rest() -> None:
    error = {"error": {"code": 503, "message": "Overloaded", "status": "UNAVAILABLE"}}
    merge = merged(*STREAM[:3])
    assert merge.add(None, error, 9) is Step.PROGRESS
    assert merge.error == error
    assert not merge.finished


def test_steps() -> None:
    events: list[tuple[Any, Step]] = [
        (chunk(candidate(index=0)), Step.PROGRESS),
        (chunk(candidate({"text": ""})), Step.PROGRESS),
        (chunk(candidate(thought("x"))), Step.CONTENT),
        (chunk(candidate({"functionCall": {"name": "f"}})), Step.CONTENT),
        ({"usageMetadata": {"promptTokenCount": 1}}, Step.PROGRESS),
        ({"type": "ping"}, Step.UNKNOWN),
        ({}, Step.UNKNOWN),
        ("not json", Step.UNKNOWN),
        ([1], Step.UNKNOWN),
        ("[DONE]", Step.END),
    ]
    merge = GeminiMerge(1)
    assert [merge.add(None, data, 0) for data, _ in events] == [step for _, step in events]


def test_nothing_seen_is_no_answer() -> None:
    assert merged().answer() is None
    assert merged({"type": "ping"}).answer() is None


_TEXTS = st.lists(st.tuples(st.booleans(), st.text(max_size=5)), max_size=8)


@given(_TEXTS, st.data())
def test_texts_are_the_same_however_they_are_cut(texts: list[tuple[bool, str]], data: st.DataObject) -> None:
    # GIVEN runs of said and thought text, in chunks of any number of parts
    parts = [thought(text) if is_thought else {"text": text} for is_thought, text in texts]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(parts)), max_size=4)))
    chunks = [chunk(candidate(*parts[begin:end])) for begin, end in zip([0, *cuts], [*cuts, len(parts)], strict=True)]
    # THEN neighbours of one kind are one part, and no letter is lost
    answer = merged(*chunks).answer()
    assert answer is not None
    merged_parts = answer["candidates"][0].get("content", {"parts": []})["parts"]
    for kind in (True, False):
        said = "".join(text for is_thought, text in texts if is_thought is kind)
        assert "".join(part["text"] for part in merged_parts if bool(part.get("thought")) is kind) == said
    kinds = [bool(part.get("thought")) for part in merged_parts]
    assert all(before != after for before, after in pairwise(kinds))


_KEYS = st.sampled_from(
    [
        "candidates",
        "content",
        "parts",
        "text",
        "thought",
        "functionCall",
        "partialArgs",
        "willContinue",
        "jsonPath",
        "index",
    ]
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=10,
)


@settings(deadline=None)
@given(st.lists(st.dictionaries(_KEYS, _JSON, max_size=4) | st.sampled_from(STREAM), max_size=6))
def test_any_chunks(chunks: list[Any]) -> None:
    merge = merged(*chunks)
    merge.answer()
    merge.block_end((0, 0))
