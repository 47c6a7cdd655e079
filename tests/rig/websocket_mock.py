"""A model API on a WebSocket (the websockets library), with the truth of every message: `python -m rig.websocket_mock`.

Same arguments and first line as `wirespan.demo.server`. Each message that asks is answered by a list of events as
OpenAI's Responses over WebSocket does it: {"type": "response.create", "case": ..., "deltas": how many}.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from wirespan.demo.tls import make_authority

HOST = "127.0.0.1"
_MAX_BYTES = 64 << 20


@dataclass(frozen=True)
class Said:
    """One message. `extensions`: what was agreed for its socket."""

    path: str
    socket: int
    extensions: str
    from_client: bool
    kind: str
    data: bytes


def read_said(truth: Path, run_id: str) -> Iterator[Said]:
    """All messages of that run, in the order the server sent or got them."""
    for line in truth.read_bytes().splitlines():
        values = json.loads(line)
        if f"/run/{run_id}/" in values["path"]:
            yield Said(**{**values, "data": base64.b64decode(values["data"])})


class Conversation:
    """One socket."""

    numbers = count(1)

    def __init__(self, socket: ServerConnection, truth: BinaryIO) -> None:
        self._socket = socket
        self._truth = truth
        self._number = next(self.numbers)

    async def hold(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for message in self._socket:
                self._write_down(message, from_client=True)
                await self._answer(json.loads(message), isinstance(message, bytes))

    async def _answer(self, asked: dict[str, Any], in_binary: bool) -> None:
        case = asked["case"]
        deltas = [{"type": "response.output_text.delta", "delta": f"{case} {n} "} for n in range(asked["deltas"])]
        text = "".join(delta["delta"] for delta in deltas)
        created = {"type": "response.created", "response": {"id": f"resp_{case}"}}
        done = {"type": "response.completed", "response": {"id": f"resp_{case}", "text": text}}
        for event in (created, *deltas, done):
            encoded = json.dumps(event, ensure_ascii=False)
            message: str | bytes = encoded.encode() if in_binary else encoded
            self._write_down(message, from_client=False)
            if asked.get("fragments") and len(encoded) > 40:
                await self._socket.send([message[:20], message[20:]])
                await self._socket.ping()
            else:
                await self._socket.send(message)
            if asked.get("delay_ms"):
                await asyncio.sleep(asked["delay_ms"] / 1000)

    def _write_down(self, message: str | bytes, from_client: bool) -> None:
        data = message.encode() if isinstance(message, str) else message
        request, response = self._socket.request, self._socket.response
        assert request is not None
        assert response is not None
        said = {
            "path": request.path,
            "socket": self._number,
            "extensions": response.headers.get("Sec-WebSocket-Extensions", ""),
            "from_client": from_client,
            "kind": "text" if isinstance(message, str) else "binary",
            "data": base64.b64encode(data).decode(),
        }
        self._truth.write(json.dumps(said).encode() + b"\n")


async def _run(options: argparse.Namespace) -> None:
    authority = make_authority()
    authority.write_certificate(options.ca_out)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with options.truth.open("ab", buffering=0) as truth:
        async with serve(
            lambda socket: Conversation(socket, truth).hold(),
            HOST,
            options.port,
            ssl=authority.server_context,
            max_size=_MAX_BYTES,
        ) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            print(json.dumps({"ready": True, "pid": os.getpid(), "ports": {"tls": port, "plain": 0}}), flush=True)
            await stop.wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--plain-port", type=int, help="as the demo server has it; not used")
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--ca-out", type=Path, required=True)
    asyncio.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
