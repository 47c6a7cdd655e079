from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from wirespan.spans.json_text import json_text

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_json_stays_what_it_is(value: Any) -> None:
    assert json.loads(json_text(value)) == value


def test_what_json_can_not_say_is_replaced() -> None:
    assert json_text({"a": float("nan"), "b": [float("inf"), 1.5]}) == '{"a":null,"b":[null,1.5]}'
    assert json_text({1: b"x"}) == """{"1":"b'x'"}"""


def test_nesting_without_end_ends() -> None:
    deep: Any = "core"
    for _ in range(100_000):
        deep = [deep]
    text = json_text(deep)
    assert "…" in text
    assert len(text) < 1000
