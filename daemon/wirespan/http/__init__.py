"""HTTP/1.1 read passively: streams in, request heads and whole exchanges out. Credentials end here.

Invariant: an `HttpExchange` never holds an authorization header, a cookie or an API key.
"""

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

__all__ = [
    "Body",
    "BodyGap",
    "ExchangeEnd",
    "Headers",
    "HttpEvent",
    "HttpExchange",
    "HttpRequest",
    "HttpResponse",
    "RequestHead",
    "RequestReceived",
    "Role",
    "Uncovered",
    "header",
]
