"""One HTTP/2 connection: header blocks and data of both directions put together by stream.

Which direction asks is known by the preface, else by the first header block that can be read. Invariant: every stream
that was begun leaves through `_finish`, once.
"""

from __future__ import annotations

from wirespan.capture import Direction
from wirespan.counters import Counters
from wirespan.http.body import BodyCollector
from wirespan.http.budget import Account
from wirespan.http.desync import DesynchronisedError
from wirespan.http.exchange import ExchangeEnd, Headers, HttpEvent, Role
from wirespan.http.framing import body_coding
from wirespan.http.http2.early_answers import EarlyAnswers
from wirespan.http.http2.frames import DataGap, DataPiece
from wirespan.http.http2.head import BlockHead
from wirespan.http.http2.side import GoAway, HeaderBlock, Http2Side, Said, StreamReset
from wirespan.http.http2.stream import Http2Stream
from wirespan.http.open_exchange import OpenExchange, hand_on
from wirespan.http.settings import HttpSettings
from wirespan.streams import Connection, GapReason, StreamData, StreamGap


class Http2Conversation:
    """`connection` is what is known of it by now."""

    def __init__(self, connection: Connection, settings: HttpSettings, counters: Counters, account: Account) -> None:
        self.connection = connection
        self._settings = settings
        self._counters = counters
        self._account = account
        self._sides = {direction: Http2Side(settings, counters, account) for direction in Direction}
        self._request_direction: Direction | None = None
        self._streams: dict[int, Http2Stream] = {}
        self._highest_id = 0
        self._early = EarlyAnswers(settings.max_early_response_bytes, account, counters)

    @property
    def oldest_ns(self) -> int | None:
        return next((stream.exchange.start_ns for stream in self._streams.values()), None)

    @property
    def is_proven(self) -> bool:
        """More than bytes that look like frames was seen: the preface, or header fields that say who asks."""
        return self._request_direction is not None or any(side.preface_seen for side in self._sides.values())

    def is_in_step(self, direction: Direction) -> bool:
        return self._sides[direction].synced

    def expect_preface(self, direction: Direction, seen_bytes: int) -> None:
        """`direction` is the client's; the first `seen_bytes` of its preface have passed already. The other one begins
        with a frame (RFC 9113 section 3.4)."""
        self._request_direction = direction
        self._sides[direction].expect_preface(seen_bytes)
        self._sides[Direction(1 - direction)].expect_frames()

    def miss(self, direction: Direction) -> None:
        """Something of `direction` has passed already, and was not seen."""
        self._sides[direction].lose_frames()

    def data(self, event: StreamData, out: list[HttpEvent]) -> None:
        side = self._sides[event.direction]
        try:
            for said in side.feed(event):
                self._take(said, event.direction, event.time_ns, out)
        except DesynchronisedError as error:
            self._lose(event.direction, error.cause, event.time_ns, out)

    def gap(self, gap: StreamGap, out: list[HttpEvent]) -> None:
        side = self._sides[gap.direction]
        if gap.reason is GapReason.JOINED:
            side.lose_frames()
            return
        in_body_bytes = 0
        try:
            for said in side.gap(gap.missing_bytes):
                if isinstance(said, DataGap) and said.stream_id in self._streams:
                    in_body_bytes += said.missing_bytes
                self._take(said, gap.direction, gap.time_ns, out)
        except DesynchronisedError as error:
            self._lose(gap.direction, error.cause, gap.time_ns, out)
        self._counters.add("http.gap_bytes_in_bodies", in_body_bytes)
        self._counters.add("http.gap_bytes_outside_bodies", (gap.missing_bytes or 0) - in_body_bytes)

    def end(self, end: ExchangeEnd, time_ns: int, out: list[HttpEvent]) -> None:
        """Hand on all that is open. The connection may go on, with new streams."""
        for stream in list(self._streams.values()):
            self._finish(stream, ExchangeEnd.COMPLETE if stream.exchange.answered else end, time_ns, out)
        self._early.drop()

    def release(self) -> None:
        """Give back all memory that no exchange holds."""
        self._early.drop()
        for side in self._sides.values():
            side.free()

    def expire(self, now_ns: int, out: list[HttpEvent]) -> None:
        """Hand on the streams that are silent for too long while others are not."""
        for stream in list(self._streams.values()):
            if stream.last_ns + self._settings.exchange_idle_ns <= now_ns:
                self._finish(stream, ExchangeEnd.IDLE, now_ns, out)

    def mute(self, request_seq: int, stream_id: int) -> bool:
        """Keep nothing of this stream. False: the connection itself must not be muted. It would stay so, since the
        kernel side knows a new request by a write that begins with an HTTP method, and none does here; and header
        blocks that are not seen make all later ones unreadable."""
        stream = self._streams.get(stream_id)
        if stream is not None and stream.exchange.request_seq == request_seq:
            stream.exchange.discard()
        return False

    def _take(self, said: Said, direction: Direction, time_ns: int, out: list[HttpEvent]) -> None:
        if isinstance(said, HeaderBlock) and self._request_direction is None:
            self._request_direction = self._find_request_direction(said.head, direction)
        if isinstance(said, GoAway):
            if direction is not self._request_direction:
                self._go_away(said.last_stream_id, time_ns, out)
        elif isinstance(said, StreamReset):
            self._reset(said.stream_id, direction, time_ns, out)
        elif direction is self._request_direction:
            self._take_request(said, time_ns, out)
        elif self._request_direction is not None:
            self._take_answer(said, time_ns, out)

    def _find_request_direction(self, head: BlockHead | None, direction: Direction) -> Direction | None:
        for each, side in self._sides.items():
            if side.preface_seen:
                return each
        if head is None or not (head.is_request or head.is_response):
            return None
        return direction if head.is_request else Direction(1 - direction)

    def _take_request(self, said: HeaderBlock | DataPiece | DataGap, time_ns: int, out: list[HttpEvent]) -> None:
        stream = self._streams.get(said.stream_id)
        if stream is None:
            if isinstance(said, HeaderBlock):
                self._begin(said, time_ns, out)
            elif isinstance(said, DataPiece):
                self._counters.add("http.stray_bytes", len(said.data))
            return
        exchange = stream.exchange
        stream.last_ns = exchange.request_end_ns = time_ns
        if isinstance(said, DataGap):
            exchange.request_body.gap(said.missing_bytes)
            return
        if isinstance(said, DataPiece) and said.data:
            exchange.request_body.add(said.data, time_ns)
        if said.ended:  # a second header block holds the trailers
            self._end_request(stream, time_ns, out)

    def _begin(self, block: HeaderBlock, time_ns: int, out: list[HttpEvent]) -> None:
        head = block.head
        is_newer = block.stream_id > self._highest_id
        self._highest_id = max(self._highest_id, block.stream_id)
        if head is None or head.is_response or not (is_newer and (head.is_request or head.unknown_fields)):
            self._counters.add("http.h2.unreadable_requests" if head is None else "http.h2.stray_header_blocks")
            return
        if len(self._streams) >= self._settings.max_streams:
            self._counters.add("http.evictions")
            self._finish(next(iter(self._streams.values())), ExchangeEnd.EVICTED, time_ns, out)
        exchange = OpenExchange(
            block.first,
            self._role(),
            head.request_line(),
            head.fields,
            self._collector(head.fields, block.size_bytes),
            joined=not self._sides[block.first.direction].preface_seen,
            protocol="h2",
            authority=head.authority,
            stream_id=block.stream_id,
            unknown_fields=head.unknown_fields,
        )
        exchange.request_end_ns = time_ns
        stream = self._streams[block.stream_id] = Http2Stream(exchange, time_ns)
        self._counters.add("http.requests")
        out.append(exchange.head(time_ns))
        if block.ended:
            self._end_request(stream, time_ns, out)
        for said, said_ns in self._early.take(block.stream_id):
            self._take_answer(said, said_ns, out)

    def _take_answer(self, said: HeaderBlock | DataPiece | DataGap, time_ns: int, out: list[HttpEvent]) -> None:
        stream = self._streams.get(said.stream_id)
        if stream is None:
            self._unasked(said, time_ns)
            return
        exchange = stream.exchange
        stream.last_ns = time_ns
        if isinstance(said, HeaderBlock):
            self._answer_fields(stream, said)
        elif exchange.response_body is None:
            self._counters.add("http.stray_bytes", len(said.data) if isinstance(said, DataPiece) else 0)
        elif isinstance(said, DataGap):
            exchange.response_body.gap(said.missing_bytes)
        elif said.data:
            exchange.response_body.add(said.data, time_ns)
        exchange.response_end_ns = time_ns
        if not isinstance(said, DataGap) and said.ended:
            exchange.answered = True
            self._finish_if_over(stream, time_ns, out)

    def _answer_fields(self, stream: Http2Stream, block: HeaderBlock) -> None:
        exchange, head = stream.exchange, block.head
        if exchange.response_body is not None:
            return  # trailers
        if head is None:
            exchange.answer_damaged = True
            return
        line = head.status_line()
        if 100 <= line.status < 200:
            exchange.add_interim(line.status)
            return
        exchange.unknown_fields += head.unknown_fields
        exchange.begin_response(block.first, line, head.fields, self._collector(head.fields, block.size_bytes))

    def _unasked(self, said: HeaderBlock | DataPiece | DataGap, time_ns: int) -> None:
        """An answer on a stream that is over, or one whose request has not been seen yet."""
        if said.stream_id > self._highest_id and self._early.offer(said, time_ns):
            return
        self._counters.add("http.stray_bytes", len(said.data) if isinstance(said, DataPiece) else 0)

    def _reset(self, stream_id: int, direction: Direction, time_ns: int, out: list[HttpEvent]) -> None:
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        by_client = direction is self._request_direction
        end = ExchangeEnd.CLOSED if by_client else ExchangeEnd.RESET
        # Behind a whole answer it only says that the rest of the request is not wanted (section 8.1).
        self._finish(stream, ExchangeEnd.COMPLETE if stream.exchange.answered else end, time_ns, out)

    def _go_away(self, last_stream_id: int, time_ns: int, out: list[HttpEvent]) -> None:
        for stream_id, stream in list(self._streams.items()):
            if stream_id > last_stream_id:
                self._finish(stream, ExchangeEnd.RESET, time_ns, out)

    def _end_request(self, stream: Http2Stream, time_ns: int, out: list[HttpEvent]) -> None:
        exchange = stream.exchange
        if exchange.request is not None:
            return
        request = exchange.complete_request()
        if not exchange.answered and not exchange.discarded:
            exchange.connection = self.connection
            out.append(exchange.received(request))
        self._finish_if_over(stream, time_ns, out)

    def _finish_if_over(self, stream: Http2Stream, time_ns: int, out: list[HttpEvent]) -> None:
        if stream.is_over:
            self._finish(stream, ExchangeEnd.COMPLETE, time_ns, out)

    def _finish(self, stream: Http2Stream, end: ExchangeEnd, end_ns: int, out: list[HttpEvent]) -> None:
        del self._streams[stream.exchange.stream_id]
        out += hand_on(stream.exchange, end, end_ns, self.connection, self._counters)

    def _lose(self, direction: Direction, cause: str, time_ns: int, out: list[HttpEvent]) -> None:
        """The frames of `direction` are lost up to some later call; any stream may have had a part in them."""
        self._counters.add(f"http.desync.{cause}")
        self._sides[direction].lose_frames()
        for stream in list(self._streams.values()):
            if direction is self._request_direction:
                stream.lose_request()
                self._finish_if_over(stream, time_ns, out)
            else:
                stream.lose_answer()

    def _collector(self, fields: Headers, head_bytes: int) -> BodyCollector:
        body = BodyCollector(body_coding(fields), self._settings, self._account)
        body.hold(head_bytes)
        return body

    def _role(self) -> Role:
        return Role.CLIENT if self._request_direction is Direction.WRITE else Role.SERVER
