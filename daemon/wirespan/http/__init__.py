"""HTTP/1, HTTP/2 and WebSocket read passively: streams in, request heads, whole exchanges and messages out. Credentials
in fields and targets end here.

Invariant: an `HttpExchange` never holds an authorization header, a cookie or an API key.
"""

from wirespan.http.credentials import mask_credentials_in_place
from wirespan.http.exchange import (
    Body,
    BodyGap,
    ExchangeEnd,
    Headers,
    HttpEvent,
    HttpExchange,
    HttpRequest,
    HttpResponse,
    MessageKind,
    RequestHead,
    RequestReceived,
    Role,
    Uncovered,
    WebSocket,
    WebSocketClosed,
    WebSocketMessage,
    WebSocketOpened,
    header,
)
from wirespan.http.ndjson import NdjsonLine, iter_ndjson
from wirespan.http.room import Http
from wirespan.http.settings import HttpSettings
from wirespan.http.sse import SseEvent, iter_sse

__all__ = [
    "Body",
    "BodyGap",
    "ExchangeEnd",
    "Headers",
    "Http",
    "HttpEvent",
    "HttpExchange",
    "HttpRequest",
    "HttpResponse",
    "HttpSettings",
    "MessageKind",
    "NdjsonLine",
    "RequestHead",
    "RequestReceived",
    "Role",
    "SseEvent",
    "Uncovered",
    "WebSocket",
    "WebSocketClosed",
    "WebSocketMessage",
    "WebSocketOpened",
    "header",
    "iter_ndjson",
    "iter_sse",
    "mask_credentials_in_place",
]
