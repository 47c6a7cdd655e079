"""Tool calls in pieces, from servers that follow the protocol and from those that do not."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from wirespan.llm.openai_chat_calls import StreamedCall, StreamedCalls

Json = dict[str, Any]


def piece(index: int | None, arguments: str | None = None, call_id: str | None = None, name: str | None = None) -> Json:
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    fields: Json = {"index": index, "id": call_id, "type": "function" if call_id else None, "function": function}
    return {key: value for key, value in fields.items() if value is not None}


def collected(*deltas: list[Any]) -> list[StreamedCall]:
    """Each list is the tool_calls of one chunk; the times are the positions."""
    calls = StreamedCalls()
    for time_ns, entries in enumerate(deltas):
        calls.add(entries, time_ns)
    return calls.in_order()


def functions(calls: list[StreamedCall]) -> list[tuple[str, str]]:
    return [(call.assembled()["function"]["name"], call.assembled()["function"]["arguments"]) for call in calls]


def test_by_index() -> None:
    calls = collected(
        [piece(0, "", "call_a", "look")],
        [piece(0, '{"x":')],
        [piece(1, "", "call_b", "write"), piece(0, "1}")],
        [piece(1, "{}")],
    )
    assert [call.assembled() for call in calls] == [
        {"id": "call_a", "type": "function", "function": {"name": "look", "arguments": '{"x":1}'}},
        {"id": "call_b", "type": "function", "function": {"name": "write", "arguments": "{}"}},
    ]


def test_a_server_that_sends_index_0_for_every_call() -> None:
    calls = collected(
        [piece(0, '{"a":', "call_a", "first")],
        [piece(0, "1}")],
        [piece(0, '{"b":', "call_b", "second")],
        [piece(0, "2}")],
        [piece(0, " ", "call_a")],
    )
    assert functions(calls) == [("first", '{"a":1} '), ("second", '{"b":2}')]
    assert [call.assembled()["id"] for call in calls] == ["call_a", "call_b"]


def test_without_index_the_position_counts() -> None:
    calls = collected(
        [piece(None, "{", "call_a", "first"), piece(None, "[", "call_b", "second")],
        [piece(None, "}"), piece(None, "]")],
    )
    assert functions(calls) == [("first", "{}"), ("second", "[]")]


def test_whole_calls_without_id_and_index_stay_apart() -> None:
    calls = collected(
        [piece(None, '{"x":1}', None, "look")],
        [piece(None, '{"x":2}', None, "look")],
        [piece(0, '{"y":3}', None, "write")],
    )
    assert functions(calls) == [("look", '{"x":1}'), ("look", '{"x":2}'), ("write", '{"y":3}')]


def test_a_repeated_name_is_taken_once_and_fragments_of_one_are_joined() -> None:
    calls = collected(
        [piece(0, None, "call_a", "get_"), piece(1, None, "call_b", "look")],
        [piece(0, None, None, "weather")],
        [piece(0, "{", None, "get_weather"), piece(1, "{", "call_b", "look")],
        [piece(0, "}", None, "get_weather"), piece(1, "}", "call_b", "look")],
    )
    assert functions(calls) == [("get_weather", "{}"), ("look", "{}")]


def test_arguments_that_are_an_object_become_their_json() -> None:
    calls = collected([{"index": 0, "id": "call_a", "function": {"name": "look", "arguments": {"x": [1, "é"]}}}])
    assert json.loads(calls[0].assembled()["function"]["arguments"]) == {"x": [1, "é"]}


def test_custom_tool_calls() -> None:
    calls = collected(
        [{"index": 0, "id": "call_a", "type": "custom", "custom": {"name": "sh", "input": "l"}}],
        [{"index": 0, "custom": {"input": "s"}}],
    )
    assert calls[0].assembled() == {"id": "call_a", "type": "custom", "custom": {"name": "sh", "input": "ls"}}


def test_a_call_ends_when_the_next_begins_unless_it_goes_on() -> None:
    begun = collected([piece(0, "{}", "call_a", "f")])
    assert [call.end_ns for call in begun] == [None]
    followed = collected([piece(0, "{", "call_a", "f")], [piece(0, "}")], [piece(1, "{", "call_b", "f")])
    assert [call.end_ns for call in followed] == [2, None]
    alternating = collected([piece(0, "{", "call_a", "f")], [piece(1, "{}", "call_b", "f")], [piece(0, "}")])
    assert [call.end_ns for call in alternating] == [None, 2]


def test_close_ends_what_is_open() -> None:
    calls = StreamedCalls()
    calls.add([piece(0, "{}", "call_a", "f"), piece(1, "{}", "call_b", "f")], 5)
    calls.close(9)
    calls.close(12)
    assert [call.end_ns for call in calls.in_order()] == [5, 9]


_ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "index": st.integers(-1, 3) | st.none() | st.text(max_size=1),
        "id": st.sampled_from(["a", "b", ""]) | st.none() | st.integers(),
        "function": st.none()
        | st.fixed_dictionaries({}, optional={"name": st.text(max_size=2), "arguments": st.text()}),
        "custom": st.none() | st.dictionaries(st.text(max_size=2), st.text(max_size=2), max_size=2),
    },
)


@given(st.lists(st.lists(_ENTRIES | st.none() | st.text(max_size=2), max_size=3), max_size=6))
def test_any_entries(deltas: list[list[Any]]) -> None:
    for call in collected(*deltas):
        call.assembled()


def test_linear_in_hostile_streams() -> None:
    # 20,000 calls with ids or names of their own under one index: quadratic bookkeeping would take minutes.
    assert len(collected(*([piece(0, "{}", f"call_{n}", f"tool_{n}")] for n in range(20_000)))) == 20_000
    assert collected(*([piece(0, "}", None, f"n{n}")] for n in range(20_000)))
