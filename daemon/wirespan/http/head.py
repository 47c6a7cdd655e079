"""A complete header section, taken apart (RFC 9112 sections 2 to 5).

An observer has to read what both ends understood, not what the RFC allows: bare LF, folded lines, blanks around names
and lines without a colon all pass. Invariant: time is linear in the size of the head.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from wirespan.http.desync import DesynchronisedError
from wirespan.http.exchange import Headers

# A method is a token (RFC 9110 section 9.1); every registered one is of capital letters and hyphens.
_METHOD = re.compile(rb"[A-Z][A-Z0-9_-]{0,31}")
_METHOD_PREFIX = re.compile(rb"(?:[A-Z][A-Z0-9_-]{0,31}(?:[ \t]|\Z)|\Z)")
_REQUEST_VERSION = re.compile(rb"HTTP/[12]\.[0-9]")
_STATUS_LINE = re.compile(rb"(HTTP/1\.[0-9])[ \t]+([1-9][0-9][0-9])(?![0-9])[ \t]*([^\r\n]*)")
_STATUS_PREFIX = b"HTTP/1."
_STATUS_LINE_BYTES = 16  # so many bytes say whether it is a status line
_END_OF_LINES = re.compile(rb"\r?\n")

H2_METHOD = "PRI"  # RFC 9113 section 3.4: the preface begins "PRI * HTTP/2.0"


class Likeness(Enum):
    NO = "no"
    MAYBE = "maybe"  # more bytes needed
    YES = "yes"


@dataclass(frozen=True, slots=True)
class RequestLine:
    method: str
    target: bytes
    version: str


@dataclass(frozen=True, slots=True)
class StatusLine:
    version: str
    status: int
    reason: str


def request_likeness(data: bytes | bytearray, start: int = 0) -> Likeness:
    """Do the bytes from `start` on begin with `METHOD SP target SP HTTP/1.x`?"""
    line_end = data.find(b"\n", start)
    if line_end >= 0:
        return Likeness.YES if _split_request_line(bytes(data[start:line_end])) else Likeness.NO
    return Likeness.MAYBE if _METHOD_PREFIX.match(data, start) else Likeness.NO


def response_likeness(data: bytes | bytearray, start: int = 0) -> Likeness:
    """Do the bytes from `start` on begin with `HTTP/1.x NNN`?"""
    begin = bytes(data[start : start + _STATUS_LINE_BYTES])
    if not begin.startswith(_STATUS_PREFIX):
        return Likeness.MAYBE if _STATUS_PREFIX.startswith(begin) else Likeness.NO
    if len(begin) < _STATUS_LINE_BYTES and b"\n" not in begin:
        return Likeness.MAYBE
    return Likeness.YES if _STATUS_LINE.match(begin) else Likeness.NO


def _split_request_line(line: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Cut at the first and the last blank, so that a target with blanks in it passes too. No regular expression: one
    that allows for blanks everywhere takes quadratic time on a line of blanks."""
    method, _, rest = line.rstrip().partition(b" ")
    target, _, version = rest.rpartition(b" ")
    target = target.strip()
    if not target or not _METHOD.fullmatch(method) or not _REQUEST_VERSION.fullmatch(version):
        return None
    if version[5:6] == b"2" and method != b"PRI":
        return None
    return method, target, version


def find_head_end(data: bytes | bytearray, start: int) -> int:
    """The place behind the first blank line from `start` on, -1 if there is none.

    A caller that continues a search starts 2 bytes in front of what is new: the longest beginning of a blank line.
    """
    crlf = data.find(b"\n\r\n", start)
    # Not beyond what the first search found: a body of many megabytes may stand behind the head.
    bare = data.find(b"\n\n", start, crlf + 2 if crlf >= 0 else len(data))
    if bare >= 0:
        return bare + 2
    return crlf + 3 if crlf >= 0 else -1


def parse_request_head(head: bytes, max_fields: int) -> tuple[RequestLine, Headers]:
    """Raises DesynchronisedError for what `request_likeness` would not accept, and above `max_fields` fields."""
    line, fields = _split_head(head, max_fields)
    parts = _split_request_line(line)
    if parts is None:
        raise DesynchronisedError("bad_request_line")
    method, target, version = parts
    return RequestLine(method.decode("ascii"), target, version.decode("ascii")), fields


def parse_response_head(head: bytes, max_fields: int) -> tuple[StatusLine, Headers]:
    """Raises DesynchronisedError for what `response_likeness` would not accept, and above `max_fields` fields."""
    line, fields = _split_head(head, max_fields)
    match = _STATUS_LINE.match(line)
    if match is None:
        raise DesynchronisedError("bad_status_line")
    version, status, reason = match.groups()
    return StatusLine(version.decode("ascii"), int(status), reason.strip().decode("latin-1")), fields


def _split_head(head: bytes, max_fields: int) -> tuple[bytes, Headers]:
    lines = _END_OF_LINES.split(head)
    if len(lines) > max_fields + 3:  # the start line, and what stands before and behind the blank line's end
        raise DesynchronisedError("too_many_header_fields")
    fields: list[tuple[bytes, bytes]] = []
    folded: list[bytes] = []
    for line in lines[1:]:
        if line[:1] in (b" ", b"\t"):
            folded.append(line.strip())  # obs-fold, RFC 9112 section 5.2: continues the value before
            continue
        _close_fold(fields, folded)
        name, colon, value = line.partition(b":")
        if colon and name.strip():
            fields.append((name.strip(), value.strip()))
    _close_fold(fields, folded)
    return lines[0], tuple(fields)


def _close_fold(fields: list[tuple[bytes, bytes]], folded: list[bytes]) -> None:
    if folded and fields:
        name, value = fields[-1]
        fields[-1] = (name, b" ".join(part for part in (value, *folded) if part))
    folded.clear()
