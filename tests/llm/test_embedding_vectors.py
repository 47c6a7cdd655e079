from __future__ import annotations

import base64
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wirespan.llm.embedding_vectors import described, dimensions, vector_facts


@pytest.mark.parametrize(
    ("vector", "expected"),
    [([0.5, 1.0], 2), ([], 0), (base64.b64encode(struct.pack("<3f", 1, 2, 3)).decode(), 3), (None, None), (7, None)],
)
def test_dimensions(vector: Any, expected: int | None) -> None:
    assert dimensions(vector) == expected


@given(st.integers(0, 70))
def test_dimensions_of_any_base64(count: int) -> None:
    packed = struct.pack(f"<{count}f", *range(count))
    assert dimensions(base64.b64encode(packed).decode()) == count
    assert dimensions(base64.b64encode(packed).decode().rstrip("=")) == count


def test_described() -> None:
    assert described([0.5, 1.0]) == {"dimensions": 2}
    assert described({"odd": 1}) == {"odd": 1}


def test_facts() -> None:
    assert vector_facts([]) == {"wirespan.response.embedding_count": 0}
    assert vector_facts([None]) == {"wirespan.response.embedding_count": 1}
    assert vector_facts([[1.0], [2.0]]) == {
        "wirespan.response.embedding_count": 2,
        "gen_ai.embeddings.dimension.count": 1,
    }
