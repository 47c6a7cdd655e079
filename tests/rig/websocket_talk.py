"""Two real WebSocket endpoints (the websockets library) that talk, written down as the kernel side would report one.

Also single frames by hand, for what no well-behaved endpoint sends.
"""

from __future__ import annotations

from collections.abc import Callable

from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory
from websockets.http11 import Request
from websockets.protocol import Protocol
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from rig.traffic import Tape
from wirespan.capture import Direction

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MASK = b"\x37\xfa\x21\x3d"


def frame(
    kind: int, payload: bytes = b"", *, fin: bool = True, mask: bytes = b"", rsv: int = 0, length: int | None = None
) -> bytes:
    """`length` says another one than the payload has."""
    size = len(payload) if length is None else length
    masked = 0x80 if mask else 0
    if size < 126:
        head = bytes([masked | size])
    elif size < 1 << 16:
        head = bytes([masked | 126]) + size.to_bytes(2, "big")
    else:
        head = bytes([masked | 127]) + size.to_bytes(8, "big")
    body = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload)) if mask else payload
    return bytes([(0x80 if fin else 0) | rsv << 4 | kind]) + head + mask + body


class WebSocketTalk:
    """`tape` is the client's, or the server's with `seen_by_server`. `compression`: None, or the parameters of both
    factories of permessage-deflate."""

    def __init__(
        self,
        target: str = "/v1/responses",
        *,
        compression: dict[str, int | bool] | None = None,
        seen_by_server: bool = False,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.tape = Tape()
        self._client_direction = Direction.READ if seen_by_server else Direction.WRITE
        offered = [] if compression is None else [ClientPerMessageDeflateFactory(**compression)]
        accepted = [] if compression is None else [ServerPerMessageDeflateFactory(**compression)]
        self.client = ClientProtocol(parse_uri(f"wss://api.example.com{target}"), extensions=offered, max_size=None)
        self.server = ServerProtocol(extensions=accepted, max_size=None)
        request = self.client.connect()
        for name, value in (headers or {}).items():
            request.headers[name] = value
        self.client.send_request(request)
        self.client_says()
        (seen,) = self.server.events_received()
        assert isinstance(seen, Request)
        self.server.send_response(self.server.accept(seen))
        self.server_says()

    def client_says(self, *, recorded: bool = True) -> WebSocketTalk:
        self._move(self.client, self.server, self._client_direction, recorded)
        return self

    def server_says(self, *, recorded: bool = True) -> WebSocketTalk:
        self._move(self.server, self.client, Direction(1 - self._client_direction), recorded)
        return self

    def ask(self, text: str, *, recorded: bool = True) -> WebSocketTalk:
        self.client.send_text(text.encode())
        return self.client_says(recorded=recorded)

    def answer(self, text: str, *, recorded: bool = True) -> WebSocketTalk:
        self.server.send_text(text.encode())
        return self.server_says(recorded=recorded)

    def by_client(self, act: Callable[[Protocol], object]) -> WebSocketTalk:
        act(self.client)
        return self.client_says()

    def by_server(self, act: Callable[[Protocol], object]) -> WebSocketTalk:
        act(self.server)
        return self.server_says()

    def _move(self, sender: Protocol, receiver: Protocol, direction: Direction, recorded: bool) -> None:
        data = b"".join(sender.data_to_send())
        if not data:
            return
        if not recorded:
            self.tape.withhold(direction, data)
        elif direction is Direction.WRITE:
            self.tape.write(data)
        else:
            self.tape.read(data)
        receiver.receive_data(data)
