"""Cut JSON, against the partial mode of jiter (the parser the vendors' SDKs use)."""

from __future__ import annotations

import json
from typing import Any

import jiter
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wirespan.llm.json_prefix import read_prefix

# No numbers and words: jiter keeps a cut one ("12" of "123"), we don't.
_VALUES = st.recursive(
    st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
_DOCUMENTS = st.lists(_VALUES, max_size=3) | st.dictionaries(st.text(max_size=3), _VALUES, max_size=3)


@given(_DOCUMENTS, st.booleans())
def test_every_cut_gives_what_jiter_gives(document: Any, ensure_ascii: bool) -> None:
    text = json.dumps(document, ensure_ascii=ensure_ascii)
    for end in range(1, len(text) + 1):
        prefix = read_prefix(text[:end], 100)
        assert prefix is not None
        assert json.loads(prefix) == jiter.from_json(text[:end].encode(), partial_mode="trailing-strings")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1', {}),
        ('{"a": 1, "b": tr', {"a": 1}),
        ('{"a": 1, "b": [1, 2', {"a": 1, "b": [1]}),
        ('{"a": "x\\', {"a": "x"}),
        ('{"a": "x\\u00', {"a": "x"}),
        ('{"a": "x\\ud83d', {"a": "x"}),
        ('{"a": "x", "b', {"a": "x"}),
        ('{"a": "x", "b"', {"a": "x"}),
        ('{"a": "x", "b":', {"a": "x"}),
        ('[["x"], "y', [["x"], "y"]),
        (" \n[", []),
    ],
)
def test_cut(text: str, expected: Any) -> None:
    prefix = read_prefix(text, 100)
    assert prefix is not None
    assert json.loads(prefix) == expected


@pytest.mark.parametrize("text", ["", " ", '"a', "1", "<html>", '{"a": ]', "[}", "]", "[" * 101])
def test_nothing_to_keep(text: str) -> None:
    assert read_prefix(text, 100) is None


@given(st.text(alphabet='{}[]":,\\ua1 ', max_size=40))
def test_any_text(text: str) -> None:
    prefix = read_prefix(text, 100)
    assert prefix is None or prefix.lstrip()[0] in "{["


def test_linear_in_hostile_text() -> None:
    for text in ('["' + "\\" * 2_000_001, '{"a' * 500_000, '["' + "\\u" * 1_000_000, "[" + '"",' * 500_000):
        read_prefix(text, 100)
