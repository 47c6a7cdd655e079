"""An exchange that is still going on.

Invariant: what `freeze` gives holds no credential: the fields and the target were cleaned when they came in.
"""

from __future__ import annotations

from wirespan.counters import Counters
from wirespan.http.body import BodyCollector
from wirespan.http.credentials import clean_headers, clean_target
from wirespan.http.exchange import (
    Body,
    ExchangeEnd,
    Headers,
    HttpEvent,
    HttpExchange,
    HttpRequest,
    HttpResponse,
    RequestHead,
    RequestReceived,
    Role,
    WebSocket,
    header,
)
from wirespan.http.head import RequestLine, StatusLine
from wirespan.streams import Connection, StreamData


class OpenExchange:
    """`request` is set when the request is complete; `discarded`: it is followed to its end and not handed on.
    `answer_damaged`: there is a hole where its answer should be, and no answer since. `unknown_fields` may grow."""

    __slots__ = (
        "_interim_statuses",
        "_response_headers",
        "_response_start_ns",
        "_status_line",
        "answer_damaged",
        "answered",
        "authority",
        "connection",
        "discarded",
        "headers",
        "joined",
        "method",
        "protocol",
        "request",
        "request_body",
        "request_end_ns",
        "request_seq",
        "response_body",
        "response_end_ns",
        "role",
        "start_ns",
        "stream_id",
        "target",
        "unknown_fields",
        "version",
    )

    def __init__(
        self,
        first: StreamData,
        role: Role,
        line: RequestLine,
        fields: Headers,
        body: BodyCollector,
        joined: bool,
        *,
        protocol: str = "http/1.1",
        authority: bytes | None = None,
        stream_id: int = 0,
        unknown_fields: int = 0,
    ) -> None:
        """`authority`: what the request names beside its fields and its target."""
        self.connection = first.connection
        self.protocol = protocol
        self.stream_id = stream_id
        self.unknown_fields = unknown_fields
        self.role = role
        self.request_seq = first.request_seq
        self.start_ns = first_byte_ns(first, written=role is Role.CLIENT)
        self.method = line.method
        self.version = line.version
        self.target = _text(clean_target(line.target))
        self.headers = clean_headers(fields)
        self.authority = (
            _text(authority.rpartition(b"@")[2])
            if authority
            else _authority(line.target, self.headers, first.connection)
        )
        self.joined = joined
        self.discarded = False
        self.request_body = body
        self.request_end_ns = self.start_ns
        self.request: HttpRequest | None = None
        self.response_body: BodyCollector | None = None
        self.response_end_ns = 0
        self.answered = False
        self.answer_damaged = False
        self._status_line: StatusLine | None = None
        self._response_headers: Headers = ()
        self._response_start_ns = 0
        self._interim_statuses: list[int] = []

    def head(self, time_ns: int) -> RequestHead:
        return RequestHead(
            connection=self.connection,
            request_seq=self.request_seq,
            role=self.role,
            method=self.method,
            target=self.target,
            authority=self.authority,
            headers=self.headers,
            time_ns=time_ns,
            stream_id=self.stream_id,
        )

    def add_interim(self, status: int) -> None:
        if len(self._interim_statuses) < 100:  # a server may send any number; nobody reads more
            self._interim_statuses.append(status)

    def begin_response(self, first: StreamData, line: StatusLine, fields: Headers, body: BodyCollector) -> None:
        self.answer_damaged = False
        self._status_line = line
        self._response_headers = clean_headers(fields)
        self._response_start_ns = first_byte_ns(first, written=self.role is Role.SERVER)
        self.response_end_ns = first.time_ns
        self.response_body = body
        if self.discarded:
            body.discard()

    def complete_request(self) -> HttpRequest:
        self.request = self._frozen_request(self.request_body.freeze(ended=True))
        return self.request

    def received(self, request: HttpRequest) -> RequestReceived:
        return RequestReceived(
            connection=self.connection,
            request_seq=self.request_seq,
            role=self.role,
            authority=self.authority,
            request=request,
            stream_id=self.stream_id,
        )

    def websocket(self) -> WebSocket:
        """What this exchange has opened."""
        return WebSocket(
            connection=self.connection,
            request_seq=self.request_seq,
            role=self.role,
            authority=self.authority,
            target=self.target,
            request_headers=self.headers,
            response_headers=self._response_headers,
            opened_ns=self._response_start_ns,
            stream_id=self.stream_id,
        )

    def freeze(self, end: ExchangeEnd, end_ns: int) -> HttpExchange:
        request = self.request or self._frozen_request(self.request_body.freeze(ended=False))
        return HttpExchange(
            connection=self.connection,
            protocol=self.protocol,
            role=self.role,
            request_seq=self.request_seq,
            authority=self.authority,
            request=request,
            response=self._frozen_response(),
            end=end,
            end_ns=end_ns,
            joined_mid_stream=self.joined,
            stream_id=self.stream_id,
            unknown_fields=self.unknown_fields,
        )

    def discard(self) -> None:
        """Follow it to its end without keeping anything of it."""
        self.discarded = True
        self.request_body.discard()
        if self.response_body is not None:
            self.response_body.discard()

    def release(self) -> None:
        self.request_body.release()
        if self.response_body is not None:
            self.response_body.release()

    def _frozen_request(self, body: Body) -> HttpRequest:
        return HttpRequest(
            method=self.method,
            target=self.target,
            version=self.version,
            headers=self.headers,
            body=body,
            start_ns=self.start_ns,
            end_ns=self.request_end_ns,
        )

    def _frozen_response(self) -> HttpResponse | None:
        line = self._status_line
        if line is None or self.response_body is None:
            return None
        return HttpResponse(
            status=line.status,
            reason=line.reason,
            version=line.version,
            headers=self._response_headers,
            body=self.response_body.freeze(ended=self.answered),
            start_ns=self._response_start_ns,
            end_ns=self.response_end_ns,
            interim_statuses=tuple(self._interim_statuses),
        )


def first_byte_ns(first: StreamData, written: bool) -> int:
    """A write has begun at its call's entry. A read may have waited long before it got anything."""
    return first.entry_ns if written else first.time_ns


def _authority(target: bytes, headers: Headers, connection: Connection) -> str:
    """The Host field, else the authority of an absolute target (RFC 9112 section 3.2), else the SNI."""
    host = header(headers, b"host")
    if not host:
        _, scheme_end, rest = target.partition(b"://")
        host = rest.partition(b"/")[0].partition(b"?")[0].rpartition(b"@")[2] if scheme_end else b""
    return _text(host) if host else connection.server_name or ""


def _text(value: bytes) -> str:
    """Targets are ASCII by the standard; what some clients send raw is UTF-8, and anything else is shown per byte."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def hand_on(
    exchange: OpenExchange, end: ExchangeEnd, end_ns: int, connection: Connection, counters: Counters
) -> list[HttpEvent]:
    """The end of an exchange, whatever it is: at most one event, and its memory given back. `connection` is what is
    known of it by now."""
    if exchange.answer_damaged and end is not ExchangeEnd.EVICTED:
        end = ExchangeEnd.DESYNCHRONISED  # there may have been an answer: the hole is ours
    out: list[HttpEvent] = []
    if exchange.discarded:
        counters.add("http.muted_exchanges")
    else:
        exchange.connection = connection
        counters.add(f"http.exchanges.{end.value}")
        out.append(exchange.freeze(end, end_ns))
    exchange.release()
    return out
