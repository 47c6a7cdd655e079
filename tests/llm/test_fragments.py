from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.lib.streaming._deltas import accumulate_delta

from wirespan.llm.fragments import Content, Fragments
from wirespan.llm.json_text import MAX_DEPTH


def assembled(*deltas: dict[str, Any]) -> dict[str, Any]:
    fragments = Fragments()
    for delta in deltas:
        fragments.add_object(delta)
    return fragments.assembled()


@pytest.mark.parametrize(
    ("deltas", "expected"),
    [
        ([{"a": "x"}, {"a": "y"}], {"a": "xy"}),
        ([{"a": None}, {"a": "y"}, {"a": None}], {"a": "y"}),
        ([{"a": {"b": "x"}}, {"a": {"b": "y", "c": 1}}], {"a": {"b": "xy", "c": 1}}),
        ([{"a": [1]}, {"a": [2]}], {"a": [1, 2]}),
        (
            [{"a": [{"index": 0, "t": "x"}, {"index": 1, "t": "u"}]}, {"a": [{"index": 0, "t": "y"}]}],
            {"a": [{"index": 0, "t": "xy"}, {"index": 1, "t": "u"}]},
        ),
        # Repeated by servers, so not joined: names of things, and numbers.
        ([{"type": "t", "id": "i"}, {"type": "t", "id": "i"}], {"type": "t", "id": "i"}),
        ([{"n": 1}, {"n": 2}], {"n": 2}),
    ],
)
def test_grows(deltas: list[dict[str, Any]], expected: dict[str, Any]) -> None:
    assert assembled(*deltas) == expected


# Fields keep their type over a stream; names and numbers are left out, where the SDK's rule is another on purpose.
_DELTAS = st.fixed_dictionaries(
    {},
    optional={
        "text": st.text(max_size=3),
        "object": st.fixed_dictionaries({}, optional={"x": st.text(max_size=2), "y": st.text(max_size=2)}),
        "list": st.lists(st.text(max_size=2), max_size=2),
    },
)


@given(st.lists(_DELTAS, max_size=6))
def test_grows_like_the_vendor_sdk(deltas: list[dict[str, Any]]) -> None:
    theirs: dict[Any, Any] = {}
    for delta in deltas:
        copy = {key: list(value) if isinstance(value, list) else value for key, value in delta.items()}
        theirs = accumulate_delta(theirs, {key: dict(v) if isinstance(v, dict) else v for key, v in copy.items()})
    assert assembled(*deltas) == theirs


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([], None),
        ([""], ""),
        (["a", "b"], "ab"),
        ([[]], None),
        (["a", [{"type": "text", "text": "b"}], "c"], [{"type": "text", "text": "abc"}]),
        (["", [{"type": "image", "x": 1}], "a"], [{"type": "image", "x": 1}, {"type": "text", "text": "a"}]),
        (["a", {"odd": 1}], [{"type": "text", "text": "a"}, {"odd": 1}]),
        ([[7, "a"]], [7, {"type": "text", "text": "a"}]),
    ],
)
def test_content(pieces: list[Any], expected: Any) -> None:
    content = Content()
    for piece in pieces:
        content.add(piece)
    assert content.assembled() == expected


def test_as_deep_as_the_parser_lets_through() -> None:
    deep: Any = {"x": "end"}
    for _ in range(MAX_DEPTH):
        deep = {"a": [{"index": 0, **deep}]}
    assert assembled(deep, deep)["a"]


def test_a_thought_ends_with_its_signature() -> None:
    def thought(text: str, **fields: Any) -> dict[str, Any]:
        return {"type": "thinking", "thinking": text, **fields}

    content = Content()
    content.add([thought("a"), thought("b")])
    content.add([thought("", signature="s1")])
    content.add([thought("c"), thought("", signature=None), thought("d", signature="s2")])
    assert content.assembled() == [thought("ab", signature="s1"), thought("cd", signature="s2")]
