"""HTTP/1.1 read passively: streams in, request heads and whole exchanges out. Credentials end here.

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
    RequestHead,
    RequestReceived,
    Role,
    Uncovered,
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
    "NdjsonLine",
    "RequestHead",
    "RequestReceived",
    "Role",
    "SseEvent",
    "Uncovered",
    "header",
    "iter_ndjson",
    "iter_sse",
    "mask_credentials_in_place",
]
