"""The merge against the vendor's own accumulator, and against what servers really send that it can't take."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from rig.exchanges import data_events
from wirespan.llm.api import Step
from wirespan.llm.openai_chat_merge import ChatMerge

Chunk = dict[str, Any]


def chunk(*choices: Chunk, **fields: Any) -> Chunk:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1764000000, "model": "gpt-5.2-2026"}
    return {**head, "choices": list(choices), **fields}


def delta(index: int = 0, finish_reason: str | None = None, **fields: Any) -> Chunk:
    return {"index": index, "delta": fields, "logprobs": None, "finish_reason": finish_reason}


def call(index: int | None, arguments: str | None = None, call_id: str | None = None, name: str | None = None) -> Chunk:
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    fields: Chunk = {"index": index, "id": call_id, "type": "function" if call_id else None, "function": function}
    return {key: value for key, value in fields.items() if value is not None}


def merged(*chunks: Any, choice_count: int = 1) -> ChatMerge:
    merge = ChatMerge(choice_count)
    for time_ns, data in enumerate(chunks):
        merge.add(None, data, time_ns)
    return merge


def message_of(merge: ChatMerge, index: int = 0) -> Any:
    answer = merge.answer()
    assert answer is not None
    return answer["choices"][index]["message"]


def without_nones(value: Any) -> Any:
    """The SDK's models have every field they know; on the wire most are absent."""
    if isinstance(value, dict):
        return {key: without_nones(item) for key, item in value.items() if item is not None}
    return [without_nones(item) for item in value] if isinstance(value, list) else value


def accumulated_by_sdk(chunks: list[Chunk]) -> Any:
    state: ChatCompletionStreamState[None] = ChatCompletionStreamState()
    for data in chunks:
        state.handle_chunk(ChatCompletionChunk.model_validate(data))
    # Not get_final_completion(), which raises when a choice finished with "length".
    return as_unstreamed(state.current_completion_snapshot)


def as_unstreamed(completion: Any) -> Any:
    """The SDK leaves the stream's `index` in the tool calls; an unstreamed answer has none there."""
    answer = without_nones(completion.model_dump(warnings=False))
    for choice in answer["choices"]:
        for tool_call in choice["message"].get("tool_calls", ()):
            del tool_call["index"]
    return answer


USAGE = {
    "prompt_tokens": 19,
    "completion_tokens": 10,
    "total_tokens": 29,
    "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 3},
}

TEXT_STREAM = [
    chunk(delta(role="assistant", content="", refusal=None), system_fingerprint="fp_1"),
    chunk(delta(content="Hel"), system_fingerprint="fp_1"),
    chunk(delta(content="lo ✓"), system_fingerprint="fp_1"),
    chunk(delta(finish_reason="stop"), system_fingerprint="fp_1"),
    chunk(usage=USAGE, system_fingerprint="fp_1"),
]
PARALLEL_CALLS_STREAM = [
    chunk(delta(role="assistant", content=None)),
    chunk(delta(tool_calls=[call(0, "", "call_a", "get_weather")])),
    chunk(delta(tool_calls=[call(0, '{"city":')])),
    chunk(delta(tool_calls=[call(0, '"Paris"}')])),
    chunk(delta(tool_calls=[call(1, "", "call_b", "get_time")])),
    chunk(delta(tool_calls=[call(1, '{"tz":"CET"}')])),
    chunk(delta(finish_reason="tool_calls")),
]
REFUSAL_STREAM = [
    chunk(delta(role="assistant", content=None, refusal="")),
    chunk(delta(refusal="I can't ")),
    chunk(delta(refusal="help with that.")),
    chunk(delta(finish_reason="stop")),
]
TWO_CHOICES_STREAM = [
    chunk(delta(0, role="assistant", content="")),
    chunk(delta(1, role="assistant", content="")),
    chunk(delta(0, content="one")),
    chunk(delta(1, content="two")),
    chunk(delta(1, finish_reason="length")),
    chunk(delta(0, finish_reason="stop")),
]


@pytest.mark.parametrize("stream", [TEXT_STREAM, PARALLEL_CALLS_STREAM, REFUSAL_STREAM, TWO_CHOICES_STREAM])
def test_merges_like_the_vendor_sdk(stream: list[Chunk]) -> None:
    assert without_nones(merged(*stream).answer()) == accumulated_by_sdk(stream)


def test_merges_like_the_vendor_sdk_over_http() -> None:
    # GIVEN the SDK's own streaming client, fed over a transport that plays the recorded events
    content = b"".join(data_events(*PARALLEL_CALLS_STREAM, "[DONE]"))
    transport = httpx2.MockTransport(
        lambda request: httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=content)
    )
    with (
        httpx2.Client(transport=transport) as http,
        openai.OpenAI(api_key="none", base_url="http://mock/v1", http_client=http) as client,
        client.chat.completions.stream(model="gpt-5.2", messages=[{"role": "user", "content": "hi"}]) as stream,
    ):
        # WHEN it assembles the answer
        final = stream.get_final_completion()
    # THEN ours is the same
    ours = merged(*PARALLEL_CALLS_STREAM, "[DONE]").answer()
    assert without_nones(ours) == as_unstreamed(final)


def test_text_stream_written_out() -> None:
    assert merged(*TEXT_STREAM, "[DONE]").answer() == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1764000000,
        "model": "gpt-5.2-2026",
        "system_fingerprint": "fp_1",
        "usage": USAGE,
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Hello ✓"}, "finish_reason": "stop"},
        ],
    }


# Streams as OpenAI sends them: choices begin in order, calls of a choice begin in order, pieces interleave freely.
_PIECES = st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=4)
_JSON = st.dictionaries(st.text(max_size=4), st.one_of(st.integers(), st.text(max_size=5), st.none()), max_size=3)


@st.composite
def _pieces_of(draw: st.DrawFn, text: str) -> list[str]:
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=3)))
    return [text[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@st.composite
def _choice_chunks(draw: st.DrawFn, index: int) -> list[Chunk]:
    chunks: list[Chunk] = []
    kind = draw(st.sampled_from(["text", "refusal", "calls", "text and calls"]))
    if kind == "refusal":
        chunks += [delta(index, refusal=piece) for piece in draw(_PIECES)]
    if "text" in kind:
        for piece in draw(_PIECES):
            token = {"token": piece, "logprob": -0.25, "bytes": None, "top_logprobs": []}
            logprobs = {"content": [token], "refusal": None}
            chunks.append({**delta(index, content=piece), "logprobs": logprobs if draw(st.booleans()) else None})
    if "calls" in kind:
        for position in range(draw(st.integers(1, 3))):
            begin = call(position, "", f"call_{index}_{position}", draw(st.sampled_from(["f", "get_weather"])))
            chunks.append(delta(index, tool_calls=[begin]))
            for piece in draw(_pieces_of(json.dumps(draw(_JSON)))):
                chunks.append(delta(index, tool_calls=[call(position, piece)]))
    chunks.append(delta(index, draw(st.sampled_from(["stop", "length", "tool_calls"]))))
    return chunks


@st.composite
def streams(draw: st.DrawFn) -> list[Chunk]:
    count = draw(st.integers(1, 3))
    queues = [draw(_choice_chunks(index)) for index in range(count)]
    chunks = [chunk(delta(index, role="assistant", content=None)) for index in range(count)]
    while any(queues):
        queue = draw(st.sampled_from([queue for queue in queues if queue]))
        chunks.append(chunk(queue.pop(0)))
    return [*chunks, chunk(usage=USAGE)] if draw(st.booleans()) else chunks


@settings(max_examples=60, deadline=None)
@given(streams())
def test_merges_any_stream_like_the_vendor_sdk(stream: list[Chunk]) -> None:
    merge = merged(*stream, choice_count=len({choice["index"] for data in stream for choice in data["choices"]}))
    assert without_nones(merge.answer()) == accumulated_by_sdk(stream)
    assert merge.finished


def test_legacy_function_call() -> None:
    merge = merged(
        chunk(delta(role="assistant", function_call={"name": "look", "arguments": ""})),
        chunk(delta(function_call={"arguments": '{"x"'})),
        chunk(delta(function_call={"arguments": ":1}"})),
        chunk(delta(finish_reason="function_call")),
    )
    assert message_of(merge)["function_call"] == {"name": "look", "arguments": '{"x":1}'}
    assert "tool_calls" not in message_of(merge)
    assert merge.block_end((0, 0)) == 3


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning", "reasoning_text"])
def test_reasoning_under_each_name(key: str) -> None:
    def thought(text: str) -> Chunk:
        return {"index": 0, "delta": {key: text}}

    merge = merged(chunk(thought("Let me ")), chunk(thought("think.")), chunk(delta(content="42")))
    assert message_of(merge) == {"role": "assistant", "content": "42", key: "Let me think."}


def test_openrouter_reasoning_details_grow_by_index() -> None:
    def detail(text: str) -> Chunk:
        return delta(reasoning_details=[{"type": "reasoning.text", "text": text, "format": "f1", "index": 0}])

    merge = merged(chunk(detail("Hm")), chunk(detail("m.")))
    assert message_of(merge)["reasoning_details"] == [
        {"type": "reasoning.text", "text": "Hmm.", "format": "f1", "index": 0}
    ]


def test_mistral_thinking_content() -> None:
    def thinking(text: str) -> Chunk:
        return {"type": "thinking", "thinking": [{"type": "text", "text": text}]}

    merge = merged(
        chunk(delta(role="assistant", content="")),
        chunk(delta(content=[thinking("So")])),
        chunk(delta(content=[thinking(" what")])),
        chunk(delta(content="4")),
        chunk(delta(content="2")),
    )
    assert message_of(merge)["content"] == [
        {"type": "thinking", "thinking": [{"type": "text", "text": "So"}, {"type": "text", "text": " what"}]},
        {"type": "text", "text": "42"},
    ]


def test_azure_prompt_filter_chunk_does_not_hide_id_and_model() -> None:
    # GIVEN Azure's first chunk, whose fields are empty, and its choice field content_filter_results
    filtered = {"prompt_index": 0, "content_filter_results": {"hate": {"filtered": False, "severity": "safe"}}}
    first = {"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": [filtered]}
    merge = merged(
        first,
        chunk({**delta(content="hi"), "content_filter_results": {}}),
        chunk({**delta(finish_reason="stop"), "content_filter_results": {"hate": {"filtered": False}}}),
    )
    answer = merge.answer()
    assert answer is not None
    assert (answer["id"], answer["model"], answer["created"]) == ("chatcmpl-1", "gpt-5.2-2026", 1764000000)
    assert answer["prompt_filter_results"] == [filtered]
    assert answer["choices"][0]["content_filter_results"] == {"hate": {"filtered": False}}


def test_usage_in_every_chunk_is_cumulative() -> None:
    merge = merged(
        chunk(delta(content="a"), usage={"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}),
        chunk(delta(content="b"), usage={"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}),
        chunk(delta(finish_reason="stop"), usage=None),
    )
    answer = merge.answer()
    assert answer is not None
    assert answer["usage"] == {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}


def test_message_in_place_of_delta() -> None:
    merge = merged(chunk({"index": 0, "message": {"role": "assistant", "content": "all"}, "finish_reason": "stop"}))
    assert message_of(merge) == {"role": "assistant", "content": "all"}
    assert merge.finished


def test_steps() -> None:
    merge = ChatMerge(1)
    events: list[tuple[Any, Step]] = [
        (chunk(delta(role="assistant", content="")), Step.PROGRESS),
        (chunk(delta(content="x")), Step.CONTENT),
        (chunk(delta(reasoning="x")), Step.CONTENT),
        (chunk(delta(tool_calls=[call(0, "", "call_a", "f")])), Step.CONTENT),
        (chunk(delta(finish_reason="stop")), Step.PROGRESS),
        (chunk(usage=USAGE), Step.PROGRESS),
        ({"type": "ping"}, Step.UNKNOWN),
        ("not json", Step.UNKNOWN),
        ([1], Step.UNKNOWN),
        ("[DONE]", Step.END),
    ]
    assert [merge.add(None, data, 0) for data, _ in events] == [step for _, step in events]


def test_not_finished_until_every_choice_is() -> None:
    merge = merged(*TWO_CHOICES_STREAM[:-1], choice_count=2)
    assert not merge.finished
    merge.add(None, TWO_CHOICES_STREAM[-1], 9)
    assert merge.finished
    assert not merged(*TWO_CHOICES_STREAM[:1], choice_count=2).finished
    assert merged(TWO_CHOICES_STREAM[0], "[DONE]", choice_count=2).finished


@pytest.mark.parametrize(
    ("event", "data"),
    [
        (None, {"error": {"message": "upstream died", "code": 502}}),
        ("error", {"message": "overloaded"}),
        (None, {"object": "error", "message": "bad", "type": "BadRequestError"}),
    ],
)
def test_error_in_place_of_the_rest(event: str | None, data: Chunk) -> None:
    merge = merged(*TEXT_STREAM[:2])
    assert merge.add(event, data, 9) is Step.PROGRESS
    assert merge.error == data
    assert message_of(merge)["content"] == "Hel"


def test_ends_of_calls() -> None:
    # GIVEN calls 0 and 1 in turn, then a late fragment of call 0 (times are the positions)
    merge = merged(*PARALLEL_CALLS_STREAM)
    merge.answer()
    assert [merge.block_end((0, 0)), merge.block_end((0, 1)), merge.block_end((0, 2))] == [4, 6, None]
    cut = merged(*PARALLEL_CALLS_STREAM[:6], chunk(delta(tool_calls=[call(0, " ")])))
    cut.answer()
    assert [cut.block_end((0, 0)), cut.block_end((0, 1))] == [None, 6]


def test_nothing_seen_is_no_answer() -> None:
    assert merged().answer() is None
    assert merged({"type": "ping"}).answer() is None
