"""Server-sent events: WHATWG HTML section 9.2, and what model APIs make of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.splits import cut
from wirespan.http import Body, SseEvent, iter_sse


def body(content: bytes, *ends: int) -> Body:
    """One time for each end: 10, 20, ..."""
    timeline = tuple((end, 10 * (number + 1)) for number, end in enumerate(ends or (len(content),)))
    return Body(raw=content, content=content, size_bytes=len(content), timeline=timeline)


def short(content: bytes) -> list[tuple[str | None, bytes, str | None]]:
    return [(event.event, event.data_bytes, event.id) for event in iter_sse(body(content))]


PLAYBOOK = {
    "OpenAI": (b'data: {"a":1}\n\ndata: [DONE]\n\n', [(None, b'{"a":1}', None), (None, b"[DONE]", None)]),
    "Anthropic": (
        b'event: message_start\ndata: {"type":"message_start"}\n\nevent: ping\ndata: {}\n\n',
        [("message_start", b'{"type":"message_start"}', None), ("ping", b"{}", None)],
    ),
    "Gemini": (b"data: {}\r\n\r\ndata: []\r\n\r\n", [(None, b"{}", None), (None, b"[]", None)]),
    "no blank behind the colon": (b"data:x\n\n", [(None, b"x", None)]),
    "only one blank goes": (b"data:  x \n\n", [(None, b" x ", None)]),
    "several data lines": (b"data: a\ndata:\ndata: b\n\n", [(None, b"a\n\nb", None)]),
    "data without a colon": (b"data\n\n", [(None, b"", None)]),
    "comments": (b": OPENROUTER PROCESSING\n\n: x\ndata: a\n: y\n\n", [(None, b"a", None)]),
    "an event without data": (b"event: nothing\nid: 1\n\ndata: a\n\n", [(None, b"a", None)]),
    "id and retry": (b"id: 7\nretry: 100\ndata: a\n\ndata: b\n\n", [(None, b"a", "7"), (None, b"b", None)]),
    "an id with a NUL": (b"id: a\x00b\ndata: a\n\n", [(None, b"a", None)]),
    "unknown fields": (b"dat: x\ndatas: y\ndata : z\n\ndata: a\n\n", [(None, b"a", None)]),
    "CR alone": (b"data: a\r\rdata: b\r\r", [(None, b"a", None), (None, b"b", None)]),
    "ends of all kinds": (
        b"data: a\r\n\ndata: b\n\r\ndata: c\r\r\n",
        [(None, b"a", None), (None, b"b", None), (None, b"c", None)],
    ),
    "CRLF is one end": (b"event: e\r\ndata: a\r\n\r\n", [("e", b"a", None)]),
    "more empty lines": (b"\n\n\ndata: a\n\n\n\n\ndata: b\n\n", [(None, b"a", None), (None, b"b", None)]),
    "a byte order mark": (b"\xef\xbb\xbfdata: a\n\n", [(None, b"a", None)]),
    "other breaks are text": (
        "data: a\u2028b\x0bc\x0cd\x85\n\n".encode(),
        [(None, "a\u2028b\x0bc\x0cd\x85".encode(), None)],
    ),
    "nothing": (b"", []),
}


@pytest.mark.parametrize("name", PLAYBOOK)
def test_playbook(name: str) -> None:
    content, expected = PLAYBOOK[name]
    assert short(content) == expected


def test_each_event_has_its_time_and_size() -> None:
    content = b"data: one\n\ndata: two\n\nda" + b"ta: three\n\n"
    # 22 bytes came first: both events and the beginning of the third.
    assert list(iter_sse(body(content, 11, 24, len(content)))) == [
        SseEvent(None, "one", b"one", None, 10, 11),
        SseEvent(None, "two", b"two", None, 20, 11),
        SseEvent(None, "three", b"three", None, 30, 13),
    ]


def test_what_stands_at_the_end_without_an_empty_line() -> None:
    assert list(iter_sse(body(b"data: a\n\ndata: [DONE]"))) == [
        SseEvent(None, "a", b"a", None, 10, 9),
        SseEvent(None, "[DONE]", b"[DONE]", None, 10, 12, terminated=False),
    ]
    assert list(iter_sse(body(b"data: a\n\n: comment")))[1:] == []


def test_bytes_that_are_no_text() -> None:
    (event,) = iter_sse(body(b"event: \xff\ndata: \xfe\xff\n\n"))
    assert (event.event, event.data, event.data_bytes) == ("\ufffd", "\ufffd\ufffd", b"\xfe\xff")


def test_a_body_that_could_not_be_decoded_has_no_events() -> None:
    assert list(iter_sse(Body(raw=b"data: a\n\n", content=None, decode_error="unknown coding: x"))) == []


def test_a_body_without_a_timeline() -> None:
    (event,) = iter_sse(Body(content=b"data: a\n\n"))
    assert event.time_ns is None


EVENTS = st.lists(
    st.tuples(
        st.sampled_from([None, "e", "ping"]),
        st.lists(st.binary(max_size=6).filter(lambda line: not set(line) & set(b"\r\n")), min_size=1, max_size=3),
    )
)


@given(events=EVENTS, end=st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_what_was_written_is_read(events: list[tuple[str | None, list[bytes]]], end: bytes) -> None:
    content = b""
    for name, lines in events:
        content += (
            (b"event: " + name.encode() + end if name else b"")
            + b"".join(b"data: " + line + end for line in lines)
            + end
        )
    assert short(content) == [(name, b"\n".join(lines), None) for name, lines in events]


@given(
    content=st.lists(
        st.sampled_from([b"data: x", b"\n", b"\r", b"\r\n", b":", b"\xef\xbb\xbf", b"id"]) | st.binary(max_size=5)
    )
)
def test_any_bytes_give_events_whose_sizes_fit(content: list[bytes]) -> None:
    whole = b"".join(content)
    events = list(iter_sse(body(whole)))
    assert sum(event.size_bytes for event in events) <= len(whole)
    assert [event.terminated for event in events[:-1]] == [True] * len(events[:-1])


def test_a_large_stream_takes_linear_time() -> None:
    one = b'event: content_block_delta\ndata: {"type":"content_block_delta"}\n\n'
    assert sum(1 for _ in iter_sse(body(one * 50_000))) == 50_000
    assert list(iter_sse(body(b"x" * 5_000_000))) == []
    assert list(iter_sse(body(b"\r" * 200_001 + b"\n" * 200_000))) == []


def test_events_do_not_depend_on_how_the_body_came() -> None:
    content = b"".join(entry[0] for entry in PLAYBOOK.values())
    ends = [len(b"".join(cut(content, range(0, len(content), 7))[: count + 1])) for count in range(len(content) // 7)]
    assert short(content) == [(event.event, event.data_bytes, event.id) for event in iter_sse(body(content, *ends))]
