"""HTTP exchanges as the http room hands them on, made from the parts a test cares about."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from wirespan.capture import ConnectionId
from wirespan.http import (
    Body,
    ExchangeEnd,
    Headers,
    HttpExchange,
    HttpRequest,
    HttpResponse,
    RequestHead,
    RequestReceived,
    Role,
)
from wirespan.processes import Process, ProcessKey
from wirespan.streams import Connection

CONNECTION_ID = ConnectionId(pid=4711, handle=0x7F00DEADBEEF, generation=1)

# When things happen unless a test says otherwise, in ns: first byte of the request, last byte of it, first byte of the
# response, first event of a streamed body and the distance of the later ones.
REQUEST_START_NS = 1_000
REQUEST_END_NS = 2_000
RESPONSE_START_NS = 5_000
FIRST_EVENT_NS = 6_000
EVENT_DISTANCE_NS = 100

JSON_HEADERS = {"content-type": "application/json"}
SSE_HEADERS = {"content-type": "text/event-stream; charset=utf-8"}


def connection(server_name: str | None = None) -> Connection:
    process = Process(ProcessKey(4711, 1_000_000), executable="/usr/bin/python3", command_args=("python3", "agent.py"))
    return Connection(CONNECTION_ID, process, server_name, opened_ns=500)


def body_of(content: bytes, time_ns: int = RESPONSE_START_NS, **changes: Any) -> Body:
    """A whole body without content coding that came in one piece at `time_ns`."""
    parts = {
        "raw": content,
        "content": content,
        "size_bytes": len(content),
        "timeline": ((len(content), time_ns),) if content else (),
    }
    return Body(**{**parts, **changes})


def sse_body(events: Iterable[bytes], **changes: Any) -> Body:
    """A body of whole events ("event: x\\ndata: y\\n\\n"), one every `EVENT_DISTANCE_NS` from `FIRST_EVENT_NS` on."""
    content, timeline, time_ns = b"", [], FIRST_EVENT_NS
    for event in events:
        content += event
        timeline.append((len(content), time_ns))
        time_ns += EVENT_DISTANCE_NS
    return body_of(content, **{"timeline": tuple(timeline), **changes})


def data_events(*values: Any) -> list[bytes]:
    """OpenAI's events: only data, each a JSON value or, if it is a string, that text ("[DONE]")."""
    return [b"data: " + _text(value) + b"\n\n" for value in values]


def named_events(*values: Mapping[str, Any]) -> list[bytes]:
    """Anthropic's events: named by the type of their data."""
    return [b"event: " + str(value["type"]).encode() + b"\ndata: " + _text(value) + b"\n\n" for value in values]


def event_time(position: int) -> int:
    """When the event at `position` (from 0) of an `sse_body` had arrived."""
    return FIRST_EVENT_NS + position * EVENT_DISTANCE_NS


def request_of(
    body: Any, path: str = "/v1/chat/completions", method: str = "POST", headers: Mapping[str, str] | None = None
) -> HttpRequest:
    """A request with `body`: a Body, bytes, or a value sent as JSON."""
    return HttpRequest(
        method,
        path,
        "HTTP/1.1",
        _headers({"host": "api.example.com", **JSON_HEADERS, **(headers or {})}),
        _body(body, REQUEST_END_NS),
        REQUEST_START_NS,
        REQUEST_END_NS,
    )


def response_of(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    content = _body(body, RESPONSE_START_NS)
    end_ns = content.timeline[-1][1] if content.timeline else RESPONSE_START_NS
    return HttpResponse(
        status,
        "",
        "HTTP/1.1",
        _headers(JSON_HEADERS if headers is None else headers),
        content,
        RESPONSE_START_NS,
        end_ns,
    )


def exchange_of(
    request: HttpRequest,
    response: HttpResponse | None,
    authority: str = "api.example.com",
    end: ExchangeEnd = ExchangeEnd.COMPLETE,
    end_ns: int = 99_000,
    role: Role = Role.CLIENT,
) -> HttpExchange:
    return HttpExchange(connection(), "http/1.1", role, 7, authority, request, response, end, end_ns)


def head_of(request: HttpRequest, authority: str = "api.example.com", role: Role = Role.CLIENT) -> RequestHead:
    return RequestHead(
        connection(), 7, role, request.method, request.target, authority, request.headers, REQUEST_START_NS
    )


def received_of(request: HttpRequest, authority: str = "api.example.com", role: Role = Role.CLIENT) -> RequestReceived:
    return RequestReceived(connection(), 7, role, authority, request)


def _body(body: Any, time_ns: int) -> Body:
    if isinstance(body, Body):
        return body
    return body_of(body if isinstance(body, bytes) else _text(body), time_ns)


def _text(value: Any) -> bytes:
    return (value if isinstance(value, str) else json.dumps(value)).encode()


def _headers(fields: Mapping[str, str]) -> Headers:
    return tuple((name.encode(), value.encode("latin-1")) for name, value in fields.items())
