from __future__ import annotations

import pytest

from rig.exchanges import SSE_HEADERS, body_of, data_events, event_time, response_of, sse_body
from wirespan.llm import StreamEventMark
from wirespan.llm.api import Framing
from wirespan.llm.openai_chat_merge import ChatMerge
from wirespan.llm.streamed import (
    StreamEvent,
    StreamReading,
    framing_of,
    is_event_stream,
    read_events,
    read_stream,
)

ROLE = {"choices": [{"index": 0, "delta": {"role": "assistant"}}]}
WORD = {"choices": [{"index": 0, "delta": {"content": "x"}}]}
END = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


def test_times_and_counts() -> None:
    events = data_events(ROLE, "{broken", WORD, WORD, END, "[DONE]", WORD)
    assert read_stream(sse_body(events), ChatMerge(1), 0) == StreamReading(
        marks=tuple(StreamEventMark(event_time(position), len(event)) for position, event in enumerate(events)),
        first_content_ns=event_time(2),
        last_ns=event_time(5),
        ended=True,
        known=5,
        unknown=1,
        behind_end=1,
    )


def test_done_behind_the_end_is_no_event_of_its_own() -> None:
    reading = read_stream(sse_body(data_events(WORD, "[DONE]", "[DONE]", WORD)), ChatMerge(1), 0)
    assert (reading.ended, reading.behind_end) == (True, 1)


@pytest.mark.parametrize(
    ("framing", "content"),
    [
        (Framing.NDJSON, b'{"choices":[{"delta":{"content":"x"}}]}\n\n{"choices":[{"delta":{"content":"y"}}]}'),
        (
            Framing.JSON_ARRAY,
            b'[{"choices":[{"delta":{"content":"x"}}]}\n,\r\n{"choices":[{"delta":{"content":"y"}}]}\n]',
        ),
        (
            Framing.SSE,
            b'data: {"choices":[{"delta":{"content":"x"}}]}\n\ndata: {"choices":[{"delta":{"content":"y"}}]}',
        ),
    ],
)
def test_each_framing(framing: Framing, content: bytes) -> None:
    body = body_of(content, timeline=((content.rindex(b'{"choices'), 50), (len(content), 60)))
    merge = ChatMerge(1)
    reading = read_stream(body, merge, 0, framing)
    answer = merge.answer()
    assert answer is not None
    assert answer["choices"][0]["message"]["content"] == "xy"
    assert [mark.time_ns for mark in reading.marks] == [50, 60]
    assert sum(mark.size_bytes for mark in reading.marks) <= len(content)


def test_events_that_came_in_no_body() -> None:
    events = [StreamEvent(None, '{"choices":[{"delta":{"content":"x"}}]}', 7, 39), StreamEvent(None, "[DONE]", None, 6)]
    reading = read_events(events, ChatMerge(1), 9)
    assert (reading.first_content_ns, reading.last_ns, reading.ended) == (7, 9, True)


def test_without_content_and_end() -> None:
    reading = read_stream(sse_body(data_events(ROLE, {"type": "tick"})), ChatMerge(1), 0)
    assert (reading.first_content_ns, reading.last_ns, reading.ended) == (None, event_time(0), False)


def test_events_without_a_time_of_their_own() -> None:
    body = body_of(b"".join(data_events(WORD)), timeline=())
    assert read_stream(body, ChatMerge(1), 77).last_ns == 77


@pytest.mark.parametrize(
    ("content", "headers", "expected"),
    [
        (b"data: {}\n\n", SSE_HEADERS, True),
        (b"data: {}\n\n", {"content-type": "application/json"}, True),
        (b"data: {}\n\n", {}, True),
        (b": OPENROUTER PROCESSING\n\n", {}, True),
        (b"event: ping\ndata: {}\n\n", {}, True),
        (b"\xef\xbb\xbf\r\ndata: {}\n\n", {}, True),
        (b"", SSE_HEADERS, True),
        (b"", {"content-type": "Text/Event-Stream"}, True),
        (b"", {}, False),
        (b' {"error": {}}', SSE_HEADERS, False),
        (b"[{}]", SSE_HEADERS, False),
        (b"<html>", {"content-type": "text/html"}, False),
    ],
)
def test_is_event_stream(content: bytes, headers: dict[str, str], expected: bool) -> None:
    assert is_event_stream(response_of(content, headers=headers)) is expected


NDJSON_HEADERS = {"content-type": "application/x-ndjson"}


@pytest.mark.parametrize(
    ("content", "headers", "native", "expected"),
    [
        (b"data: {}\n\n", SSE_HEADERS, Framing.NDJSON, Framing.SSE),
        (b"data: {}\n\n", {}, Framing.JSON_ARRAY, Framing.SSE),
        (b'{"done":false}\n', NDJSON_HEADERS, Framing.NDJSON, Framing.NDJSON),
        (b'{"done":false}\n{"done":true}', {}, Framing.NDJSON, Framing.NDJSON),
        (b'{"done":true}', {}, Framing.NDJSON, None),
        (b'{"done":true}\n', {}, Framing.NDJSON, None),
        (b'{\n"a": [\n{\n"b": 1}]}', {}, Framing.NDJSON, None),
        (b'{"done":false}\n{"done":true}', NDJSON_HEADERS, Framing.SSE, None),
        (b"", NDJSON_HEADERS, Framing.NDJSON, Framing.NDJSON),
        (b' [{"candidates": []}]', {}, Framing.JSON_ARRAY, Framing.JSON_ARRAY),
        (b'{"candidates": []}', {}, Framing.JSON_ARRAY, None),
        (b"[]", {}, Framing.SSE, None),
    ],
)
def test_framing_of(content: bytes, headers: dict[str, str], native: Framing, expected: Framing | None) -> None:
    assert framing_of(response_of(content, headers=headers), native) is expected
