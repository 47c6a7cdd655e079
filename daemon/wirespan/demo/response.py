"""Send one answer as its script wants it: interim answers, framing, coding, pieces, delays, faults. Log what was sent.

Invariant: the truth entry holds exactly the parts whose send was begun, whatever the client does.
"""

from __future__ import annotations

import asyncio
import time

from wirespan.demo.answer import Answer
from wirespan.demo.coding import coder, offered
from wirespan.demo.framing import Head
from wirespan.demo.routes import Routed
from wirespan.demo.script import Script
from wirespan.demo.truth import TruthEntry

_REASONS = {
    100: "Continue",
    103: "Early Hints",
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    429: "Too Many Requests",
    500: "Internal Server Error",
}
_INTERIM_FIELDS = {103: b"link: </style.css>; rel=preload; as=style\r\n"}
# Vendors' edges set cookies and name themselves; a recording must show that cookies never leave the daemon.
_COMMON_FIELDS = (("server", "wirespan-mock"), ("set-cookie", "__cf_bm=mock-session-cookie; HttpOnly; Secure"))


class ResponseSender:
    """Sends one response; `send` returns True if the connection can be used again."""

    def __init__(self, writer: asyncio.StreamWriter, head: Head, routed: Routed, entry: TruthEntry) -> None:
        self._writer = writer
        self._head = head
        self._answer: Answer = routed.answer
        self._script: Script = routed.script
        self._entry = entry
        entry.status = self._answer.status
        entry.encoding = self._encoding()
        entry.framing = self._framing()
        self._coder = coder(entry.encoding)
        self._raw = bytearray()
        self._body = bytearray()

    async def send(self) -> bool:
        try:
            return await self._send()
        except OSError:  # the client left: ConnectionResetError, BrokenPipeError, TLS errors
            self._entry.client_gone = True
            return False
        finally:
            self._entry.response_raw = bytes(self._raw)
            self._entry.response_body = bytes(self._body)
            self._entry.response_end_ns = time.monotonic_ns()

    async def _send(self) -> bool:
        for status in self._script.interim:
            self._entry.interim.append(status)
            fields = _INTERIM_FIELDS.get(status, b"")
            await self._write(f"HTTP/1.1 {status} {_REASONS.get(status, 'Interim')}\r\n".encode() + fields + b"\r\n")
        self._entry.response_start_ns = time.monotonic_ns()
        if self._head.method == "HEAD":
            await self._write(self._response_head(None))
            return self._reusable()
        return await (self._send_whole() if self._entry.framing == "length" else self._send_parts())

    async def _send_whole(self) -> bool:
        if self._answer.size_bytes is not None:
            return await self._send_unkept(self._answer.size_bytes)
        body = b"".join(self._answer.parts)
        encoded = self._coder.encode(body) + self._coder.finish()
        await self._pace()
        await self._write(self._response_head(len(encoded)))
        if self._script.cut_after is not None:
            body, encoded = b"", encoded[: len(encoded) // 2]
        self._keep(body, encoded)
        await self._write(encoded)
        return self._end()

    async def _send_unkept(self, size_bytes: int) -> bool:
        self._entry.response_kept = False
        await self._write(self._response_head(size_bytes))
        for part in self._answer.parts:
            self._entry.response_bytes += len(part)
            await self._write(part)
        return self._reusable()

    async def _send_parts(self) -> bool:
        await self._write(self._response_head(None))
        parts = tuple(self._answer.parts)
        faulty_after = self._script.cut_after if self._script.cut_after is not None else self._script.error_after
        for part in parts if faulty_after is None else parts[:faulty_after]:
            await self._pace()
            await self._send_part(part)
        if self._script.cut_after is not None:
            return self._end()
        if self._script.error_after is not None and self._answer.error_part:
            await self._send_part(self._answer.error_part)
        if tail := self._coder.finish():
            self._keep(b"", tail)
            await self._write(self._framed(tail))
        if self._entry.framing == "chunked":
            await self._write(b"0\r\n\r\n")
        return self._end()

    async def _send_part(self, part: bytes) -> None:
        encoded = self._coder.encode(part)
        self._keep(part, encoded)
        if encoded:
            await self._write(self._framed(encoded))

    def _keep(self, part: bytes, encoded: bytes) -> None:
        self._body += part
        self._raw += encoded
        self._entry.response_bytes += len(part)
        self._entry.events.append((time.monotonic_ns(), len(self._body)))

    def _end(self) -> bool:
        if self._script.cut_after is not None:
            self._entry.cut = True
            return False
        return self._reusable()

    def _reusable(self) -> bool:
        return not (self._closes() or self._head.header("connection").lower() == "close")

    def _closes(self) -> bool:
        return self._entry.framing == "close" or self._script.close or self._head.version == "HTTP/1.0"

    def _framed(self, data: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(data), data) if self._entry.framing == "chunked" else data

    def _encoding(self) -> str:
        if self._script.encoding == "accept":
            return offered(self._head.header("accept-encoding"))
        return self._script.encoding

    def _framing(self) -> str:
        if self._script.framing == "auto" or self._answer.size_bytes is not None:
            return "chunked" if self._answer.streamed else "length"
        return self._script.framing

    def _response_head(self, length: int | None) -> bytes:
        status = self._answer.status
        fields = [*_COMMON_FIELDS, ("content-type", self._answer.content_type), *self._answer.headers]
        if self._entry.encoding:
            fields.append(("content-encoding", self._entry.encoding))
        if length is not None:
            fields.append(("content-length", str(length)))
        elif self._entry.framing == "chunked":
            fields.append(("transfer-encoding", "chunked"))
        elif self._head.method == "HEAD":
            fields.append(("content-length", str(sum(len(part) for part in self._answer.parts))))
        fields.append(("connection", "close" if self._closes() else "keep-alive"))
        lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}"] + [f"{name}: {value}" for name, value in fields]
        self._entry.response_head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        return self._entry.response_head

    async def _write(self, data: bytes) -> None:
        step = self._script.piece_bytes or max(len(data), 1)
        for start in range(0, len(data), step):
            self._writer.write(data[start : start + step])
            await self._writer.drain()

    async def _pace(self) -> None:
        if self._script.delay_ms:
            await asyncio.sleep(self._script.delay_ms / 1000)
