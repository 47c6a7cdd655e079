from __future__ import annotations

import pytest

from rig.exchanges import SSE_HEADERS, body_of, data_events, event_time, response_of, sse_body
from wirespan.llm import StreamEventMark
from wirespan.llm.openai_chat_merge import ChatMerge
from wirespan.llm.streamed import StreamReading, is_event_stream, read_stream

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
