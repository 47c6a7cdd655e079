"""The calls of one connection and what comes of them, in short: for playbooks of the http room."""

from __future__ import annotations

from collections.abc import Callable

from rig.traffic import Tape
from wirespan.capture import Direction
from wirespan.http import HttpExchange

R, W = Direction.READ, Direction.WRITE
Step = Callable[[Tape], Tape]
# method, target, request content, its completeness, status, response content, its completeness, end
Short = tuple[str, str, bytes | None, bool, int | None, bytes | None, bool | None, str]

GET = b"GET /models HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /chat HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\n"
HEAD = b"HEAD /file HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED_POST = b"POST /chat HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
STREAM = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/event-stream\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.0 200 OK\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"


def short(exchange: HttpExchange) -> Short:
    request, response = exchange.request, exchange.response
    return (
        request.method,
        request.target,
        request.body.content,
        request.body.complete,
        response.status if response else None,
        response.body.content if response else None,
        response.body.complete if response else None,
        exchange.end.value,
    )


def got(content: bytes = b"hello", end: str = "complete", complete: bool = True) -> Short:
    return ("GET", "/models", b"", True, 200, content, complete, end)


def posted(content: bytes = b"hello", end: str = "complete", complete: bool = True) -> Short:
    return ("POST", "/chat", b"{json:}", True, 200, content, complete, end)
