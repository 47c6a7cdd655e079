"""One connection whose role is known: requests in one direction paired with responses in the other.

Exchanges stand in a queue in the order of their requests (pipelining); the first one gets the next response. After a
hole nobody knows which response belongs to which request, so the next request ends everything before it.
Invariant: every exchange that was begun leaves the queue through `_finish`, once.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from wirespan.capture import Direction
from wirespan.counters import Counters
from wirespan.http.body import BodyCollector
from wirespan.http.budget import Account
from wirespan.http.desync import DesynchronisedError
from wirespan.http.early import EarlyResponses
from wirespan.http.exchange import ExchangeEnd, Headers, HttpEvent, Role, WebSocket
from wirespan.http.framing import End, body_coding, request_framing, response_framing, upgrade_name
from wirespan.http.head import (
    H2_METHOD,
    Likeness,
    parse_request_head,
    parse_response_head,
    request_likeness,
    response_likeness,
)
from wirespan.http.open_exchange import OpenExchange, first_byte_ns, hand_on
from wirespan.http.seeker import FoundHead, HeadSeeker
from wirespan.http.settings import HttpSettings
from wirespan.http.side import Side
from wirespan.streams import Connection, GapReason, StreamData, StreamGap


@dataclass(frozen=True, slots=True)
class Upgrade:
    """`protocol`: "h2" | "websocket" | "upgrade:<name>"; for "websocket" there is a `socket`. `first` brought the begin
    of the head after which it is spoken; `rest` is what came behind that head, whatever the direction."""

    protocol: str
    first: StreamData
    socket: WebSocket | None = None
    rest: list[StreamData] = field(default_factory=list)


class Conversation:
    """`upgrade` is set when what follows on this connection is not HTTP/1 any more. `connection` is what is known of it
    by now; `joined`: it was older than the probes."""

    def __init__(
        self,
        role: Role,
        connection: Connection,
        request_seeker: HeadSeeker,
        response_seeker: HeadSeeker,
        early: EarlyResponses,
        settings: HttpSettings,
        counters: Counters,
        account: Account,
    ) -> None:
        self.role = role
        self.connection = connection
        self.joined = False
        self.upgrade: Upgrade | None = None
        self._request_direction = Direction.WRITE if role is Role.CLIENT else Direction.READ
        self._settings = settings
        self._counters = counters
        self._account = account
        self._early = early
        self._requests = Side(request_seeker)
        self._responses = Side(response_seeker)
        self._exchanges: list[OpenExchange] = []
        self._uncertain = False

    @property
    def oldest_ns(self) -> int | None:
        return self._exchanges[0].start_ns if self._exchanges else None

    def data(self, event: StreamData, out: list[HttpEvent]) -> None:
        if event.direction is self._request_direction:
            self.request_data(event, 0, out)
        else:
            self._response_data(event, out)

    def request_data(self, event: StreamData, at: int, out: list[HttpEvent], found: FoundHead | None = None) -> None:
        """Read `event` from `at` on; `found` stands in front of it when the role was decided by it."""
        side = self._requests
        try:
            if found is not None:
                self._begin_request(found, event, out)
            while at < len(event.data) and self.upgrade is None:
                if side.reader is None or side.exchange is None:
                    at, found = side.seeker.feed(event, at)
                    if found is not None:
                        self._begin_request(found, event, out)
                elif at == 0 and side.exchange.answered and _begins_request(event):
                    # Its body never comes: the answer to "Expect: 100-continue" was final (RFC 9110 section 10.1.1).
                    self._finish(side.exchange, ExchangeEnd.COMPLETE, event.time_ns, out)
                else:
                    side.exchange.request_end_ns = event.time_ns
                    at = side.reader.feed(event.data, at, event.time_ns)
                    if side.reader.done:
                        self._complete(side, out)
            self._keep_rest(event, at)
        except DesynchronisedError as error:
            self._lose(side, error, event.time_ns, out)

    def _response_data(self, event: StreamData, out: list[HttpEvent]) -> None:
        side, at = self._responses, 0
        try:
            while at < len(event.data) and self.upgrade is None:
                if side.reader is None or side.exchange is None:
                    exchange = self._unanswered()
                    if exchange is None:
                        self._unasked(event, at)
                        return
                    at = self._seek_response(exchange, event, at, out)
                elif at == 0 and len(self._exchanges) > 1 and _begins_response(event):
                    # The answer to the next request: this one's length was not what it said, or it never said any.
                    self._finish(side.exchange, ExchangeEnd.SUPERSEDED, event.time_ns, out)
                else:
                    side.exchange.response_end_ns = event.time_ns
                    at = side.reader.feed(event.data, at, event.time_ns)
                    if side.reader.done:
                        self._complete(side, out)
            self._keep_rest(event, at)
        except DesynchronisedError as error:
            self._lose(side, error, event.time_ns, out)

    def gap(self, gap: StreamGap, out: list[HttpEvent]) -> None:
        side = self._requests if gap.direction is self._request_direction else self._responses
        if side is self._responses:
            self._early.drop()
        if gap.reason is GapReason.MUTED:
            # Sent when the next request begins, for both directions.
            self.end(ExchangeEnd.SUPERSEDED, gap.time_ns, out)
            return
        if gap.reason is GapReason.JOINED:
            side.lose_sync()
            return
        in_body_bytes = 0
        try:
            in_body_bytes = side.read_over(gap.missing_bytes)
            if side.reader is not None and side.reader.done:
                self._complete(side, out)
        except DesynchronisedError as error:
            self._lose(side, error, gap.time_ns, out)
        outside_bytes = (gap.missing_bytes or 0) - in_body_bytes
        self._counters.add("http.gap_bytes_in_bodies", in_body_bytes)
        self._counters.add("http.gap_bytes_outside_bodies", outside_bytes)
        if outside_bytes and side is self._responses:
            self._lose_answers(gap.time_ns, out)
        elif outside_bytes:
            side.lose_sync()
            self._uncertain = True

    def close_responses(self, out: list[HttpEvent]) -> None:
        """Nothing more comes in the direction of the responses: the end of one that lasts until the close."""
        side = self._responses
        if side.reader is not None:
            side.reader.close()
            if side.reader.done:
                self._complete(side, out)

    def end(self, end: ExchangeEnd, time_ns: int, out: list[HttpEvent]) -> None:
        """Hand on all that is open. Whatever comes afterwards has to begin with a request."""
        for exchange in list(self._exchanges):
            self._finish(exchange, ExchangeEnd.COMPLETE if exchange.answered else end, time_ns, out)
        self._early.drop()
        self._requests.lose_sync()
        self._responses.lose_sync()

    def mute(self, request_seq: int, stream_id: int) -> bool:
        """Drop the exchanges of `request_seq`. The answer to one that is not the last still has to be read over.
        True: the kernel side may stay silent up to the next request."""
        for exchange in [each for each in self._exchanges if each.request_seq == request_seq]:
            exchange.discard()
            if exchange is self._exchanges[-1]:
                self._finish(exchange, ExchangeEnd.SUPERSEDED, exchange.request_end_ns, [])
                self._requests.lose_sync()
                self._responses.lose_sync()
                self._uncertain = True
        return True

    def _begin_request(self, found: FoundHead, event: StreamData, out: list[HttpEvent]) -> None:
        line, fields = parse_request_head(found.data, self._settings.max_header_fields)
        if line.method == H2_METHOD:
            self.end(ExchangeEnd.SUPERSEDED, event.time_ns, out)
            self.upgrade = Upgrade("h2", found.first)
            return
        early = self._early.take(first_byte_ns(found.first, written=self.role is Role.CLIENT), found.first)
        if self._uncertain or len(self._exchanges) >= self._settings.max_pipelined:
            self._supersede_all(event.time_ns, out)
        body = self._collector(found, fields)
        exchange = OpenExchange(found.first, self.role, line, fields, body, self.joined)
        exchange.request_end_ns = event.time_ns
        self._exchanges.append(exchange)
        self._counters.add("http.requests")
        out.append(exchange.head(event.time_ns))
        try:
            reader = request_framing(fields).reader(body)
        except DesynchronisedError:
            self._finish(exchange, ExchangeEnd.DESYNCHRONISED, event.time_ns, out)
            raise
        self._requests.enter_body(reader, exchange)
        if reader.done:
            self._complete(self._requests, out)
        for each in early:
            self._response_data(each, out)

    def _seek_response(self, exchange: OpenExchange, event: StreamData, at: int, out: list[HttpEvent]) -> int:
        seeker = self._responses.seeker
        was_synced = seeker.synced
        at, found = seeker.feed(event, at)
        if found is not None:
            self._begin_response(exchange, found, event, out)
        elif not seeker.synced and not seeker.in_head:
            if was_synced or exchange.answer_damaged:
                raise DesynchronisedError("no_response_head")
            self._uncertain = True
        return at

    def _begin_response(
        self, exchange: OpenExchange, found: FoundHead, event: StreamData, out: list[HttpEvent]
    ) -> None:
        line, fields = parse_response_head(found.data, self._settings.max_header_fields)
        if 100 <= line.status < 200 and line.status != 101:
            exchange.add_interim(line.status)  # RFC 9110 section 15.2: the final one follows
            return
        if len(self._exchanges) == 1:
            self._uncertain = False  # there is only one request that it can answer
        framing = response_framing(exchange.method, line.status, fields)
        body = self._collector(found, fields)
        exchange.begin_response(found.first, line, fields, body)
        exchange.response_end_ns = event.time_ns
        reader = framing.reader(body)
        self._responses.enter_body(reader, exchange)
        if framing.end is End.TUNNEL:
            protocol = upgrade_name(exchange.method, fields)
            socket = exchange.websocket() if protocol == "websocket" else None
            self._complete(self._responses, out)
            self.end(ExchangeEnd.SUPERSEDED, event.time_ns, out)
            self.upgrade = Upgrade(protocol, found.first, socket)
        elif reader.done:
            self._complete(self._responses, out)

    def _keep_rest(self, event: StreamData, at: int) -> None:
        if self.upgrade is not None and at < len(event.data):
            self.upgrade.rest.append(behind(event, at))

    def _collector(self, found: FoundHead, fields: Headers) -> BodyCollector:
        body = BodyCollector(body_coding(fields), self._settings, self._account)
        body.hold(len(found.data))
        return body

    def _complete(self, side: Side, out: list[HttpEvent]) -> None:
        """The message that `side` reads has ended as its framing says."""
        exchange = side.exchange
        assert exchange is not None
        side.leave_body()
        if side is self._responses:
            exchange.answered = True
        else:
            request = exchange.complete_request()
            if not exchange.answered and not exchange.discarded:
                exchange.connection = self.connection
                out.append(exchange.received(request))
        if exchange.answered and exchange.request is not None:
            end_ns = max(exchange.request_end_ns, exchange.response_end_ns)
            self._finish(exchange, ExchangeEnd.COMPLETE, end_ns, out)

    def _finish(self, exchange: OpenExchange, end: ExchangeEnd, end_ns: int, out: list[HttpEvent]) -> None:
        self._exchanges.remove(exchange)
        for side in (self._requests, self._responses):
            if side.exchange is exchange:
                side.lose_sync()
        out += hand_on(exchange, end, end_ns, self.connection, self._counters)

    def _lose(self, side: Side, error: DesynchronisedError, time_ns: int, out: list[HttpEvent]) -> None:
        """What follows on `side` can't be framed: give its exchange up, and look for the next message."""
        self._counters.add(f"http.desync.{error.cause}")
        exchange = side.exchange
        if exchange is None and side is self._responses:
            exchange = self._unanswered()
        if exchange is not None:
            self._finish(exchange, ExchangeEnd.DESYNCHRONISED, time_ns, out)
        side.lose_sync()
        self._uncertain = True

    def _lose_answers(self, time_ns: int, out: list[HttpEvent]) -> None:
        """A hole between two bodies: it may hold answers. Clients wait for an answer before they ask again (no SDK
        was seen to pipeline), so what comes next can only answer the last request; if it is an answer at all."""
        self._counters.add("http.desync.gap_between_responses")
        for exchange in self._exchanges[:-1]:
            self._finish(exchange, ExchangeEnd.DESYNCHRONISED, time_ns, out)
        awaiting = self._unanswered()
        if awaiting is not None:
            awaiting.answer_damaged = True
        self._responses.lose_sync()
        self._uncertain = True

    def _supersede_all(self, time_ns: int, out: list[HttpEvent]) -> None:
        for exchange in list(self._exchanges):
            self._finish(exchange, ExchangeEnd.COMPLETE if exchange.answered else ExchangeEnd.SUPERSEDED, time_ns, out)
        self._responses.lose_sync()
        self._uncertain = False

    def _unanswered(self) -> OpenExchange | None:
        """Whose response is next. While the request of an answered one still comes, nobody's."""
        return self._exchanges[0] if self._exchanges and not self._exchanges[0].answered else None

    def _unasked(self, event: StreamData, at: int) -> None:
        """A response, or the rest of one, to no request we know."""
        if not event.data[at:].strip(b"\r\n") or (at == 0 and self._early.offer(event)):
            return
        self._counters.add("http.stray_bytes", len(event.data) - at)
        self._responses.seeker.lose_sync()


def behind(event: StreamData, at: int) -> StreamData:
    """What stands from `at` on in `event`."""
    return replace(event, offset=event.offset + at, call_start=event.call_start and at == 0, data=event.data[at:])


def _begins_request(event: StreamData) -> bool:
    return event.call_start and request_likeness(event.data) is Likeness.YES


def _begins_response(event: StreamData) -> bool:
    return event.call_start and response_likeness(event.data) is Likeness.YES
