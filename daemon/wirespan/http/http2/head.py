"""What a header block of HTTP/2 says: the pseudo-header fields apart from the others (RFC 9113 section 8.3).

Invariant: what is missing from the block is missing here, or `UNKNOWN` where something has to stand.
"""

from __future__ import annotations

from dataclasses import dataclass

from wirespan.http.exchange import Headers, header
from wirespan.http.head import RequestLine, StatusLine
from wirespan.http.http2.header_table import UNKNOWN

VERSION = "HTTP/2"
_MAX_METHOD_BYTES = 32
_NO_STATUS = 0


@dataclass(frozen=True, slots=True)
class BlockHead:
    """`fields` are those of the message, `unknown_fields` the number of fields of which nothing is known,
    `size_bytes` that of all names and values."""

    pseudo: dict[bytes, bytes]
    fields: Headers
    unknown_fields: int
    size_bytes: int

    @property
    def is_request(self) -> bool:
        return b":method" in self.pseudo

    @property
    def is_response(self) -> bool:
        return b":status" in self.pseudo

    @property
    def authority(self) -> bytes:
        """ ":authority", else Host (section 8.3.1)."""
        return self.pseudo.get(b":authority") or header(self.fields, b"host") or b""

    def request_line(self) -> RequestLine:
        method = self.pseudo.get(b":method", UNKNOWN)[:_MAX_METHOD_BYTES].decode("latin-1")
        # CONNECT has no path (section 8.5), RFC 8441 gives it one again.
        instead = self.authority if method == "CONNECT" else UNKNOWN
        return RequestLine(method, self.pseudo.get(b":path", instead), VERSION)

    def status_line(self) -> StatusLine:
        """Status 0 if it is missing."""
        digits = self.pseudo.get(b":status", b"")
        is_status = len(digits) == 3 and digits.isdigit()
        return StatusLine(VERSION, int(digits) if is_status else _NO_STATUS, "")


def read_head(block: Headers) -> BlockHead:
    """Of a repeated pseudo-header field the first one counts; peers refuse such messages (section 8.3)."""
    pseudo: dict[bytes, bytes] = {}
    fields: list[tuple[bytes, bytes]] = []
    for name, value in block:
        if name.startswith(b":"):
            pseudo.setdefault(name, value)
        else:
            fields.append((name, value))
    unknown_fields = sum(name == UNKNOWN for name, _ in fields)
    return BlockHead(pseudo, tuple(fields), unknown_fields, sum(len(name) + len(value) for name, value in block))
