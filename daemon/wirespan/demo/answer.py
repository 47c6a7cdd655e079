"""What the mock says to one request, before any framing or coding, and how it refuses one."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

# Foreign JSON: checked where it is used.
Json = Any
JSON_TYPE = "application/json"
EVENT_STREAM_TYPE = "text/event-stream; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """`parts` in a row are the body; each is sent at once. `error_part` is what an error in the midst looks like.
    `size_bytes` is given where the parts are too many to be held; such a body is not kept in the truth log."""

    status: int
    content_type: str
    parts: Iterable[bytes]
    headers: tuple[tuple[str, str], ...] = ()
    streamed: bool = False
    error_part: bytes = b""
    size_bytes: int | None = None


class RequestRejected(Exception):
    """The request is wrong: a vendor would answer so too. `param` names what is wrong."""

    def __init__(self, status: int, message: str, param: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param


def dumps(value: Json) -> bytes:
    """Compact, and characters as they are, like both vendors."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def event(data: bytes, name: str = "", newline: str = "\n") -> bytes:
    """One server-sent event (WHATWG HTML, section 9.2.6)."""
    end = newline.encode()
    head = b"event: " + name.encode() + end if name else b""
    return head + b"data: " + data + end + end


def require(condition: bool, message: str, param: str = "") -> None:
    if not condition:
        raise RequestRejected(400, message, param)
