"""The merge against the vendor's own accumulator, and against streams that it refuses."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import RawMessageStreamEvent
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from rig.exchanges import named_events
from wirespan.llm.anthropic_messages_merge import MessagesMerge
from wirespan.llm.api import Step

Event = dict[str, Any]

_EVENTS: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)


def start(**fields: Any) -> Event:
    message: Event = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-5-5",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 25, "output_tokens": 1, "cache_read_input_tokens": 100},
    }
    return {"type": "message_start", "message": {**message, **fields}}


def block(index: int, **content_block: Any) -> Event:
    return {"type": "content_block_start", "index": index, "content_block": content_block}


def delta(index: int, kind: str, **fields: Any) -> Event:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def stop(index: int) -> Event:
    return {"type": "content_block_stop", "index": index}


def message_delta(stop_reason: str = "end_turn", **usage: Any) -> Event:
    change = {"stop_reason": stop_reason, "stop_sequence": None}
    return {"type": "message_delta", "delta": change, "usage": {"output_tokens": 42, **usage}}


MESSAGE_STOP: Event = {"type": "message_stop"}
PING: Event = {"type": "ping"}

TEXT = [block(0, type="text", text=""), delta(0, "text_delta", text="Hel"), delta(0, "text_delta", text="lo"), stop(0)]
TOOLS = [
    block(0, type="thinking", thinking="", signature=""),
    delta(0, "thinking_delta", thinking="I need "),
    delta(0, "thinking_delta", thinking="the weather."),
    delta(0, "signature_delta", signature="c2ln"),
    stop(0),
    block(1, type="text", text=""),
    delta(1, "text_delta", text="Let me look."),
    stop(1),
    block(2, type="tool_use", id="toolu_1", name="get_weather", input={}),
    delta(2, "input_json_delta", partial_json=""),
    delta(2, "input_json_delta", partial_json='{"city": "Par'),
    delta(2, "input_json_delta", partial_json='is"}'),
    stop(2),
    block(3, type="tool_use", id="toolu_2", name="get_time", input={}),
    delta(3, "input_json_delta", partial_json='{"tz":"CET"}'),
    stop(3),
]
SERVER_TOOL = [
    block(0, type="server_tool_use", id="srvtoolu_1", name="web_search", input={}),
    delta(0, "input_json_delta", partial_json='{"query":"x"}'),
    stop(0),
    block(
        1,
        type="web_search_tool_result",
        tool_use_id="srvtoolu_1",
        content=[{"type": "web_search_result", "title": "T", "url": "https://e.org", "encrypted_content": "E"}],
    ),
    stop(1),
    block(2, type="text", text="", citations=[]),
    delta(
        2,
        "citations_delta",
        citation={
            "type": "web_search_result_location",
            "cited_text": "c",
            "url": "https://e.org",
            "title": "T",
            "encrypted_index": "I",
        },
    ),
    delta(2, "text_delta", text="It is so."),
    stop(2),
    block(3, type="redacted_thinking", data="RURB"),
    stop(3),
]


def merged(*events: Event) -> MessagesMerge:
    merge = MessagesMerge()
    for time_ns, event in enumerate(events):
        merge.add(event.get("type"), event, time_ns)
    return merge


def without_nones(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nones(item) for key, item in value.items() if item is not None}
    return [without_nones(item) for item in value] if isinstance(value, list) else value


def accumulated_by_sdk(events: list[Event]) -> Any:
    snapshot = None
    buffers: dict[int, bytes] = {}
    for event in events:
        typed = _EVENTS.validate_python(event)
        snapshot = accumulate_event(event=typed, current_snapshot=snapshot, json_bufs=buffers)
    assert snapshot is not None
    return without_nones(snapshot.model_dump(mode="json", warnings=False))


@pytest.mark.parametrize("blocks", [TEXT, TOOLS, SERVER_TOOL])
def test_merges_like_the_vendor_sdk(blocks: list[Event]) -> None:
    usage = {"server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0}, "input_tokens": 30}
    events = [start(), *blocks, message_delta("tool_use", **usage), MESSAGE_STOP]
    assert without_nones(merged(*events).answer()) == accumulated_by_sdk(events)


def test_merges_like_the_vendor_sdk_over_http() -> None:
    # GIVEN the SDK's own streaming client, fed over a transport that plays the events
    events = [start(), PING, *TOOLS, message_delta("tool_use"), MESSAGE_STOP]
    content = b"".join(named_events(*events))
    transport = httpx2.MockTransport(
        lambda request: httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=content)
    )
    with (
        httpx2.Client(transport=transport) as http,
        anthropic.Anthropic(api_key="none", base_url="http://mock", http_client=http) as client,
        client.messages.stream(
            model="claude-haiku-5-5", max_tokens=100, messages=[{"role": "user", "content": "hi"}]
        ) as stream,
    ):
        # WHEN it assembles the answer
        final = stream.get_final_message()
    # THEN ours is the same
    assert without_nones(merged(*events).answer()) == without_nones(final.model_dump(mode="json", warnings=False))


def test_tools_written_out() -> None:
    assert merged(start(), *TOOLS, message_delta("tool_use"), MESSAGE_STOP).answer() == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-5-5",
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {"input_tokens": 25, "output_tokens": 42, "cache_read_input_tokens": 100},
        "content": [
            {"type": "thinking", "thinking": "I need the weather.", "signature": "c2ln"},
            {"type": "text", "text": "Let me look."},
            {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Paris"}},
            {"type": "tool_use", "id": "toolu_2", "name": "get_time", "input": {"tz": "CET"}},
        ],
    }


_JSON = st.dictionaries(st.text(max_size=4), st.one_of(st.integers(-9, 9), st.text(max_size=5), st.none()), max_size=3)
_PIECES = st.lists(st.text(max_size=6), max_size=4)


@st.composite
def _block_events(draw: st.DrawFn, index: int) -> list[Event]:
    kind = draw(st.sampled_from(["text", "thinking", "tool_use", "server_tool_use", "redacted_thinking"]))
    if kind == "text":
        deltas = [delta(index, "text_delta", text=piece) for piece in draw(_PIECES)]
        return [block(index, type="text", text=""), *deltas, stop(index)]
    if kind == "thinking":
        deltas = [delta(index, "thinking_delta", thinking=piece) for piece in draw(_PIECES)]
        signature = delta(index, "signature_delta", signature=draw(st.text(min_size=1, max_size=4)))
        return [block(index, type="thinking", thinking="", signature=""), *deltas, signature, stop(index)]
    if kind == "redacted_thinking":
        return [block(index, type="redacted_thinking", data="RURB"), stop(index)]
    text = json.dumps(draw(_JSON))
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=3)))
    pieces = [text[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    name = "web_search" if kind == "server_tool_use" else "get_weather"
    begin = block(index, type=kind, id=f"toolu_{index}", name=name, input={})
    return [begin, *(delta(index, "input_json_delta", partial_json=piece) for piece in pieces), stop(index)]


@st.composite
def streams(draw: st.DrawFn) -> list[Event]:
    blocks = [draw(_block_events(index)) for index in range(draw(st.integers(0, 4)))]
    events = [start()]
    if draw(st.booleans()):  # all begun in order, then interleaved: the protocol allows it
        events += [queue.pop(0) for queue in blocks]
        while any(blocks):
            events.append(draw(st.sampled_from([queue for queue in blocks if queue])).pop(0))
    else:
        events += [event for queue in blocks for event in queue]
    optional = {"input_tokens": 7, "cache_read_input_tokens": 3, "output_tokens_details": {"thinking_tokens": 5}}
    usage = {key: value for key, value in optional.items() if draw(st.booleans())}
    return [*events, message_delta(draw(st.sampled_from(["end_turn", "max_tokens"])), **usage), MESSAGE_STOP]


@settings(max_examples=80, deadline=None)
@given(streams())
def test_merges_any_stream_like_the_vendor_sdk(events: list[Event]) -> None:
    merge = merged(*events)
    assert without_nones(merge.answer()) == accumulated_by_sdk(events)
    assert merge.finished


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([], {}),
        (["", " "], {}),
        (['{"a"', ":1}"], {"a": 1}),
        (['{"a": [1, 2'], '{"a": [1, 2'),
        (["[1]"], [1]),
    ],
)
def test_input_of_a_tool_call(pieces: list[str], expected: Any) -> None:
    deltas = [delta(0, "input_json_delta", partial_json=piece) for piece in pieces]
    answer = merged(start(), block(0, type="tool_use", id="t", name="n", input={}), *deltas).answer()
    assert answer is not None
    assert answer["content"][0]["input"] == expected


def test_compaction_and_fallback_blocks() -> None:
    fallback = {"type": "fallback", "from": {"model": "a"}, "to": {"model": "b"}}
    answer = merged(
        start(),
        block(0, type="compaction", content=None),
        delta(0, "compaction_delta", content="So far: ", encrypted_content=None),
        delta(0, "compaction_delta", content="nothing.", encrypted_content="RUVF"),
        stop(0),
        block(1, **fallback),
        stop(1),
    ).answer()
    assert answer is not None
    assert answer["content"] == [
        {"type": "compaction", "content": "So far: nothing.", "encrypted_content": "RUVF"},
        fallback,
    ]


def test_a_delta_for_an_unknown_index_opens_a_block_and_unknown_deltas_are_kept() -> None:
    answer = merged(
        start(),
        delta(3, "text_delta", text="late"),
        delta(1, "hologram_delta", hologram={"x": 1}),
    ).answer()
    assert answer is not None
    assert answer["content"] == [
        {"type": "unknown", "unknown_deltas": [{"type": "hologram_delta", "hologram": {"x": 1}}]},
        {"type": "text", "text": "late"},
    ]


def test_events_before_message_start_are_ignored() -> None:
    merge = merged(*TEXT, message_delta(), MESSAGE_STOP)
    assert merge.answer() is None
    assert not merge.finished


def test_a_whole_message_in_one_event() -> None:
    whole = {**start(stop_reason="end_turn")["message"], "content": [{"type": "text", "text": "all"}]}
    merge = MessagesMerge()
    assert merge.add("message", whole, 5) is Step.CONTENT
    assert merge.answer() == whole
    assert merge.finished


def test_nulls_in_message_delta_change_nothing_and_what_stands_beside_is_kept() -> None:
    merge = merged(
        start(),
        {
            "type": "message_delta",
            "delta": {"stop_reason": "refusal", "stop_details": {"type": "refusal", "category": "bio"}},
            "usage": {"output_tokens": 2, "input_tokens": None},
            "context_management": {"applied_edits": []},
        },
    )
    answer = merge.answer()
    assert answer is not None
    assert answer["usage"] == {"input_tokens": 25, "output_tokens": 2, "cache_read_input_tokens": 100}
    assert answer["stop_details"] == {"type": "refusal", "category": "bio"}
    assert answer["context_management"] == {"applied_edits": []}


def test_the_type_may_stand_in_the_event_name_alone() -> None:
    merge = MessagesMerge()
    merge.add("message_start", {"message": start()["message"]}, 0)
    assert merge.answer() is not None


def test_error_event() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    merge = merged(start(), *TEXT[:2])
    assert merge.add("error", error, 9) is Step.PROGRESS
    assert merge.error == error
    assert not merge.finished


def test_steps() -> None:
    events: list[tuple[Any, Step]] = [
        (start(), Step.PROGRESS),
        (PING, Step.KEEPALIVE),
        (block(0, type="text", text=""), Step.PROGRESS),
        (delta(0, "text_delta", text=""), Step.PROGRESS),
        (delta(0, "text_delta", text="x"), Step.CONTENT),
        (stop(0), Step.PROGRESS),
        (block(1, type="thinking", thinking="", signature=""), Step.PROGRESS),
        (delta(1, "thinking_delta", thinking="x"), Step.CONTENT),
        (delta(1, "signature_delta", signature="x"), Step.PROGRESS),
        (block(2, type="tool_use", id="t", name="n", input={}), Step.CONTENT),
        (message_delta(), Step.PROGRESS),
        ({"type": "hologram"}, Step.UNKNOWN),
        ("[DONE]", Step.UNKNOWN),
        (MESSAGE_STOP, Step.END),
    ]
    merge = MessagesMerge()
    assert [merge.add(None, data, 0) for data, _ in events] == [step for _, step in events]


def test_ends_of_blocks() -> None:
    merge = merged(start(), *TOOLS[:-1])
    merge.answer()
    assert [merge.block_end((0, index)) for index in range(5)] == [5, 8, 13, None, None]
    merge.add(None, MESSAGE_STOP, 99)
    merge.answer()
    assert merge.block_end((0, 3)) == 99


def test_finished_behind_the_stop_reason() -> None:
    assert not merged(start(), *TEXT).finished
    assert merged(start(), *TEXT, message_delta()).finished
