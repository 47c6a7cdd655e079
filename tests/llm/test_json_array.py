from __future__ import annotations

import json
import time
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.exchanges import body_of
from wirespan.llm.json_array import JsonElement, iter_json_array


def elements(content: bytes) -> list[bytes]:
    return [element.json for element in iter_json_array(body_of(content))]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"[]", []),
        (b" [ ] ", []),
        (b'[{"a": 1}\n,\r\n{"b": [2, {"c": 3}]}\n]\n', [b'{"a": 1}', b'{"b": [2, {"c": 3}]}']),
        (b'[{"a": "],[{\\"x\\\\"}, 2, "s,]", null]', [b'{"a": "],[{\\"x\\\\"}', b"2", b'"s,]"', b"null"]),
        (b'[{"a": 1}, {"b": "cut', [b'{"a": 1}', b'{"b": "cut']),
        (b'[{"a": 1},', [b'{"a": 1}']),
        (b'[{"a": 1}', [b'{"a": 1}']),
        (b'[{"a": 1}] [{"behind": 1}]', [b'{"a": 1}']),
        (b"]]]", []),
        (b'"[1]"', []),
        ('[{"ü": "€,"}]'.encode(), ['{"ü": "€,"}'.encode()]),
    ],
)
def test_elements(content: bytes, expected: list[bytes]) -> None:
    assert elements(content) == expected


def test_times_and_sizes() -> None:
    content = b'[{"a": 1}\n,\r\n{"b": 2}]'
    body = body_of(content, timeline=((5, 10), (9, 20), (12, 30), (len(content), 40)))
    assert list(iter_json_array(body)) == [
        JsonElement(b'{"a": 1}', 20, len(b'{"a": 1}\n,')),
        JsonElement(b'{"b": 2}', 40, len(b'\r\n{"b": 2}]')),
    ]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(_JSON, max_size=5), st.sampled_from([None, 0, 2]), st.booleans())
def test_like_the_json_module(values: list[Any], indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(values, indent=indent, ensure_ascii=ascii_only)
    try:
        content = text.encode()
    except UnicodeEncodeError:
        return  # a lone surrogate is no UTF-8
    assert [json.loads(element) for element in elements(content)] == values


@given(st.lists(_JSON, min_size=1, max_size=4), st.data())
def test_cut_anywhere_the_whole_elements_stay(values: list[Any], data: st.DataObject) -> None:
    content = json.dumps(values).encode()
    found = elements(content[: data.draw(st.integers(0, len(content)))])
    for whole, cut in zip(elements(content)[: max(len(found) - 1, 0)], found, strict=False):
        assert whole == cut


@given(st.binary(max_size=80))
def test_any_bytes(content: bytes) -> None:
    assert sum(map(len, elements(content))) <= len(content)


def test_linear() -> None:
    for piece in (b"[", b'"', b'\\"', b"[1,", b'{"a":"', b"],["):
        costs = []
        for size in (100_000, 400_000):
            start = time.process_time()
            elements(b"[" + piece * (size // len(piece)))
            costs.append(time.process_time() - start)
        for short, long in pairwise(costs):
            assert long < 20 * short + 0.05
