"""What the pipeline says, as JSON objects for people and programs. Bytes are base64, times wall-clock nanoseconds."""

from __future__ import annotations

import base64
import json
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan

from wirespan.clock import WallClock
from wirespan.http import Body, Headers, HttpExchange, WebSocketMessage
from wirespan.llm import Inference
from wirespan.spans import redact_arguments


def _base64(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode("ascii")


def _headers(headers: Headers) -> list[list[str]]:
    return [[name.decode("latin-1"), value.decode("latin-1")] for name, value in headers]


def body_to_json(body: Body | None, prefix: str) -> dict[str, object]:
    """`<prefix>_body_b64`: both codings undone (null if that failed); `<prefix>_body_raw_b64`: content coding left."""
    return {
        f"{prefix}_body_b64": _base64(body.content) if body else None,
        f"{prefix}_body_raw_b64": _base64(body.raw) if body else None,
        f"{prefix}_content_encoding": body.content_encoding if body else "",
        f"{prefix}_size_bytes": body.size_bytes if body else 0,
        f"{prefix}_complete": body.complete if body else False,
        f"{prefix}_truncated": body.truncated if body else False,
        f"{prefix}_gaps": [[gap.offset, gap.missing_bytes] for gap in body.gaps] if body else [],
        f"{prefix}_decode_error": body.decode_error if body else None,
    }


def exchange_to_json(exchange: HttpExchange, clock: WallClock) -> dict[str, object]:
    request, response = exchange.request, exchange.response
    process = exchange.connection.process
    return {
        "pid": process.pid,
        "exe": process.executable,
        "command_args": list(redact_arguments(process.command_args)),
        "protocol": exchange.protocol,
        "role": exchange.role.value,
        "method": request.method,
        "authority": exchange.authority,
        "path": request.target,
        "status": response.status if response else None,
        "start_ns": clock.wall_ns(request.start_ns),
        "end_ns": clock.wall_ns(exchange.end_ns),
        "end": exchange.end.value,
        "joined_mid_stream": exchange.joined_mid_stream,
        "stream_id": exchange.stream_id,
        "unknown_fields": exchange.unknown_fields,
        "server_name": exchange.connection.server_name,
        "request_headers": _headers(request.headers),
        "response_headers": _headers(response.headers) if response else None,
        **body_to_json(request.body, "request"),
        **body_to_json(response.body if response else None, "response"),
    }


def message_to_json(message: WebSocketMessage, clock: WallClock) -> dict[str, object]:
    """`direction`: "read" or "write", as the process did it; `message_b64`: fragments joined, unmasked, inflated."""
    socket = message.socket
    process = socket.connection.process
    return {
        "pid": process.pid,
        "exe": process.executable,
        "command_args": list(redact_arguments(process.command_args)),
        "protocol": "websocket",
        "role": socket.role.value,
        "authority": socket.authority,
        "path": socket.target,
        "start_ns": clock.wall_ns(message.start_ns),
        "end_ns": clock.wall_ns(message.end_ns),
        "joined_mid_stream": socket.joined_mid_stream,
        "stream_id": socket.stream_id,
        "server_name": socket.connection.server_name,
        "direction": message.direction.name.lower(),
        "kind": message.kind.value,
        "message_b64": _base64(message.data),
        "message_size_bytes": message.size_bytes,
        "problem": message.problem,
    }


def plain(value: Any, clock: WallClock) -> Any:
    """Dataclasses, enums, tuples and bytes as JSON values. A dataclass's fields in `_ns` are times; an HttpExchange is
    left to `exchange_to_json`."""
    if is_dataclass(value) and not isinstance(value, type):
        return {"part": type(value).__name__, **_named(value, clock)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (tuple, list)):
        return [plain(item, clock) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item, clock) for key, item in value.items()}
    if isinstance(value, bytes):
        return _base64(value)
    return value


def _named(value: Any, clock: WallClock) -> dict[str, Any]:
    named = {field.name: getattr(value, field.name) for field in fields(value) if field.name != "exchange"}
    return {
        name: clock.wall_ns(field) if name.endswith("_ns") and field is not None else plain(field, clock)
        for name, field in named.items()
    }


def inference_to_json(inference: Inference, clock: WallClock) -> dict[str, object]:
    exchange = inference.exchange
    return {
        "pid": exchange.connection.process.pid,
        "exe": exchange.connection.process.executable,
        "authority": exchange.authority,
        "path": exchange.request.target,
        "status": exchange.response.status if exchange.response else None,
        **_named(inference, clock),
    }


def span_to_json(span: ReadableSpan) -> dict[str, object]:
    value: dict[str, object] = json.loads(span.to_json(indent=0))
    return value
