"""The mock's answers over HTTP/2 (the h2 library), with the truth of every stream: `python -m rig.http2_mock`.

Same arguments and first line as `wirespan.demo.server`. It pads frames, sends interim answers, trailers and header
sections that need CONTINUATION, so that a capture of it shows these too. ALPN offers nothing but h2.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import time
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions

from wirespan.demo.coding import coder, offered
from wirespan.demo.framing import Head
from wirespan.demo.routes import Routed, Routes
from wirespan.demo.tls import make_authority
from wirespan.demo.truth import TruthEntry, TruthLog

HOST = "127.0.0.1"
PADDING_BYTES = 7
_LARGE_FIELD = ("x-large", "continued " * 2_500)  # above the largest frame of 16 KiB
_COMMON_FIELDS = (("server", "wirespan-mock"), ("set-cookie", "__cf_bm=mock-session-cookie; HttpOnly; Secure"))


@dataclass
class Incoming:
    """A request of which not all has arrived."""

    entry: TruthEntry
    head: Head
    body: bytearray = field(default_factory=bytearray)


class Http2Server(asyncio.Protocol):
    """One connection."""

    numbers = count(1)
    requests = count(1)

    def __init__(self, routes: Routes, truth: TruthLog) -> None:
        self._routes = routes
        self._truth = truth
        self._number = next(self.numbers)
        configuration = h2.config.H2Configuration(client_side=False, header_encoding="latin-1")
        self._h2 = h2.connection.H2Connection(configuration)
        self._incoming: dict[int, Incoming] = {}
        self._answers: dict[int, asyncio.Task[None]] = {}
        self._window_grew = asyncio.Event()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._h2.initiate_connection()
        self._flush()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._window_grew.set()
        for answer in list(self._answers.values()):
            answer.cancel()

    def data_received(self, data: bytes) -> None:
        try:
            events = self._h2.receive_data(data)
        except h2.exceptions.ProtocolError:
            events = []
        for event in events:
            self._take(event)
        self._flush()

    def _take(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RequestReceived):
            self._begin(event.stream_id, list(event.headers))
        elif isinstance(event, h2.events.DataReceived):
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            if event.stream_id in self._incoming:
                self._incoming[event.stream_id].body += event.data
        elif isinstance(event, h2.events.StreamEnded):
            incoming = self._incoming.pop(event.stream_id, None)
            if incoming is not None:
                self._answers[event.stream_id] = asyncio.ensure_future(self._answer(event.stream_id, incoming))
        elif isinstance(event, h2.events.StreamReset):
            answer = self._answers.get(event.stream_id)
            if answer is not None:
                answer.cancel()
        elif isinstance(event, (h2.events.WindowUpdated, h2.events.RemoteSettingsChanged)):
            self._window_grew.set()

    def _begin(self, stream_id: int, fields: list[tuple[str, str]]) -> None:
        pseudo = dict(fields[:5])
        headers = tuple((name, value) for name, value in fields if not name.startswith(":"))
        now_ns = time.monotonic_ns()
        head = Head(pseudo[":method"], pseudo[":path"], "HTTP/2", headers, b"", now_ns)
        entry = TruthEntry(
            id=next(self.requests),
            connection=self._number,
            tls=True,
            method=head.method,
            path=head.target,
            authority=pseudo[":authority"],
            request_head=b"",
            request_start_ns=now_ns,
            framing="h2",
            stream_id=stream_id,
        )
        self._incoming[stream_id] = Incoming(entry, head)

    async def _answer(self, stream_id: int, incoming: Incoming) -> None:
        entry, body = incoming.entry, bytes(incoming.body)
        entry.request_wire = entry.request_raw = body
        entry.request_end_ns = time.monotonic_ns()
        routed = self._routes.route(incoming.head, body)
        entry.request_body, entry.problem, entry.attempt = routed.body, routed.problem, routed.attempt
        try:
            await self._send(stream_id, incoming.head, routed, entry)
        except (asyncio.CancelledError, h2.exceptions.ProtocolError):
            entry.client_gone = True
        finally:
            entry.response_end_ns = time.monotonic_ns()
            self._truth.add(entry)
            del self._answers[stream_id]

    async def _send(self, stream_id: int, head: Head, routed: Routed, entry: TruthEntry) -> None:
        answer, script = routed.answer, routed.script
        entry.status = answer.status
        entry.encoding = offered(head.header("accept-encoding")) if script.encoding == "accept" else script.encoding
        for status in script.interim:
            entry.interim.append(status)
            self._h2.send_headers(stream_id, [(":status", str(status))])
        fields = [(":status", str(answer.status)), *_COMMON_FIELDS, ("content-type", answer.content_type)]
        fields += [*answer.headers, *([("content-encoding", entry.encoding)] if entry.encoding else [])]
        fields += [_LARGE_FIELD] if head.target.endswith("/models") else []
        entry.response_start_ns = time.monotonic_ns()
        self._h2.send_headers(stream_id, fields, end_stream=head.method == "HEAD")
        self._flush()
        if head.method == "HEAD":
            return
        coding = coder(entry.encoding)
        for number, part in enumerate(answer.parts):
            if script.delay_ms:
                await asyncio.sleep(script.delay_ms / 1000)
            if number == script.cut_after:
                entry.cut = True
                self._h2.reset_stream(stream_id, h2.errors.ErrorCodes.INTERNAL_ERROR)
                self._flush()
                return
            await self._send_part(stream_id, coding.encode(part), part, entry)
        await self._send_part(stream_id, coding.finish(), b"", entry)
        if answer.streamed:
            self._h2.send_headers(stream_id, [("x-checksum", "of trailers")], end_stream=True)
        else:
            self._h2.end_stream(stream_id)
        self._flush()

    async def _send_part(self, stream_id: int, raw: bytes, part: bytes, entry: TruthEntry) -> None:
        entry.response_body += part
        entry.response_raw += raw
        entry.response_bytes += len(part)
        sent_bytes = 0
        while sent_bytes < len(raw):
            room_bytes = await self._room(stream_id)
            piece = raw[sent_bytes : sent_bytes + room_bytes]
            self._h2.send_data(stream_id, piece, pad_length=PADDING_BYTES if sent_bytes % 2 else None)
            sent_bytes += len(piece)
            self._flush()

    async def _room(self, stream_id: int) -> int:
        """How much may be sent now, padding included; waits until it is something."""
        while True:
            window_bytes = self._h2.local_flow_control_window(stream_id) - PADDING_BYTES - 1
            if window_bytes > 0:
                return min(window_bytes, self._h2.max_outbound_frame_size - PADDING_BYTES - 1)
            self._window_grew.clear()
            await self._window_grew.wait()

    def _flush(self) -> None:
        data = self._h2.data_to_send()
        if data and self._transport is not None:
            self._transport.write(data)


async def _run(options: argparse.Namespace) -> None:
    authority = make_authority()
    authority.server_context.set_alpn_protocols(["h2"])
    authority.write_certificate(options.ca_out)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    routes, truth = Routes(), TruthLog(options.truth)
    server = await loop.create_server(
        lambda: Http2Server(routes, truth), HOST, options.port, ssl=authority.server_context
    )
    port = server.sockets[0].getsockname()[1]
    print(json.dumps({"ready": True, "pid": os.getpid(), "ports": {"tls": port, "plain": 0}}), flush=True)
    await stop.wait()
    server.close()
    truth.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--plain-port", type=int, help="as the demo server has it; not used")
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--ca-out", type=Path, required=True)
    asyncio.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
