"""Run a server-sent event stream through an API's merge, with the time of every event.

Invariant: linear in the stream; events behind the end marker are counted, never merged.
"""

from __future__ import annotations

from dataclasses import dataclass

from wirespan.http import Body, HttpResponse, header, iter_sse
from wirespan.llm.api import Step, StreamMerge
from wirespan.llm.inference import StreamEventMark
from wirespan.llm.json_text import loads_or_text


@dataclass(frozen=True, slots=True)
class StreamReading:
    """`first_content_ns`: the first event with content. `last_ns`: the end marker, else the last event that belongs
    to the answer. `ended`: the end marker was there. Counts are events: `known` of the API, `unknown` not,
    `behind_end` after the end marker."""

    marks: tuple[StreamEventMark, ...]
    first_content_ns: int | None
    last_ns: int | None
    ended: bool
    known: int
    unknown: int
    behind_end: int


def read_stream(body: Body, merge: StreamMerge, fallback_ns: int) -> StreamReading:
    """Feed every event of `body` to `merge`. `fallback_ns` is the time of events that have none of their own."""
    marks: list[StreamEventMark] = []
    first_content_ns = last_ns = None
    ended = False
    known = unknown = behind_end = 0
    for event in iter_sse(body):
        time_ns = fallback_ns if event.time_ns is None else event.time_ns
        marks.append(StreamEventMark(time_ns, event.size_bytes))
        if ended:
            behind_end += 1
            continue
        step = merge.add(event.event, loads_or_text(event.data), time_ns)
        if step is Step.UNKNOWN:
            unknown += 1
            continue
        known += 1
        if step is Step.KEEPALIVE:
            continue
        last_ns = time_ns
        ended = step is Step.END
        if step is Step.CONTENT and first_content_ns is None:
            first_content_ns = time_ns
    return StreamReading(tuple(marks), first_content_ns, last_ns, ended, known, unknown, behind_end)


def is_event_stream(response: HttpResponse) -> bool:
    """Whether the body is server-sent events. What it begins with beats the content type: servers answer JSON errors
    under text/event-stream, and streams under application/json."""
    content = (response.body.content or b"")[:256].lstrip(b"\xef\xbb\xbf \t\r\n")
    if content[:1] in (b"{", b"["):
        return False
    if content.startswith((b"data:", b"event:", b"id:", b"retry:", b":")):
        return True
    return (header(response.headers, b"content-type") or b"").lower().startswith(b"text/event-stream")
