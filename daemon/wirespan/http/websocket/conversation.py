"""A WebSocket after its handshake, or one that was joined in the middle: messages of both directions.

Invariant: a socket that was opened is closed once.
"""

from __future__ import annotations

from dataclasses import replace

from wirespan.capture import Direction
from wirespan.counters import Counters
from wirespan.http.budget import Account
from wirespan.http.desync import DesynchronisedError
from wirespan.http.exchange import (
    ExchangeEnd,
    HttpEvent,
    Role,
    WebSocket,
    WebSocketClosed,
    WebSocketMessage,
    WebSocketOpened,
)
from wirespan.http.settings import HttpSettings
from wirespan.http.websocket.deflate import Agreement, MessageInflater, read_agreement
from wirespan.http.websocket.side import UNFINISHED, Close, Message, WebSocketSide
from wirespan.streams import Connection, GapReason, StreamData, StreamGap


class WebSocketConversation:
    """`socket` is what is known of it by now."""

    def __init__(self, socket: WebSocket, settings: HttpSettings, counters: Counters, account: Account) -> None:
        self.socket = socket
        self._counters = counters
        agreement = Agreement() if socket.joined_mid_stream else read_agreement(socket.response_headers)
        self._client = Direction.WRITE if socket.role is Role.CLIENT else Direction.READ
        self._sides: dict[Direction, WebSocketSide] = {}
        for direction in Direction:
            masked = direction is self._client
            inflater = _inflater(agreement, masked)
            self._sides[direction] = WebSocketSide(masked, inflater, settings, counters, account)
            self._sides[direction].synced = not socket.joined_mid_stream
        self._said_close: set[Direction] = set()
        self._code: int | None = None
        self._closed = False
        self._has_spoken = False

    @property
    def connection(self) -> Connection:
        return self.socket.connection

    @connection.setter
    def connection(self, connection: Connection) -> None:
        if connection is not self.socket.connection:
            self.socket = replace(self.socket, connection=connection)

    @property
    def oldest_ns(self) -> int | None:
        started = [side.start_ns for side in self._sides.values() if side.start_ns is not None]
        return min(started) if started else None

    @property
    def is_proven(self) -> bool:
        """Its handshake was seen, or a whole message."""
        return not self.socket.joined_mid_stream or self._has_spoken

    def is_in_step(self, direction: Direction) -> bool:
        return self._sides[direction].synced or self._closed

    def open(self, time_ns: int, out: list[HttpEvent]) -> None:
        self._counters.add("http.websocket.opened")
        out.append(WebSocketOpened(self.socket, time_ns))

    def data(self, event: StreamData, out: list[HttpEvent]) -> None:
        start_ns = event.entry_ns if event.direction is Direction.WRITE else event.time_ns
        self.feed(event.direction, event.data, event.call_start, start_ns, event.time_ns, out)

    def feed(
        self, direction: Direction, data: bytes, call_start: bool, start_ns: int, end_ns: int, out: list[HttpEvent]
    ) -> None:
        """`data` moved from `start_ns` to `end_ns`."""
        if self._closed:
            self._counters.add("http.stray_bytes", len(data))
            return
        side = self._sides[direction]
        try:
            for said in side.feed(data, call_start, start_ns, end_ns):
                self._take(said, direction, end_ns, out)
        except DesynchronisedError as error:
            self._lose(direction, error.cause, end_ns, out)

    def gap(self, gap: StreamGap, out: list[HttpEvent]) -> None:
        missing_bytes = gap.missing_bytes
        in_message = not self._closed and self._sides[gap.direction].start_ns is not None
        try:
            for said in self._sides[gap.direction].gap(missing_bytes, gap.time_ns):
                self._take(said, gap.direction, gap.time_ns, out)
        except DesynchronisedError as error:
            in_message = False
            if gap.reason is not GapReason.JOINED:
                self._lose(gap.direction, error.cause, gap.time_ns, out)
        counter = "http.gap_bytes_in_bodies" if in_message else "http.gap_bytes_outside_bodies"
        self._counters.add(counter, missing_bytes or 0)

    def end(self, end: ExchangeEnd, time_ns: int, out: list[HttpEvent]) -> None:
        """Hand on what is under way. The socket itself may go on."""
        for direction, side in self._sides.items():
            for message in side.finish(UNFINISHED):
                self._take(message, direction, time_ns, out)

    def close(self, end: ExchangeEnd, time_ns: int, out: list[HttpEvent]) -> None:
        """Nothing more can come."""
        if not self._closed:
            self.end(end, time_ns, out)
            self._closed = True
            self._counters.add("http.websocket.closed")
            out.append(WebSocketClosed(self.socket, end, time_ns, self._code))
            self.release()

    def release(self) -> None:
        """Give back all memory that no message holds."""
        for side in self._sides.values():
            side.release()

    def _take(self, said: Message | Close, direction: Direction, time_ns: int, out: list[HttpEvent]) -> None:
        if isinstance(said, Close):
            self._code = self._code if self._said_close else said.code
            self._said_close.add(direction)
            if len(self._said_close) == len(Direction):
                self.close(ExchangeEnd.COMPLETE, time_ns, out)
            return
        self._has_spoken = True
        self._counters.add("http.websocket.messages")
        out.append(
            WebSocketMessage(
                socket=self.socket,
                direction=direction,
                kind=said.kind,
                data=said.data,
                size_bytes=said.size_bytes,
                start_ns=said.start_ns,
                end_ns=said.end_ns,
                problem=said.problem,
            )
        )

    def _lose(self, direction: Direction, cause: str, time_ns: int, out: list[HttpEvent]) -> None:
        self._counters.add(f"http.desync.{cause}")
        for message in self._sides[direction].lose_frames():
            self._take(message, direction, time_ns, out)


def _inflater(agreement: Agreement | None, of_client: bool) -> MessageInflater | None:
    if agreement is None:
        return None
    return MessageInflater(agreement.client_takes_over if of_client else agreement.server_takes_over)
