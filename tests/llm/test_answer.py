from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rig.exchanges import SSE_HEADERS, body_of, data_events, response_of, sse_body
from rig.model_calls import CHUNKS, COMPLETION, MESSAGE, OPENAI_ERROR
from wirespan.http import Body, BodyGap
from wirespan.llm import InferenceError
from wirespan.llm.answer import Answer, read_response
from wirespan.llm.openai_chat import API
from wirespan.llm.outcome import Extent


def answer_to(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    return read_response(response_of(body, status, headers), API, {})


@pytest.mark.parametrize(
    ("body", "extent", "contradicts"),
    [
        (COMPLETION, Extent.WHOLE, False),
        (OPENAI_ERROR, Extent.WHOLE, False),
        (MESSAGE, Extent.FOREIGN, True),
        (b"[]", Extent.FOREIGN, True),
        (b"<html>", Extent.FOREIGN, False),
        (b"", Extent.FOREIGN, False),
        (body_of(b'{"id": "x', complete=False), Extent.PARTIAL, False),
        (body_of(b'{"id": "x'), Extent.FOREIGN, False),
        (body_of(b'{"id": "x', complete=False, gaps=(BodyGap(9, 5),)), Extent.PARTIAL, False),
        (Body(b"x", content=None, decode_error="unknown coding: y"), Extent.PARTIAL, False),
    ],
)
def test_extent_of_json(body: Any, extent: Extent, contradicts: bool) -> None:
    answer = answer_to(body)
    assert (answer.extent, answer.contradicts, answer.stream) == (extent, contradicts, None)


@pytest.mark.parametrize(
    ("events", "extent", "contradicts"),
    [
        (CHUNKS, Extent.WHOLE, False),
        (CHUNKS[:6], Extent.WHOLE, False),
        (CHUNKS[:3], Extent.PARTIAL, False),
        ([], Extent.PARTIAL, False),
        (["[DONE]"], Extent.WHOLE, False),
        ([{"type": "tick"}], Extent.PARTIAL, True),
        (["garbage"], Extent.PARTIAL, True),
    ],
)
def test_extent_of_streams(events: list[Any], extent: Extent, contradicts: bool) -> None:
    answer = answer_to(sse_body(data_events(*events)), headers=SSE_HEADERS)
    assert (answer.extent, answer.contradicts) == (extent, contradicts)
    assert answer.stream is not None


def test_retry_after_of_an_error_under_status_200() -> None:
    answer = answer_to(OPENAI_ERROR, headers={"retry-after": "3"})
    assert answer.error == InferenceError("invalid_request_error", "No such model", 3.0)


def test_an_error_that_names_no_type_has_the_status() -> None:
    assert answer_to({"error": "it broke"}).error == InferenceError("200", "it broke")
    assert answer_to({"error": "it broke"}, 418).error == InferenceError("418", "it broke")


def test_a_broken_error_body_keeps_its_text() -> None:
    body = replace(body_of(b'{"error": {"message": "cut he'), complete=False)
    answer = answer_to(body, 500)
    assert answer.wire == '{"error": {"message": "cut he'
    assert answer.error == InferenceError("500", "cut he")
