from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wirespan.llm.gemini_fields import camel, unwrapped


@pytest.mark.parametrize(
    ("owner", "expected"),
    [
        ({"functionCall": 1, "text": 2}, {"functionCall": 1, "text": 2}),
        ({"function_call": {"will_continue": 1}}, {"functionCall": {"will_continue": 1}}),
        ({"top_k": 1, "x_2_y": 3}, {"topK": 1, "x2Y": 3}),
        ({"top_k": 1, "topK": 2}, {"top_k": 1, "topK": 2}),
        ({"_x": 1, "y_": 2, "a__b": 3}, {"X": 1, "y_": 2, "a_B": 3}),
        ({"x_" * 40: 1}, {"x_" * 40: 1}),
        (None, {}),
        ("text", {}),
        ([1], {}),
    ],
)
def test_camel(owner: Any, expected: Any) -> None:
    assert camel(owner) == expected


def test_what_needs_no_change_is_not_copied() -> None:
    owner: dict[str, Any] = {"functionCall": {}}
    assert camel(owner) is owner


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"request": {"system_instruction": 1}, "model": "m"}, {"systemInstruction": 1}),
        ({"contents": [], "request": {"x": 1}}, {"contents": [], "request": {"x": 1}}),
        ({"request": "text"}, {"request": "text"}),
        ({"generation_config": {}}, {"generationConfig": {}}),
    ],
)
def test_unwrapped(body: Any, expected: Any) -> None:
    assert unwrapped(body, "request", "contents") == expected


@given(st.dictionaries(st.text(alphabet="ab_AB", max_size=8), st.integers()))
def test_no_value_is_lost(owner: dict[str, int]) -> None:
    assert set(camel(owner).values()) <= set(owner.values())
    assert len(camel(owner)) >= len({key.replace("_", "").lower() for key in owner})
