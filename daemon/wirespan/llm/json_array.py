"""A JSON array whose elements arrive one after another, as Gemini streams without `alt=sse`: `[{...}\\n,\\r\\n{...}]`.

Invariant: linear in the body, and no error whatever the bytes are; whether an element is JSON is for the reader to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from wirespan.http import Body

# Brackets and commas outside of strings; no byte of a longer UTF-8 sequence looks like one. A string without its
# closing quote takes the rest: the array was cut inside of it.
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?|[{}\[\],]', re.DOTALL)
_OPENING = (b"{", b"[")
_CLOSING = (b"}", b"]")


@dataclass(frozen=True, slots=True)
class JsonElement:
    """`json` without the blanks around it. `time_ns`: when its last byte had arrived. `size_bytes`: on the wire, with
    what separates it from the next one."""

    json: bytes
    time_ns: int | None
    size_bytes: int


def iter_json_array(body: Body) -> Iterator[JsonElement]:
    """The elements of the array that `body` begins with, the last one also if it was cut."""
    content = body.content or b""
    depth = start = 0
    for token in _TOKEN.finditer(content):
        mark = token[0]
        if mark in _OPENING:
            depth += 1
            if depth == 1:
                start = token.end()
            continue
        if depth == 1 and (mark == b"," or mark in _CLOSING):
            yield from _element(body, content, start, token.start(), token.end())
            start = token.end()
        if mark in _CLOSING:
            depth -= 1
            if depth <= 0:
                return
    if depth > 0:
        yield from _element(body, content, start, len(content), len(content))


def _element(body: Body, content: bytes, start: int, end: int, next_start: int) -> Iterator[JsonElement]:
    json = content[start:end].strip()
    if json:
        yield JsonElement(json, body.time_at(start + len(content[start:end].rstrip())), next_start - start)
