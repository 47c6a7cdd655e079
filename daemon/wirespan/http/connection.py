"""One connection: find out what is spoken on it and who asks, then let a conversation of that protocol read it.

Who writes the first request is the client. Invariant: an uncovered connection is announced once, and from an upgrade
to what can't be read on nothing of it is looked at.
"""

from __future__ import annotations

from wirespan.capture import Direction
from wirespan.counters import Counters
from wirespan.http.budget import Account, Budget
from wirespan.http.conversation import Conversation, Upgrade
from wirespan.http.desync import DesynchronisedError
from wirespan.http.early import EarlyResponses
from wirespan.http.exchange import ExchangeEnd, HttpEvent, Role, Uncovered, WebSocket
from wirespan.http.head import Likeness, request_likeness, response_likeness
from wirespan.http.http2 import Http2Conversation, begins_with_frames
from wirespan.http.open_exchange import first_byte_ns
from wirespan.http.seeker import FoundHead, HeadSeeker
from wirespan.http.settings import HttpSettings
from wirespan.http.websocket import WebSocketConversation
from wirespan.http.websocket import begins_with_frames as begins_with_websocket_frames
from wirespan.streams import Connection, EndReason, GapReason, StreamData, StreamEnd, StreamGap

_ENDS = {
    EndReason.CLOSED: ExchangeEnd.CLOSED,
    EndReason.SHUTDOWN: ExchangeEnd.CLOSED,
    EndReason.PROCESS_EXITED: ExchangeEnd.PROCESS_EXITED,
    EndReason.IDLE: ExchangeEnd.IDLE,
    EndReason.EVICTED: ExchangeEnd.EVICTED,
}
# "PRI * HTTP/2.0" and its blank line look like a request and are read as one; the rest of the preface follows.
_PREFACE_HEAD_BYTES = 18


class HttpConnection:
    """`last_ns`: its last event; `shutdown_ns`: when the process said that it will write no more."""

    def __init__(self, settings: HttpSettings, counters: Counters, budget: Budget) -> None:
        self.last_ns = 0
        self.shutdown_ns: int | None = None
        self.account = Account(budget)
        self._settings = settings
        self._counters = counters
        self._early = EarlyResponses(settings.max_early_response_bytes, self.account, counters)
        # Until a request is found, either direction may bring it.
        self._seekers = {
            direction: HeadSeeker(request_likeness, settings.max_head_bytes, self.account, counters)
            for direction in Direction
        }
        self._conversation: Conversation | Http2Conversation | WebSocketConversation | None = None
        self._holed: set[Direction] = set()  # something was missing before it was known what is spoken
        self._joined = False
        self._lost = False
        self._announced = False
        self._is_not_framed = False  # what looked like frames of HTTP/2 or WebSocket was none
        self._over = False  # nothing that we read any more, or ended

    @property
    def oldest_ns(self) -> int:
        """When the oldest of what is held began."""
        oldest_ns = self._conversation.oldest_ns if self._conversation is not None else None
        return self.last_ns if oldest_ns is None else oldest_ns

    def data(self, event: StreamData) -> list[HttpEvent]:
        self.last_ns = event.time_ns
        out: list[HttpEvent] = []
        conversation = self._conversation
        if self._over:
            self._counters.add("http.uncovered_bytes", len(event.data))
        elif conversation is None:
            self._sniff(event, out)
        else:
            conversation.connection = event.connection
            conversation.data(event, out)
            self._follow(conversation, event, out)
        return out

    def gap(self, gap: StreamGap) -> list[HttpEvent]:
        self.last_ns = gap.time_ns
        out: list[HttpEvent] = []
        if self._over:
            return out
        if self._conversation is not None:
            self._conversation.connection = gap.connection
            self._conversation.gap(gap, out)
            return out
        if gap.reason is GapReason.JOINED:
            self._joined = True
        else:
            self._lost = True
            self._counters.add("http.gap_bytes_outside_bodies", gap.missing_bytes or 0)
        self._holed.add(gap.direction)
        self._seekers[gap.direction].lose_sync()
        self._early.drop()
        return out

    def end(self, event: StreamEnd) -> list[HttpEvent]:
        """Also SHUTDOWN, after which reads may follow."""
        out: list[HttpEvent] = []
        self.last_ns = event.time_ns
        if event.reason is EndReason.SHUTDOWN:
            self._shut_down(event, out)
        else:
            closed = event.reason is EndReason.CLOSED or self.shutdown_ns is not None
            self._end(ExchangeEnd.CLOSED if closed else _ENDS[event.reason], event, out)
        return out

    def drop(self, end: ExchangeEnd, now_ns: int) -> list[HttpEvent]:
        """Hand on what is open; nothing more of this connection will be looked at."""
        out = self.give_up(end, now_ns)
        if isinstance(self._conversation, WebSocketConversation):
            self._conversation.close(end, now_ns, out)
        self._conversation = None
        self._over = True
        self.account.close()
        return out

    def release(self) -> None:
        """Give back the memory that stands as long as the connection. What refers to it will be missing."""
        if self._conversation is not None and not isinstance(self._conversation, Conversation):
            self._conversation.release()

    def give_up(self, end: ExchangeEnd, now_ns: int) -> list[HttpEvent]:
        """Hand on what is open; the connection itself may go on."""
        out: list[HttpEvent] = []
        if self._conversation is not None:
            if end is ExchangeEnd.CLOSED and isinstance(self._conversation, Conversation):
                self._conversation.close_responses(out)
            self._conversation.end(end, now_ns, out)
        else:
            self._early.drop()
            for seeker in self._seekers.values():
                seeker.lose_sync()
        return out

    def expire(self, now_ns: int) -> list[HttpEvent]:
        """Hand on what is silent for too long on a connection that is not."""
        out: list[HttpEvent] = []
        if isinstance(self._conversation, Http2Conversation):
            self._conversation.expire(now_ns, out)
        return out

    def mute(self, request_seq: int, stream_id: int) -> bool:
        """Keep nothing of this request. May the kernel side stay silent about the whole connection?"""
        spoken = self._conversation
        if not isinstance(spoken, WebSocketConversation):
            return spoken is None or spoken.mute(request_seq, stream_id)
        if spoken.socket.request_seq == request_seq:
            self._counters.add("http.websocket.muted")
            self._conversation = None
            self._over = True
            self.account.close()
        return True

    def _sniff(self, event: StreamData, out: list[HttpEvent]) -> None:
        if self._may_be_frames(event):
            framed = self._speak_frames(event, out)
            if framed is not None:
                self._conversation = framed
                framed.data(event, out)
                self._follow(framed, event, out)
                return
        if self._early.offer(event):
            return
        at, found = len(event.data), None
        try:
            at, found = self._seekers[event.direction].feed(event, 0)
        except DesynchronisedError as error:
            self._counters.add(f"http.desync.{error.cause}")
        if found is None:
            self._judge(event, out)
            return
        self._conversation = conversation = self._converse(found)
        conversation.connection = event.connection
        conversation.request_data(event, at, out, found)
        self._follow(conversation, event, out)

    def _converse(self, found: FoundHead) -> Conversation:
        first = found.first
        role = Role.CLIENT if first.direction is Direction.WRITE else Role.SERVER
        other = self._seekers[Direction(1 - first.direction)]
        other.lose_sync()
        strayed = any(seeker.stray_bytes for seeker in self._seekers.values())
        stale = self._early.is_stale(first_byte_ns(first, written=role is Role.CLIENT), first)
        responses = HeadSeeker(response_likeness, self._settings.max_head_bytes, self.account, self._counters)
        responses.synced = not other.stray_bytes
        conversation = Conversation(
            role,
            first.connection,
            self._seekers[first.direction],
            responses,
            self._early,
            self._settings,
            self._counters,
            self.account,
        )
        # After a loss the bytes in front of the request may be the rest of what was lost.
        conversation.joined = self._joined or ((strayed or stale) and not self._lost)
        return conversation

    def _judge(self, event: StreamData, out: list[HttpEvent]) -> None:
        """Not HTTP so far. A connection joined in the middle looks the same at first, but only in one direction and not
        for long."""
        strays = [seeker.stray_bytes for seeker in self._seekers.values()]
        if all(strays) or max(strays) >= self._settings.unknown_after_bytes:
            self._announce("unknown", event.connection, event.time_ns, event.request_seq, out)

    def _may_be_frames(self, event: StreamData) -> bool:
        """A server's first frames may be seen before the client's preface, and a joined connection has no beginning."""
        if self._is_not_framed or not event.call_start:
            return False
        return not any(seeker.in_head for seeker in self._seekers.values())

    def _speak_frames(
        self, event: StreamData, out: list[HttpEvent]
    ) -> Http2Conversation | WebSocketConversation | None:
        if begins_with_frames(event.data):
            return self._speak_http2(event.connection)
        if begins_with_websocket_frames(event.data):
            of_client = bool(event.data[1] & 0x80)  # only a client's frames are masked (RFC 6455 section 5.1)
            role = Role.CLIENT if of_client == (event.direction is Direction.WRITE) else Role.SERVER
            name = event.connection.server_name or ""
            socket = WebSocket(event.connection, event.request_seq, role, name, "", (), (), event.time_ns, True)
            return self._speak_websocket(socket, event.time_ns, out)
        return None

    def _speak_http2(self, connection: Connection) -> Http2Conversation:
        conversation = Http2Conversation(connection, self._settings, self._counters, self.account)
        for direction, seeker in self._seekers.items():
            if seeker.stray_bytes or direction in self._holed:
                conversation.miss(direction)
        return conversation

    def _speak_websocket(self, socket: WebSocket, time_ns: int, out: list[HttpEvent]) -> WebSocketConversation:
        conversation = WebSocketConversation(socket, self._settings, self._counters, self.account)
        conversation.open(time_ns, out)
        return conversation

    def _follow(
        self,
        spoken: Conversation | Http2Conversation | WebSocketConversation,
        event: StreamData,
        out: list[HttpEvent],
    ) -> None:
        """Go over to what is spoken from here on, if it is something else."""
        if isinstance(spoken, Conversation):
            if spoken.upgrade is not None:
                self._upgrade(spoken.upgrade, event, out)
        elif not spoken.is_in_step(event.direction):
            begins_request = event.call_start and request_likeness(event.data) is Likeness.YES
            if begins_request or not spoken.is_proven:
                spoken.end(ExchangeEnd.SUPERSEDED, event.time_ns, out)
                if isinstance(spoken, WebSocketConversation):
                    spoken.close(ExchangeEnd.SUPERSEDED, event.time_ns, out)
                spoken.release()
                self._conversation = None
                self._is_not_framed = not spoken.is_proven
                self._sniff(event, out)

    def _upgrade(self, upgrade: Upgrade, event: StreamData, out: list[HttpEvent]) -> None:
        self._conversation = None
        self.account.close()
        following: Http2Conversation | WebSocketConversation
        if upgrade.protocol == "h2":
            following = self._speak_http2(event.connection)
            following.expect_preface(upgrade.first.direction, _PREFACE_HEAD_BYTES)
        elif upgrade.socket is not None:
            following = self._speak_websocket(upgrade.socket, event.time_ns, out)
        else:
            self._announce(upgrade.protocol, event.connection, event.time_ns, event.request_seq, out)
            self._over = True
            return
        self._conversation = following
        for rest in upgrade.rest:
            following.data(rest, out)

    def _announce(
        self, protocol: str, connection: Connection, time_ns: int, request_seq: int, out: list[HttpEvent]
    ) -> None:
        if self._announced or (protocol == "unknown" and self._early.seen):
            return
        self._announced = True
        self._counters.add(f"http.uncovered.{protocol.partition(':')[0]}")
        out.append(Uncovered(connection, protocol, time_ns, request_seq))

    def _shut_down(self, event: StreamEnd, out: list[HttpEvent]) -> None:
        if self.shutdown_ns is None:
            self.shutdown_ns = event.time_ns
        if isinstance(self._conversation, Conversation) and self._conversation.role is Role.SERVER:
            self._conversation.close_responses(out)

    def _end(self, end: ExchangeEnd, event: StreamEnd, out: list[HttpEvent]) -> None:
        if self._conversation is not None:
            self._conversation.connection = event.connection
        elif not self._over and any(seeker.stray_bytes for seeker in self._seekers.values()):
            self._announce("unknown", event.connection, event.time_ns, 0, out)
        out += self.drop(end, event.time_ns)
