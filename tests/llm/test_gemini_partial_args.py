from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wirespan.llm.gemini_partial_args import PartialArguments


def assembled(*partials: dict[str, Any]) -> Any:
    arguments = PartialArguments()
    for partial in partials:
        arguments.add(partial)
    return arguments.assembled()


def text(path: str, value: str, will_continue: bool = False) -> dict[str, Any]:
    return {"jsonPath": path, "stringValue": value, **({"willContinue": True} if will_continue else {})}


def test_values_at_their_paths() -> None:
    assert assembled(
        text("$.city", "Pa", True),
        {"jsonPath": "$.days", "numberValue": 3},
        text("$.city", "ri", True),
        text("$.city", "s"),
        {"jsonPath": "$.metric", "boolValue": False},
        {"jsonPath": "$.note", "nullValue": "NULL_VALUE"},
        text("$.stops[1].name", "B"),
        text("$.stops[0].name", "A"),
        {"jsonPath": "$['odd.key'][\"it's\"]", "numberValue": 1.5},
        {"jsonPath": "$['with \\'quote\\'']", "numberValue": 2},
    ) == {
        "city": "Paris",
        "days": 3,
        "metric": False,
        "note": None,
        "stops": [{"name": "A"}, {"name": "B"}],
        "odd.key": {"it's": 1.5},
        "with 'quote'": 2,
    }


def test_a_string_that_does_not_go_on_is_replaced() -> None:
    assert assembled(text("$.a", "x"), text("$.a", "y")) == {"a": "y"}


@pytest.mark.parametrize("path", ["city", "$..city", "$[*]", "$.a[", "$['a", "$", "$" + ".a" * 60])
def test_an_unreadable_path_stands_for_itself(path: str) -> None:
    assert assembled(text(path, "x")) == {path: "x"}


def test_a_large_index_reserves_nothing() -> None:
    assert assembled(text("$.a[999999999]", "x"), text("$.a[7]", "w")) == {"a": ["w", "x"]}


def test_values_of_another_type_count_as_none() -> None:
    assert assembled({"jsonPath": "$.a", "numberValue": {"b": 1}}, {"jsonPath": "$.a.b", "numberValue": 2}) == {
        "a": {"b": 2}
    }
    assert assembled({}) == {"$": None}


def test_nothing_is_an_empty_object() -> None:
    assert assembled() == {}


@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "jsonPath": st.text(alphabet="$.[]'\"\\ab01", max_size=12),
                "stringValue": st.text(max_size=3),
                "numberValue": st.floats() | st.integers(),
                "boolValue": st.booleans(),
                "willContinue": st.booleans(),
            },
        ),
        max_size=8,
    )
)
def test_any_pieces(partials: list[dict[str, Any]]) -> None:
    assert isinstance(assembled(*partials), dict | list)


def test_linear() -> None:
    start = time.process_time()
    value = assembled(*(text("$.a", "x", True) for _ in range(100_000)))
    assert len(value["a"]) == 100_000
    assert time.process_time() - start < 5
