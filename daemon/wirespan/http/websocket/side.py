"""One direction of a WebSocket: fragments put together, control frames between them, messages inflated.

Invariant: what is held is charged to the account, and a message leaves once, with the reason if it is not whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from wirespan.counters import Counters
from wirespan.http.budget import Account
from wirespan.http.desync import DesynchronisedError
from wirespan.http.exchange import MessageKind
from wirespan.http.settings import HttpSettings
from wirespan.http.websocket.deflate import InflateError, MessageInflater
from wirespan.http.websocket.frames import (
    CLOSE,
    CONTINUATION,
    TEXT,
    FrameBegin,
    FrameEnd,
    FrameHeader,
    FrameReader,
    Said,
    begins_with_frames,
)

_CODE_BYTES = 2
GAP, TRUNCATED, UNDECODABLE, UNFINISHED = "gap", "truncated", "undecodable", "unfinished"


@dataclass(frozen=True, slots=True)
class Message:
    kind: MessageKind
    data: bytes
    size_bytes: int
    start_ns: int
    end_ns: int
    problem: str | None


@dataclass(frozen=True, slots=True)
class Close:
    """`code` is None if none was given."""

    code: int | None


class _OpenMessage:
    __slots__ = ("data", "end_ns", "is_compressed", "kind", "problem", "size_bytes", "start_ns")

    def __init__(self, begin: FrameBegin) -> None:
        self.kind = MessageKind.TEXT if begin.header.kind == TEXT else MessageKind.BINARY
        self.is_compressed = begin.header.is_compressed
        self.start_ns = self.end_ns = begin.start_ns
        self.size_bytes = 0
        self.data = bytearray()
        self.problem: str | None = None

    def freeze(self) -> Message:
        return Message(self.kind, bytes(self.data), self.size_bytes, self.start_ns, self.end_ns, self.problem)


class WebSocketSide:
    """`inflater` is None if nothing is compressed. `synced`: False while the begin of a frame is looked for."""

    __slots__ = (
        "_account",
        "_charged_bytes",
        "_control",
        "_control_bytes",
        "_counters",
        "_inflater",
        "_inflater_bytes",
        "_max_bytes",
        "_message",
        "_reader",
        "synced",
    )

    def __init__(
        self,
        masked: bool,
        inflater: MessageInflater | None,
        settings: HttpSettings,
        counters: Counters,
        account: Account,
    ) -> None:
        self.synced = True
        self._max_bytes = settings.max_content_bytes
        self._counters = counters
        self._account = account
        self._inflater = inflater
        self._reader = FrameReader(masked)
        self._message: _OpenMessage | None = None
        self._control: FrameHeader | None = None
        self._control_bytes = b""
        self._charged_bytes = 0
        self._inflater_bytes = 0

    @property
    def start_ns(self) -> int | None:
        """When the message that is under way began."""
        return None if self._message is None else self._message.start_ns

    def feed(self, data: bytes, call_start: bool, start_ns: int, end_ns: int) -> Iterator[Message | Close]:
        """What `data` completes; it moved from `start_ns` to `end_ns`. Raises DesynchronisedError for what can't be a
        frame; then `lose_frames` is due."""
        if not self.synced:
            self.synced = call_start and begins_with_frames(data)
            if not self.synced:
                self._counters.add("http.stray_bytes", len(data))
                return
        for said in self._reader.feed(data, 0, start_ns):
            yield from self._take(said, end_ns)
        self._settle()

    def gap(self, missing_bytes: int | None, time_ns: int) -> Iterator[Message | Close]:
        """Raises DesynchronisedError if the frames are lost with the missing bytes."""
        if missing_bytes is None or not self.synced:
            raise DesynchronisedError("gap_of_unknown_size" if self.synced else "gap_between_frames")
        ends = list(self._reader.gap(missing_bytes))  # its error comes first: nothing may be counted twice
        if self._control is not None:
            self._control_bytes = b""
        elif self._message is not None:
            self._message.size_bytes += missing_bytes
            self._spoil(self._message, GAP)
        for said in ends:
            yield from self._take(said, time_ns)
        self._settle()

    def lose_frames(self) -> Iterator[Message]:
        """Nobody knows where the next frame begins. Gives the message that was under way."""
        self.synced = False
        self._reader.restart()
        self._control = None
        if self._inflater is not None:
            self._inflater.lose()
        yield from self.finish(GAP)

    def finish(self, problem: str) -> Iterator[Message]:
        """Gives the message that is under way, if there is one, though it has not ended."""
        message, self._message = self._message, None
        if message is not None:
            self._spoil(message, problem)
            yield message.freeze()
        self._settle()

    def release(self) -> None:
        """Give back all memory that lasts: the words of earlier messages."""
        if self._inflater is not None:
            self._inflater.lose()
        self._settle()

    def _take(self, said: Said, time_ns: int) -> Iterator[Message | Close]:
        if isinstance(said, FrameBegin):
            yield from self._begin(said)
        elif isinstance(said, FrameEnd):
            yield from self._end(said.header, time_ns)
        elif self._control is not None:
            self._control_bytes += said
        elif self._message is not None:
            self._add(self._message, said)
        else:
            self._counters.add("http.stray_bytes", len(said))  # goes on with a message whose begin was missed

    def _begin(self, begin: FrameBegin) -> Iterator[Message]:
        header = begin.header
        if header.is_control:
            self._control = header
            self._control_bytes = b""
        elif header.kind != CONTINUATION:
            if header.is_compressed and self._inflater is None:
                raise DesynchronisedError("websocket_compression_not_agreed")
            yield from self.finish(GAP)  # it had no end
            self._message = message = _OpenMessage(begin)
            if message.is_compressed and self._inflater is not None:
                self._inflater.begin()

    def _add(self, message: _OpenMessage, data: bytes) -> None:
        message.size_bytes += len(data)
        if not message.is_compressed:
            self._keep(message, data)
        elif self._inflater is not None and message.problem is None:
            self._inflate(message, self._inflater.feed(data))

    def _end(self, header: FrameHeader, time_ns: int) -> Iterator[Message | Close]:
        if header.is_control:
            self._control = None
            if header.kind == CLOSE:
                code = self._control_bytes[:_CODE_BYTES]
                yield Close(int.from_bytes(code, "big") if len(code) == _CODE_BYTES else None)
            return
        message = self._message
        if message is None:
            return
        message.end_ns = time_ns
        if header.is_final:
            if message.is_compressed and self._inflater is not None and message.problem is None:
                self._inflate(message, self._inflater.end())
            self._message = None
            yield message.freeze()

    def _inflate(self, message: _OpenMessage, pieces: Iterator[bytes]) -> None:
        try:
            for piece in pieces:
                self._keep(message, piece)
                if message.problem is not None:
                    return
        except InflateError:
            self._spoil(message, UNDECODABLE)

    def _keep(self, message: _OpenMessage, data: bytes) -> None:
        if message.problem is not None:
            return
        room_bytes = self._max_bytes - len(message.data)
        message.data += data[:room_bytes]
        if len(data) > room_bytes:
            self._spoil(message, TRUNCATED)

    def _spoil(self, message: _OpenMessage, problem: str) -> None:
        """The first reason stays. What comes after it is left out, and can't be referred to by later messages."""
        if message.problem is None:
            message.problem = problem
            self._counters.add(f"http.websocket.messages_{problem}")
        if message.is_compressed and self._inflater is not None:
            self._inflater.lose()

    def _settle(self) -> None:
        """Bring the account up to what is held: the message, and the inflater, which outlasts all messages."""
        held_bytes = 0 if self._message is None else len(self._message.data)
        if held_bytes != self._charged_bytes:
            self._account.charge(held_bytes - self._charged_bytes)
            self._charged_bytes = held_bytes
        inflater_bytes = 0 if self._inflater is None else self._inflater.held_bytes
        if inflater_bytes != self._inflater_bytes:
            self._account.charge_standing(inflater_bytes - self._inflater_bytes)
            self._inflater_bytes = inflater_bytes
