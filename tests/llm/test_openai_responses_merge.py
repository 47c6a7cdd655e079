"""The merge against the vendor's own accumulator, and against streams that it refuses."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai import omit
from openai._models import construct_type
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import ResponseStreamEvent

from rig.exchanges import named_events
from rig.responses_calls import (
    COMPLETED,
    EVENTS,
    OUTPUT,
    Event,
    event,
    function_call,
    message,
    numbered,
    reasoning,
    response,
    text_part,
)
from wirespan.llm.api import Step
from wirespan.llm.openai_responses_merge import ResponsesMerge


def merged(*events: Any) -> ResponsesMerge:
    merge = ResponsesMerge()
    for time_ns, data in enumerate(events):
        merge.add(data.get("type") if isinstance(data, dict) else None, data, time_ns)
    return merge


def answer_of(*events: Any) -> Any:
    return merged(*events).answer()


def without_nones(value: Any) -> Any:
    """The SDK adds `parsed` and `parsed_arguments`, null here, to what it recovers."""
    if isinstance(value, dict):
        return {key: without_nones(item) for key, item in value.items() if item is not None}
    return [without_nones(item) for item in value] if isinstance(value, list) else value


def last_response_of_sdk(events: list[Event]) -> Any:
    state: ResponseStreamState[None] = ResponseStreamState(input_tools=omit, text_format=omit)
    fired: list[Any] = []
    for data in events:
        fired = state.handle_event(construct_type(type_=ResponseStreamEvent, value=data))  # type: ignore[arg-type]
    return without_nones(fired[-1].response.to_dict(mode="json"))


def test_the_terminal_event_is_the_answer() -> None:
    assert answer_of(*EVENTS) == COMPLETED
    assert without_nones(answer_of(*EVENTS)) == last_response_of_sdk(EVENTS)


def test_merges_like_the_vendor_sdk_over_http() -> None:
    # GIVEN the SDK's own streaming client, fed over a transport that plays the events
    content = b"".join(named_events(*EVENTS))
    transport = httpx2.MockTransport(
        lambda request: httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=content)
    )
    with (
        httpx2.Client(transport=transport) as http,
        openai.OpenAI(api_key="none", base_url="http://mock/v1", http_client=http) as client,
        client.responses.stream(model="gpt-6-sol", input="hi") as stream,
    ):
        # WHEN it assembles the answer
        final = stream.get_final_response()
    # THEN ours is the same
    assert without_nones(answer_of(*EVENTS)) == without_nones(final.to_dict(mode="json"))


@pytest.mark.parametrize("output", [None, []])
def test_items_stand_where_the_terminal_event_has_no_output(output: Any) -> None:
    # GIVEN a back end that says completed with id and usage alone
    terminal = event("completed", response={"id": "resp_1", "status": "completed", "usage": COMPLETED["usage"]})
    if output is not None:
        terminal["response"]["output"] = output
    answer = answer_of(*EVENTS[:-1], terminal)
    # THEN the items, and what the first events said, make the answer whole
    assert answer["output"] == OUTPUT
    assert (answer["model"], answer["status"]) == ("gpt-6-sol-2026-09-01", "completed")
    assert answer["usage"] == COMPLETED["usage"]


@pytest.mark.parametrize("seen", range(2, len(EVENTS)))
def test_cut_anywhere_it_is_as_far_as_the_vendor_sdk_got(seen: int) -> None:
    # GIVEN the SDK's view of a response that failed here without an output of its own
    failed = {**response("failed"), "output": None}
    theirs = last_response_of_sdk([*EVENTS[:seen], event("failed", response=failed)])
    # THEN ours is the same, but for summaries in progress, which the SDK leaves out
    ours = without_nones(answer_of(*EVENTS[:seen]))
    if 3 < seen < 9:
        assert ours["output"][0]["summary"] == [
            {"type": "summary_text", "text": ["", "Look ", "Look it up."][min(seen - 4, 2)]}
        ]
        ours["output"][0]["summary"] = []
    assert ours["output"] == theirs["output"]


_PIECES = st.lists(st.text(max_size=6), max_size=4)
_JSON = st.dictionaries(st.text(max_size=4), st.one_of(st.integers(), st.text(max_size=5), st.none()), max_size=3)


@st.composite
def _item_events(draw: st.DrawFn, index: int, finished: bool) -> list[Event]:
    item_id = f"item_{index}"
    kind = draw(
        st.sampled_from(["message", "function_call", "reasoning"] if finished else ["message", "function_call"])
    )
    if kind == "reasoning":
        done = reasoning(*draw(_PIECES), item_id=item_id)
        events = [event("output_item.added", index, item={**done, "summary": []})]
    elif kind == "function_call":
        text = json.dumps(draw(_JSON))
        cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=3)))
        pieces = [text[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        done = function_call(text, call_id=f"call_{index}", item_id=item_id)
        events = [event("output_item.added", index, item={**done, "arguments": ""})]
        events += [event("function_call_arguments.delta", index, item_id=item_id, delta=piece) for piece in pieces]
    else:
        parts = draw(st.lists(_PIECES, max_size=2))
        done = message(*(text_part("".join(pieces)) for pieces in parts), item_id=item_id)
        events = [event("output_item.added", index, item={**done, "content": []})]
        for place, pieces in enumerate(parts):
            where = {"item_id": item_id, "content_index": place}
            events.append(event("content_part.added", index, **where, part=text_part()))
            events += [event("output_text.delta", index, **where, delta=piece, logprobs=[]) for piece in pieces]
    return [*events, event("output_item.done", index, item=done)] if finished else events


@st.composite
def streams(draw: st.DrawFn, finished: bool) -> list[Event]:
    queues = [draw(_item_events(index, finished)) for index in range(draw(st.integers(0, 4)))]
    events = [event("created", response=response())]
    events += [queue.pop(0) for queue in queues]  # begun in order, then interleaved
    while any(queues):
        events.append(draw(st.sampled_from([queue for queue in queues if queue])).pop(0))
    status = "completed" if finished else draw(st.sampled_from(["failed", "incomplete"]))
    return numbered(*events, event(status, response={**response(status), "output": None}))


@settings(max_examples=60, deadline=None)
@given(streams(finished=True) | streams(finished=False))
def test_merges_any_stream_like_the_vendor_sdk(events: list[Event]) -> None:
    merge = merged(*events)
    assert without_nones(merge.answer()) == last_response_of_sdk(events)
    assert merge.finished


def test_fields_that_the_vendor_sdk_leaves_to_the_terminal_event() -> None:
    citation = {"type": "url_citation", "url": "https://e.org", "title": "E", "start_index": 0, "end_index": 2}
    custom = {"id": "ct_1", "type": "custom_tool_call", "call_id": "call_1", "name": "apply_patch", "input": ""}
    mcp = {"id": "mcp_1", "type": "mcp_call", "server_label": "s", "name": "n", "arguments": ""}
    code = {"id": "ci_1", "type": "code_interpreter_call", "container_id": "c", "code": "", "outputs": None}
    shell = {"id": "sh_1", "type": "shell_call", "call_id": "call_2", "action": {"commands": [], "timeout_ms": 9}}
    printed = {"id": "so_1", "type": "shell_call_output", "call_id": "call_2", "output": []}
    answer = answer_of(
        event("created", response=response()),
        event("output_item.added", 0, item=message(status="in_progress")),
        event("output_text.delta", 0, content_index=0, delta="Hi"),
        event("output_text.annotation.added", 0, content_index=0, annotation_index=0, annotation=citation),
        event("content_part.added", 0, content_index=1, part={"type": "refusal", "refusal": ""}),
        event("refusal.delta", 0, content_index=1, delta="I ca"),
        event("refusal.delta", 0, content_index=1, delta="n't"),
        event("output_item.added", 1, item=reasoning()),
        event("reasoning_text.delta", 1, content_index=0, delta="So"),
        event("output_item.added", 2, item=custom),
        event("custom_tool_call_input.delta", 2, delta="*** Begin"),
        event("output_item.added", 3, item=mcp),
        event("mcp_call_arguments.delta", 3, delta="{"),
        event("mcp_call_arguments.done", 3, arguments="{}"),
        event("mcp_call.in_progress", 3),
        event("output_item.added", 4, item=code),
        event("code_interpreter_call_code.delta", 4, delta="1+1"),
        event("output_item.added", 5, item=shell),
        event("shell_call_command.added", 5, command_index=0, command=""),
        event("shell_call_command.delta", 5, command_index=0, delta="ls"),
        event("shell_call_command.delta", 5, command_index=0, delta=" -l"),
        event("shell_call_command.done", 5, command_index=1, command="pwd"),
        event("output_item.added", 6, item=printed),
        event("shell_call_output_content.delta", 6, command_index=0, delta={"stdout": "a"}),
        event("shell_call_output_content.delta", 6, command_index=0, delta={"stdout": "b", "stderr": "!"}),
        event("shell_call_output_content.done", 6, command_index=0, output=[]),
    )
    assert answer["output"] == [
        {
            **message(status="in_progress"),
            "content": [
                {"type": "output_text", "text": "Hi", "annotations": [citation]},
                {"type": "refusal", "refusal": "I can't"},
            ],
        },
        {**reasoning(), "content": [{"type": "reasoning_text", "text": "So"}]},
        {**custom, "input": "*** Begin"},
        {**mcp, "arguments": "{}"},
        {**code, "code": "1+1"},
        {**shell, "action": {"commands": ["ls -l", "pwd"], "timeout_ms": 9}},
        {**printed, "output": [{"stdout": "ab", "stderr": "!"}]},
    ]
    assert "unknown_events" not in answer


def test_what_is_not_known_is_kept() -> None:
    hologram = event("hologram.delta", 0, delta="zzz")
    assert answer_of(event("created", response=response()), event("output_item.added", 0, item=message()), hologram)[
        "unknown_events"
    ] == [hologram]


def test_deltas_open_items_that_were_never_announced() -> None:
    # GIVEN events of servers that leave out the numbers, and one that comes late
    answer = answer_of(
        event("output_text.delta", item_id="m", delta="a"),
        event("output_text.delta", item_id="m", delta="b"),
        event("output_item.added", item={"type": "function_call", "id": "f", "name": "n", "arguments": ""}),
        event("function_call_arguments.delta", item_id="f", delta="{}"),
        event("output_text.delta", item_id="m", delta="c"),
    )
    assert answer["output"] == [
        {"type": "message", "content": [{"type": "output_text", "text": "abc"}]},
        {"type": "function_call", "id": "f", "name": "n", "arguments": "{}"},
    ]


def test_a_whole_answer_in_one_event() -> None:
    merge = ResponsesMerge()
    assert merge.add(None, COMPLETED, 5) is Step.END
    assert merge.answer() == COMPLETED
    assert merge.finished


@pytest.mark.parametrize("kind", ["failed", "incomplete", "cancelled", "done", "completed"])
def test_terminal_events(kind: str) -> None:
    merge = merged(*EVENTS[:5])
    assert not merge.finished
    assert merge.add(None, event(kind, response=response(kind)), 9) is Step.END
    assert merge.finished


def test_done_ends_a_stream_without_a_terminal_event() -> None:
    merge = merged(*EVENTS[:-1], "[DONE]")
    assert merge.finished
    assert merge.answer() is not None


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("error", {"type": "error", "code": "rate_limit_exceeded", "message": "Slow down", "param": None}),
        ("error", {"type": "error", "error": {"type": "invalid_request_error", "message": "No"}}),
        ("error", {"message": "No"}),
        (None, {"error": {"message": "upstream died", "code": 502}}),
    ],
)
def test_error_in_place_of_the_rest(name: str | None, data: Event) -> None:
    merge = merged(*EVENTS[:12])
    assert merge.add(name, data, 99) is Step.PROGRESS
    assert merge.error == data
    assert not merge.finished


def test_steps() -> None:
    events: list[tuple[Any, Step]] = [
        (event("created", response=response()), Step.PROGRESS),
        (event("queued", response=response()), Step.PROGRESS),
        ({"type": "keepalive", "sequence_number": 3}, Step.KEEPALIVE),
        ({"type": "codex.rate_limits", "rate_limits": {}}, Step.KEEPALIVE),
        (event("output_item.added", 0, item=reasoning()), Step.PROGRESS),
        (event("reasoning_summary_text.delta", 0, delta=""), Step.PROGRESS),
        (event("reasoning_summary_text.delta", 0, delta="x"), Step.CONTENT),
        (event("output_item.done", 0, item=reasoning("x")), Step.PROGRESS),
        (event("output_item.added", 1, item=message()), Step.PROGRESS),
        (event("output_item.done", 1, item=message(text_part("whole"))), Step.CONTENT),
        (event("output_item.added", 2, item=function_call("")), Step.CONTENT),
        (event("output_item.done", 2, item=function_call("{}")), Step.PROGRESS),
        (event("web_search_call.searching", 3), Step.PROGRESS),
        (event("image_generation_call.partial_image", 3, partial_image_b64="AA=="), Step.CONTENT),
        ({"type": "hologram"}, Step.UNKNOWN),
        ("not json", Step.UNKNOWN),
        ([1], Step.UNKNOWN),
        (event("completed", response=COMPLETED), Step.END),
    ]
    merge = ResponsesMerge()
    assert [merge.add(None, data, 0) for data, _ in events] == [step for _, step in events]


def test_ends_of_items() -> None:
    # THEN the times are those of output_item.done (they are the positions), found by id where the order differs
    for last in (EVENTS[-1], event("completed", response=response("completed", None))):
        merge = merged(*EVENTS[:-1], last)
        merge.answer()
        assert [merge.block_end((0, index)) for index in range(4)] == [8, 15, 20, None]
    merge = merged(*EVENTS[:-1], event("completed", response=response("completed", OUTPUT[1:])))
    merge.answer()
    assert [merge.block_end((0, index)) for index in range(2)] == [15, 20]
    cut = merged(*EVENTS[:20])
    cut.answer()
    assert cut.block_end((0, 2)) is None


def test_nothing_seen_is_no_answer() -> None:
    assert merged().answer() is None
    assert merged({"type": "hologram"}).answer() is None


def test_linear_in_events_without_a_number() -> None:
    merge = ResponsesMerge()
    for number in range(20_000):
        merge.add(None, event("output_item.added", item={"type": "message", "id": f"m{number}"}), number)
        merge.add(None, event("output_text.delta", delta="x"), number)
    answer = merge.answer()
    assert answer is not None
    assert len(answer["output"]) == 20_000


@settings(deadline=None)
@given(st.data())
def test_no_order_and_no_loss_of_events_raises(data: st.DataObject) -> None:
    events = data.draw(st.lists(st.sampled_from(EVENTS), max_size=12))
    merge = merged(*events)
    merge.answer()
    merge.block_end((0, 0))
