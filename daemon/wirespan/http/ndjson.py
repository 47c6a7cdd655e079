"""Newline-delimited JSON in a body that has arrived: its lines, each with the time it was complete.

Invariant: linear time, and no error whatever the bytes are; whether a line is JSON is for the reader to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from wirespan.http.exchange import Body


@dataclass(frozen=True, slots=True)
class NdjsonLine:
    """`line` without its end and the blanks around it. `time_ns`: when its last byte had arrived. `size_bytes`: on the
    wire, its end included. `terminated`: False for a last line without its LF."""

    line: bytes
    time_ns: int | None
    size_bytes: int
    terminated: bool = True


def iter_ndjson(body: Body) -> Iterator[NdjsonLine]:
    """The lines that are not blank."""
    content = body.content or b""
    start = 0
    while start < len(content):
        newline = content.find(b"\n", start)
        end = newline + 1 if newline >= 0 else len(content)
        line = content[start:end].strip()
        if line:
            yield NdjsonLine(line, body.time_at(end), end - start, newline >= 0)
        start = end
