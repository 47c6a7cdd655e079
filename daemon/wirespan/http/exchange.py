"""One HTTP request and what came back, or the messages of a WebSocket, as bytes that were really on the wire.

Credentials never get here: header fields that carry them, and query parameters that do, are taken out at this door.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from enum import Enum

from wirespan.capture import Direction
from wirespan.streams import Connection

Headers = tuple[tuple[bytes, bytes], ...]


def header(headers: Headers, name: bytes) -> bytes | None:
    """The value of field `name` (lower case), repeated fields joined by ", " (RFC 9110 section 5.3); None if absent."""
    values = [value for key, value in headers if key.lower() == name]
    return b", ".join(values) if values else None


@dataclass(frozen=True, slots=True)
class BodyGap:
    """`missing_bytes` bytes are absent in front of `Body.raw[offset]`; None: nobody knows how many."""

    offset: int
    missing_bytes: int | None


@dataclass(frozen=True, slots=True)
class Body:
    """A message body. `raw` has transfer coding (chunks) undone, content coding not; `content` has both undone.

    `content` is None if the coding is unknown or broken (`decode_error` says why); then and after `truncated` or
    `gaps`, what could be decoded stands in `content` if it is a prefix of the truth, else it is None.
    `timeline` is ((end offset in `content`, time_ns), ...), growing: when the bytes up to there had arrived.
    `complete`: the end given by the framing (length, last chunk, close) was seen and nothing is missing from `raw`.
    `size_bytes` counts what passed on the wire, so also what `gaps` miss (where counted) and what `truncated` (memory
    limit) left out of `raw`.
    """

    raw: bytes = b""
    content: bytes | None = b""
    content_encoding: str = ""
    size_bytes: int = 0
    complete: bool = True
    truncated: bool = False
    gaps: tuple[BodyGap, ...] = ()
    decode_error: str | None = None
    timeline: tuple[tuple[int, int], ...] = ()

    def time_at(self, offset: int) -> int | None:
        """When `content[:offset]` was complete, in monotonic ns; None for an empty timeline."""
        if not self.timeline:
            return None
        index = bisect_left(self.timeline, (offset, 0))
        return self.timeline[min(index, len(self.timeline) - 1)][1]


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """`target` as sent (origin or absolute form) with credential query values replaced. Times: first and last byte."""

    method: str
    target: str
    version: str
    headers: Headers
    body: Body
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """The final response (interim 1xx are only counted in `interim_statuses`)."""

    status: int
    reason: str
    version: str
    headers: Headers
    body: Body
    start_ns: int
    end_ns: int
    interim_statuses: tuple[int, ...] = ()


class Role(Enum):
    CLIENT = "client"
    SERVER = "server"


class ExchangeEnd(Enum):
    """Why the exchange was handed on."""

    COMPLETE = "complete"  # the response ended as its framing says
    CLOSED = "closed"  # the connection ended first (SDKs close right after `data: [DONE]`)
    SUPERSEDED = "superseded"  # the next request began on this connection
    PROCESS_EXITED = "process_exited"
    IDLE = "idle"
    EVICTED = "evicted"
    RESET = "reset"  # HTTP/2: the server gave this stream up
    DESYNCHRONISED = "desynchronised"  # a hole or hostile bytes: the rest of it can't be framed


@dataclass(frozen=True, slots=True)
class HttpExchange:
    """`authority` is the Host or ":authority" field (or the SNI). `response` is None when none was seen. `end_ns` is
    the time of `end`.

    `joined_mid_stream`: the connection was older than the probes, so earlier exchanges on it were missed.
    `stream_id`: of HTTP/2, else 0. `unknown_fields`: so many header fields of both messages refer to an HPACK table of
    which a part was missed. In their places stands (b"?", b"?"); a target or method lost so is "?", a status 0.
    """

    connection: Connection
    protocol: str  # "http/1.1" | "h2"
    role: Role
    request_seq: int
    authority: str
    request: HttpRequest
    response: HttpResponse | None
    end: ExchangeEnd
    end_ns: int
    joined_mid_stream: bool = False
    stream_id: int = 0
    unknown_fields: int = 0


@dataclass(frozen=True, slots=True)
class RequestHead:
    """Sent once per request as soon as its header section is complete, so that a verdict can be given early. A verdict
    names `request_seq` and `stream_id`: all streams of an HTTP/2 connection share one `request_seq`."""

    connection: Connection
    request_seq: int
    role: Role
    method: str
    target: str
    authority: str
    headers: Headers
    time_ns: int
    stream_id: int = 0


@dataclass(frozen=True, slots=True)
class RequestReceived:
    """Sent once per request when its body is complete too, unless its response has ended by then (then only the
    exchange is sent). For who decides by the shape of the body before the answer is there."""

    connection: Connection
    request_seq: int
    role: Role
    authority: str
    request: HttpRequest
    stream_id: int = 0


@dataclass(frozen=True, slots=True)
class Uncovered:
    """Traffic this room sees but can't read, sent once per connection. `protocol`: "upgrade:<name>" | "unknown".
    `request_seq` is what a verdict on this connection has to name."""

    connection: Connection
    protocol: str
    time_ns: int
    request_seq: int = 0


@dataclass(frozen=True, slots=True)
class WebSocket:
    """One WebSocket (RFC 6455): `connection.id`, `request_seq` and `stream_id` name it and what a verdict is for.
    Target, authority and header fields are those of its opening handshake, without credentials.

    `joined_mid_stream`: its handshake was not seen, so they are empty, and of its messages only those are known that
    were sent uncompressed."""

    connection: Connection
    request_seq: int
    role: Role
    authority: str
    target: str
    request_headers: Headers
    response_headers: Headers
    opened_ns: int
    joined_mid_stream: bool = False
    stream_id: int = 0


@dataclass(frozen=True, slots=True)
class WebSocketOpened:
    """Sent once, before its messages. The handshake itself is an HttpExchange of its own, with status 101 or 200."""

    socket: WebSocket
    time_ns: int


class MessageKind(Enum):
    TEXT = "text"
    BINARY = "binary"


@dataclass(frozen=True, slots=True)
class WebSocketMessage:
    """A whole message: fragments joined, unmasked, inflated. `direction` as the traced process sees it. Times: of its
    first and last byte. `size_bytes`: of its payload on the wire.

    `problem` is None for a complete message, else why `data` is only a beginning of it: "gap" (bytes are missing),
    "truncated" (memory limit), "undecodable" (compressed with words from earlier messages that were missed),
    "unfinished" (the connection ended within it)."""

    socket: WebSocket
    direction: Direction
    kind: MessageKind
    data: bytes
    size_bytes: int
    start_ns: int
    end_ns: int
    problem: str | None = None

    @property
    def from_client(self) -> bool:
        return (self.direction is Direction.WRITE) == (self.socket.role is Role.CLIENT)


@dataclass(frozen=True, slots=True)
class WebSocketClosed:
    """Sent once, when nothing more can come. `end` is COMPLETE if both sides said that they close; `code` is what the
    first of them gave as its reason (RFC 6455 section 7.4)."""

    socket: WebSocket
    end: ExchangeEnd
    end_ns: int
    code: int | None = None


HttpEvent = (
    RequestHead | RequestReceived | HttpExchange | WebSocketOpened | WebSocketMessage | WebSocketClosed | Uncovered
)
