"""An HTTP server that says what a test wants, and keeps what it was sent.

The answers are written byte for byte, so it can also be broken in all the ways servers are.
"""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass(frozen=True)
class Seen:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def otlp(self) -> ExportTraceServiceRequest:
        body = gzip.decompress(self.body) if self.headers.get("content-encoding") == "gzip" else self.body
        return ExportTraceServiceRequest.FromString(body)

    def spans(self) -> list[Span]:
        return [
            span
            for resource_spans in self.otlp().resource_spans
            for scope_spans in resource_spans.scope_spans
            for span in scope_spans.spans
        ]

    def names(self) -> list[str]:
        return [span.name for span in self.spans()]


def answer(status: int, body: bytes = b"", content_type: str = "application/x-protobuf", **headers: str) -> bytes:
    """Header names are given with `_` for `-`."""
    fields = {"Content-Length": str(len(body)), "Content-Type": content_type}
    fields.update({name.replace("_", "-"): value for name, value in headers.items()})
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + body


OK = answer(200)
HANG = b"hang"  # says nothing until the server ends
RESET = b"reset"  # cuts the connection


@dataclass
class OtlpTarget:
    """`say` gives the bytes to answer a request with. Use as a context manager; `url` is its address."""

    say: Callable[[Seen], bytes] = lambda seen: OK
    requests: list[Seen] = field(default_factory=list)
    context: ssl.SSLContext | None = None
    port: int = 0  # 0: a free one, of which another `OtlpTarget` can take the place

    def __enter__(self) -> OtlpTarget:
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._threads.append(threading.Thread(target=self._accept))
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)

    def names(self) -> list[str]:
        """The names of the spans of all requests, in order."""
        return [name for seen in self.requests for name in seen.names()]

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        if self.context is not None:
            try:
                connection = self.context.wrap_socket(connection, server_side=True)
            except OSError:
                connection.close()
                return
        connection.settimeout(0.1)
        with connection, connection.makefile("rb", buffering=0) as raw:
            while not self._ended.is_set():
                seen = self._read(raw.read)
                if seen is None:
                    return
                self.requests.append(seen)
                said = self.say(seen)
                if said == HANG:
                    self._ended.wait(30)
                    return
                if said == RESET:
                    return
                try:
                    connection.sendall(said)
                except OSError:
                    return
                if b"Content-Length" not in said or b"Connection: close" in said:
                    return

    def _read(self, read: Callable[[int], bytes | None]) -> Seen | None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            piece = self._patient(read, 1)
            if not piece:
                return None
            head += piece
        line, *fields = head.decode().strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (item.partition(":") for item in fields)}
        body = b""
        while len(body) < int(headers.get("content-length", "0")):
            piece = self._patient(read, int(headers["content-length"]) - len(body))
            if not piece:
                return None
            body += piece
        method, path, _ = line.split(" ", 2)
        return Seen(method, path, headers, body)

    def _patient(self, read: Callable[[int], bytes | None], size: int) -> bytes:
        while not self._ended.is_set():
            try:
                return read(size) or b""
            except TimeoutError:
                continue
            except OSError:
                return b""
        return b""
