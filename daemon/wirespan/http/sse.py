"""Server-sent events in a body that has arrived (WHATWG HTML, section 9.2), each with the time it was complete.

Invariant: linear time, and no error whatever the bytes are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from wirespan.http.exchange import Body

# A line ends with CRLF, LF or CR; an event with an empty line. A CR in front of an LF is never an end of its own.
_NEWLINE = rb"(?:\r\n|\n|\r(?!\n))"
_EVENT_END = re.compile(_NEWLINE + _NEWLINE)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class SseEvent:
    """`event` and `id` as this event gives them, None if it does not. `data_bytes` are its data lines joined by LF,
    `data` the same decoded as UTF-8 with replacement characters. `time_ns`: when its last byte had arrived.
    `size_bytes`: of the whole event on the wire, its end included. `terminated`: False for what stands at the end
    of a body without its empty line; a browser would drop it, model APIs sometimes end so."""

    event: str | None
    data: str
    data_bytes: bytes
    id: str | None
    time_ns: int | None
    size_bytes: int
    terminated: bool = True


def iter_sse(body: Body) -> Iterator[SseEvent]:
    """The events that have data. Comments, `retry` and unknown fields are left out."""
    content = body.content or b""
    start = len(_BYTE_ORDER_MARK) if content.startswith(_BYTE_ORDER_MARK) else 0
    for match in _EVENT_END.finditer(content, start):
        event = _event(content[start : match.start()], body.time_at(match.end()), match.end() - start, True)
        start = match.end()
        if event is not None:
            yield event
    if start < len(content):
        rest = _event(content[start:], body.time_at(len(content)), len(content) - start, False)
        if rest is not None:
            yield rest


def _event(block: bytes, time_ns: int | None, size_bytes: int, terminated: bool) -> SseEvent | None:
    name: str | None = None
    event_id: str | None = None
    data: list[bytes] = []
    for line in block.splitlines():  # of bytes: at CRLF, LF and CR, and nothing else
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode("utf-8", "replace")
        elif field == b"id" and b"\x00" not in value:
            event_id = value.decode("utf-8", "replace")
    if not data:
        return None
    joined = data[0] if len(data) == 1 else b"\n".join(data)
    return SseEvent(name, joined.decode("utf-8", "replace"), joined, event_id, time_ns, size_bytes, terminated)
