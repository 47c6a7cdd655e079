"""A plain HTTP server on loopback that answers with what it was told, and remembers what it was asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Answer:
    body: bytes
    content_type: str = "application/json"
    status: int = 200


@dataclass
class Exchange:
    target: str
    request: bytes
    answer: Answer


@dataclass
class Script:
    """`answers` are used up one a request; `seen` grows."""

    url: str = ""
    answers: list[Answer] = field(default_factory=list)
    seen: list[Exchange] = field(default_factory=list)

    def take(self) -> list[Exchange]:
        """What was seen since the last time."""
        seen, self.seen = self.seen, []
        return seen


@contextmanager
def scripted_server() -> Iterator[Script]:
    script = Script()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            answer = script.answers.pop(0)
            script.seen.append(Exchange(self.path, body, answer))
            self.send_response(answer.status)
            self.send_header("content-type", answer.content_type)
            self.send_header("content-length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_arguments: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    script.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield script
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
