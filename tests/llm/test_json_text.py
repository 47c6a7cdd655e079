from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wirespan.llm.json_text import MAX_DEPTH, JsonText, loads, loads_or_text, parse_json


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"a": 1}', JsonText({"a": 1})),
        (b'\xef\xbb\xbf{"a": 1}', JsonText({"a": 1})),
        (b'{"a": 1, "a": 2}', JsonText({"a": 2})),
        (b'{"a": NaN, "b": -Infinity, "c": 1e999}', JsonText({"a": "NaN", "b": "-Infinity", "c": "1e999"})),
        (b'{"a": "x\ny"}', JsonText({"a": "x\ny"})),
        (b'{"a": "\\ud83d"}', JsonText({"a": "\ud83d"})),
        (b'{"a": "\xff"}', JsonText({"a": "\ufffd"}, problem="not UTF-8 at byte 7")),
        (b'{"a": "x', JsonText({"a": "x"}, '{"a": "x', "not JSON: Unterminated string starting at")),
        (b'{"a": "\xc3', JsonText({"a": ""}, '{"a": "', "not JSON: Unterminated string starting at")),
        (b"<html>", JsonText(None, "<html>", "not JSON: Expecting value")),
        (b"", JsonText(None, "", "not JSON: empty")),
    ],
)
def test_parses(data: bytes, expected: JsonText) -> None:
    parsed = parse_json(data)
    assert (parsed.value, parsed.text) == (expected.value, expected.text)
    assert (parsed.problem or "").startswith(expected.problem or "")
    assert (parsed.problem is None) == (expected.problem is None)


def test_wire_is_the_raw_text_where_the_whole_did_not_parse() -> None:
    assert parse_json(b'{"a": [1, ').wire == '{"a": [1, '
    assert parse_json(b'{"a": [1]}').wire == {"a": [1]}


def test_numbers_too_long_for_an_int_stay_text() -> None:
    digits = "9" * 5000
    assert loads(f'{{"a": {digits}, "b": 7}}') == {"a": digits, "b": 7}


@pytest.mark.parametrize("depth", [MAX_DEPTH - 1, MAX_DEPTH])
def test_depth_up_to_the_limit(depth: int) -> None:
    assert loads("[" * depth + "]" * depth) is not None


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 900, 100_000])
def test_deeper_is_no_json(depth: int) -> None:
    with pytest.raises(ValueError, match="nested deeper"):
        loads("[" * depth + "]" * depth)
    parsed = parse_json(b'{"a":' * depth + b"1" + b"}" * depth)
    assert parsed.value is None
    assert "nested deeper" in (parsed.problem or "")


def test_many_brackets_are_not_deep() -> None:
    assert len(loads("[" + ",".join(["{}"] * 1000) + "]")) == 1000


def test_loads_or_text() -> None:
    assert loads_or_text('{"a":1}') == {"a": 1}
    assert loads_or_text("[DONE]") == "[DONE]"
    assert loads_or_text("") == ""


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(_JSON)
def test_reads_what_json_reads(value: Any) -> None:
    assert parse_json(json.dumps(value).encode()) == JsonText(value)


@given(st.binary())
def test_any_bytes(data: bytes) -> None:
    parsed = parse_json(data)
    assert parsed.text is None or parsed.problem is not None


@given(_JSON, st.data())
def test_any_cut(value: Any, data: st.DataObject) -> None:
    whole = json.dumps({"value": value}).encode()
    parsed = parse_json(whole[: data.draw(st.integers(1, len(whole) - 1))])
    assert parsed.text is not None
    assert isinstance(parsed.value, dict)
