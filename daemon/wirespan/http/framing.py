"""What ends a message, and which codings its body has (RFC 9112 sections 6.1 to 6.3)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from wirespan.http.body import BodyCoding, BodyCollector
from wirespan.http.coding import parse_codings
from wirespan.http.desync import DesynchronisedError
from wirespan.http.exchange import Headers, header
from wirespan.http.transfer import BodyReader, ChunkReader, CloseReader, LengthReader

_MAX_UPGRADE_NAME_BYTES = 64
_MAX_LENGTH_DIGITS = 18  # below 2**63


class End(Enum):
    LENGTH = "length"
    CHUNKED = "chunked"
    CLOSE = "close"
    TUNNEL = "tunnel"  # what follows is not HTTP/1 any more


@dataclass(frozen=True, slots=True)
class Framing:
    end: End
    length_bytes: int = 0

    def reader(self, body: BodyCollector) -> BodyReader:
        match self.end:
            case End.CHUNKED:
                return ChunkReader(body)
            case End.CLOSE:
                return CloseReader(body)
            case End.LENGTH | End.TUNNEL:
                return LengthReader(body, self.length_bytes)


_NO_BODY = Framing(End.LENGTH, 0)


def request_framing(fields: Headers) -> Framing:
    """Raises DesynchronisedError for a length that is none, or for a transfer coding that does not end in chunked."""
    transfer_codings = parse_codings(header(fields, b"transfer-encoding"))
    if transfer_codings:
        # Point 4: a server can't know the end either; it answers 400 and closes.
        if transfer_codings[-1] != "chunked":
            raise DesynchronisedError("bad_transfer_encoding")
        return Framing(End.CHUNKED)
    return Framing(End.LENGTH, _content_length(fields) or 0)


def response_framing(method: str, status: int, fields: Headers) -> Framing:
    """`method` is that of the request. Raises DesynchronisedError for a length that is none."""
    if status == 101 or (method == "CONNECT" and 200 <= status < 300):
        return Framing(End.TUNNEL)
    if method == "HEAD" or status < 200 or status in (204, 304):
        return _NO_BODY
    transfer_codings = parse_codings(header(fields, b"transfer-encoding"))
    if transfer_codings:
        return Framing(End.CHUNKED if transfer_codings[-1] == "chunked" else End.CLOSE)
    length_bytes = _content_length(fields)
    return Framing(End.CLOSE) if length_bytes is None else Framing(End.LENGTH, length_bytes)


def upgrade_name(method: str, fields: Headers) -> str:
    """What a connection speaks after its response said TUNNEL: "websocket" | "upgrade:<name>"."""
    if method == "CONNECT":
        return "upgrade:connect"
    name = (header(fields, b"upgrade") or b"").strip().lower()[:_MAX_UPGRADE_NAME_BYTES].decode("latin-1")
    return name if name == "websocket" else f"upgrade:{name}"


def body_coding(fields: Headers) -> BodyCoding:
    """Content codings were applied first, transfer codings (other than chunked) on top of them."""
    encoding = header(fields, b"content-encoding")
    transfer = (name for name in parse_codings(header(fields, b"transfer-encoding")) if name != "chunked")
    return BodyCoding((encoding or b"").decode("latin-1").strip().lower(), (*parse_codings(encoding), *transfer))


def _content_length(fields: Headers) -> int | None:
    """Point 5: "42, 42" is 42, what differs or is no number is an error."""
    value = header(fields, b"content-length")
    if value is None:
        return None
    lengths = {part.strip() for part in value.split(b",")}
    if len(lengths) != 1:
        raise DesynchronisedError("conflicting_content_length")
    digits = lengths.pop()
    if not digits.isdigit() or len(digits) > _MAX_LENGTH_DIGITS:
        raise DesynchronisedError("bad_content_length")
    return int(digits)
