"""Two real HTTP/2 endpoints (the h2 library) that talk, written down as what the kernel side would report of one.

Also single frames by hand, for what no well-behaved endpoint sends.
"""

from __future__ import annotations

from collections.abc import Iterable

import h2.config
import h2.connection
import h2.events
import h2.settings

from rig.traffic import Tape
from wirespan.capture import Direction

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS, PADDED, HAS_PRIORITY = 1, 4, 8, 32
Fields = list[tuple[str, str]]


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream_id.to_bytes(4, "big") + payload


def get(path: str = "/models", authority: str = "api.example.com") -> Fields:
    return [(":method", "GET"), (":scheme", "https"), (":authority", authority), (":path", path)]


def post(path: str = "/v1/chat", **fields: str) -> Fields:
    named = [(name.replace("_", "-"), value) for name, value in fields.items()]
    return [(":method", "POST"), (":scheme", "https"), (":authority", "api.example.com"), (":path", path), *named]


class Http2Talk:
    """Each `*_says` hands what that endpoint has to say to the other one, as one TLS call, and lets that one read it.
    `tape` is the client's, or the server's with `seen_by_server`."""

    def __init__(self, tape: Tape | None = None, *, seen_by_server: bool = False, frame_bytes: int = 16384) -> None:
        self.tape = tape or Tape()
        self._client_direction = Direction.READ if seen_by_server else Direction.WRITE
        self.client = _endpoint(client_side=True)
        self.server = _endpoint(client_side=False)
        self.server_events: list[h2.events.Event] = []
        for endpoint in (self.client, self.server):
            endpoint.local_settings.max_frame_size = frame_bytes
            endpoint.local_settings[h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS] = 10_000
            endpoint.initiate_connection()
        self.client_says().server_says().client_says()

    def client_says(self, *, recorded: bool = True) -> Http2Talk:
        data = self.client.data_to_send()
        if data:
            self._move(self._client_direction, data, recorded)
            self.server_events += self.server.receive_data(data)
        return self

    def server_says(self, *, recorded: bool = True) -> Http2Talk:
        data = self.server.data_to_send()
        if data:
            self._move(Direction(1 - self._client_direction), data, recorded)
            self.client.receive_data(data)
        return self

    def ask(self, stream_id: int, fields: Fields, body: bytes = b"", *, end: bool = True) -> Http2Talk:
        """A request, each frame in a call of its own."""
        self.client.send_headers(stream_id, fields, end_stream=end and not body)
        self.client_says()
        if body:
            self.send(stream_id, body, end=end)
        return self

    def send(self, stream_id: int, body: bytes, *, end: bool) -> Http2Talk:
        for piece, is_last in _pieces(body, self.client.max_outbound_frame_size):
            self._make_room(self.client, self.server, stream_id, len(piece))
            self.client.send_data(stream_id, piece, end_stream=end and is_last)
            self.client_says()
        return self

    def answer(
        self, stream_id: int, body: bytes = b"", status: int = 200, fields: Fields | None = None, *, end: bool = True
    ) -> Http2Talk:
        head = [(":status", str(status)), *(fields or [])]
        self.server.send_headers(stream_id, head, end_stream=end and not body)
        self.server_says()
        return self.send_back(stream_id, body, end=end) if body else self

    def send_back(self, stream_id: int, body: bytes, *, end: bool) -> Http2Talk:
        for piece, is_last in _pieces(body, self.server.max_outbound_frame_size):
            self._make_room(self.server, self.client, stream_id, len(piece))
            self.server.send_data(stream_id, piece, end_stream=end and is_last)
            self.server_says()
        return self

    def _make_room(
        self,
        sender: h2.connection.H2Connection,
        receiver: h2.connection.H2Connection,
        stream_id: int,
        size_bytes: int,
    ) -> None:
        if sender.local_flow_control_window(stream_id) < size_bytes:
            receiver.increment_flow_control_window(1 << 20)
            receiver.increment_flow_control_window(1 << 20, stream_id)
            (self.server_says if sender is self.client else self.client_says)()

    def _move(self, direction: Direction, data: bytes, recorded: bool) -> None:
        if not recorded:
            self.tape.withhold(direction, data)
        elif direction is Direction.WRITE:
            self.tape.write(data)
        else:
            self.tape.read(data)


def _endpoint(client_side: bool) -> h2.connection.H2Connection:
    return h2.connection.H2Connection(h2.config.H2Configuration(client_side=client_side, header_encoding=None))


def _pieces(body: bytes, size_bytes: int) -> Iterable[tuple[bytes, bool]]:
    starts = range(0, len(body), size_bytes)
    return [(body[start : start + size_bytes], start + size_bytes >= len(body)) for start in starts]
