from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wirespan.llm import fields


@pytest.mark.parametrize(
    ("value", "whole", "real"),
    [
        (5, 5, 5),
        (5.0, 5, 5.0),
        (5.5, None, 5.5),
        (-(2**63) + 1, -(2**63) + 1, -(2**63) + 1),
        (2**63, None, None),
        (10**400, None, None),
        (1e300, None, 1e300),
        (float("nan"), None, None),
        (float("inf"), None, None),
        (True, None, None),
        ("5", None, None),
        (None, None, None),
    ],
)
def test_numbers(value: Any, whole: int | None, real: float | None) -> None:
    assert fields.integer({"k": value}, "k") == whole
    assert fields.number({"k": value}, "k") == real


def test_strings() -> None:
    owner = {"one": "a", "empty": "", "list": ["a", 1, "b"], "number": 1}
    assert fields.string(owner, "one") == "a"
    assert fields.string(owner, "empty") is None
    assert fields.string(owner, "number") is None
    assert fields.strings(owner, "one") == ("a",)
    assert fields.strings(owner, "list") == ("a", "b")
    assert fields.strings(owner, "number") == ()


def test_first() -> None:
    assert fields.first(None, 0, 5) == 0
    assert fields.first(None) is None


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.just("k"), inner),
    max_leaves=5,
)


@given(_ANY)
def test_any_owner_and_value(owner: Any) -> None:
    assert isinstance(fields.mapping(owner, "k"), dict)
    assert isinstance(fields.sequence(owner, "k"), list)
    assert isinstance(fields.strings(owner, "k"), tuple)
    for read in (fields.string, fields.integer, fields.number):
        read(owner, "k")
