"""Run the events of a streamed answer through an API's merge, with the time of every event.

Invariant: linear in the stream; events behind the end marker are counted, never merged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from wirespan.http import Body, HttpResponse, header, iter_ndjson, iter_sse
from wirespan.llm.api import Framing, Step, StreamMerge
from wirespan.llm.inference import StreamEventMark
from wirespan.llm.json_array import iter_json_array
from wirespan.llm.json_text import loads_or_text

# Gateways say it behind every stream, also where the API has an end marker of its own.
_DONE = "[DONE]"
_BLANK = b"\xef\xbb\xbf \t\r\n"  # also a byte order mark


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event of a streamed answer, however it was framed: its SSE name, its data, when its last byte had arrived
    (None: unknown), its size on the wire."""

    name: str | None
    text: str
    time_ns: int | None
    size_bytes: int


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


def read_stream(body: Body, merge: StreamMerge, fallback_ns: int, framing: Framing = Framing.SSE) -> StreamReading:
    """Feed every event of `body` to `merge`. `fallback_ns` is the time of events that have none of their own."""
    return read_events(_events(body, framing), merge, fallback_ns)


def read_events(events: Iterable[StreamEvent], merge: StreamMerge, fallback_ns: int) -> StreamReading:
    """Feed `events` to `merge`, also those that came in no HTTP body."""
    marks: list[StreamEventMark] = []
    first_content_ns = last_ns = None
    ended = False
    known = unknown = behind_end = 0
    for event in events:
        time_ns = fallback_ns if event.time_ns is None else event.time_ns
        marks.append(StreamEventMark(time_ns, event.size_bytes))
        if ended:
            behind_end += event.text != _DONE
            continue
        step = merge.add(event.name, loads_or_text(event.text), time_ns)
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


def framing_of(response: HttpResponse, native: Framing) -> Framing | None:
    """How the events in the body are framed, or None if it is no stream. `native`: what the API's streams come in."""
    if is_event_stream(response):
        return Framing.SSE
    content = response.body.content or b""
    if native is Framing.NDJSON and _is_ndjson(response, content):
        return native
    if native is Framing.JSON_ARRAY and content[:256].lstrip(_BLANK)[:1] == b"[":
        return native
    return None


def is_event_stream(response: HttpResponse) -> bool:
    """Whether the body is server-sent events. What it begins with beats the content type: servers answer JSON errors
    under text/event-stream, and streams under application/json."""
    content = (response.body.content or b"")[:256].lstrip(_BLANK)
    if content[:1] in (b"{", b"["):
        return False
    if content.startswith((b"data:", b"event:", b"id:", b"retry:", b":")):
        return True
    return _content_type(response).startswith(b"text/event-stream")


def _is_ndjson(response: HttpResponse, content: bytes) -> bool:
    """By its content type, or by a first line that is an object of its own with another one behind it."""
    if b"ndjson" in _content_type(response):
        return True
    end = content.find(b"\n")
    return end > 0 and content[:end].rstrip().endswith(b"}") and content[end : end + 256].lstrip()[:1] == b"{"


def _content_type(response: HttpResponse) -> bytes:
    return (header(response.headers, b"content-type") or b"").lower()


def _events(body: Body, framing: Framing) -> Iterator[StreamEvent]:
    if framing is Framing.SSE:
        for event in iter_sse(body):
            yield StreamEvent(event.event, event.data, event.time_ns, event.size_bytes)
    elif framing is Framing.NDJSON:
        for line in iter_ndjson(body):
            yield StreamEvent(None, line.line.decode("utf-8", "replace"), line.time_ns, line.size_bytes)
    else:
        for element in iter_json_array(body):
            yield StreamEvent(None, element.json.decode("utf-8", "replace"), element.time_ns, element.size_bytes)
