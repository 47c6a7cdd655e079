"""Is this request a model call, and in which API's words: by path and required keys first, by body shape second.

Invariant: whatever is not read is refused with a reason that is counted; the host never decides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from wirespan.capture import VerdictKind
from wirespan.http import Headers, HttpRequest, header
from wirespan.llm.api import Api
from wirespan.llm.fields import JsonObject, is_object
from wirespan.llm.formats import BY_NAME, Format, Kind, PathMatch, match_path
from wirespan.llm.json_text import JsonText, parse_json
from wirespan.llm.settings import LlmSettings
from wirespan.llm.shapes import is_json_rpc, is_telemetry, may_have_shape, shape_of
from wirespan.llm.target import path_of

# OTLP/HTTP (opentelemetry-proto specification): traces, metrics, logs, and profiles in development.
_OTLP_PATH = re.compile(r"/v1(?:development)?/(?:traces|metrics|logs|profiles)$")

# Content types under which a JSON body was seen: curl -d says urlencoded, beacons say text/plain.
_MAYBE_JSON = re.compile(rb"(?:[^;,\s]*json|text/plain|application/x-www-form-urlencoded|\*/\*|)\s*(?:;|,|$)", re.I)


@dataclass(frozen=True, slots=True)
class Found:
    """A model call. `sure` is False when only the shape says so: then the answer has to confirm it."""

    api: Api
    sure: bool
    path: str
    request: JsonText


@dataclass(frozen=True, slots=True)
class Refused:
    """No model call, or none that can be read. `count` is the rest of the counter name behind "llm.". `idle`: a
    request in an API's words that asks for no answer, such as a prewarming."""

    count: str
    idle: Found | None = None


_METHOD = Refused("not_inference.method")
_OWN_ENDPOINT = Refused("not_inference.own_endpoint")
_TELEMETRY = Refused("not_inference.telemetry")
_SHAPE = Refused("not_inference.shape")
_UNKNOWN = Refused("not_inference.unknown")
_UNREADABLE = Refused("not_inference.unreadable_body")


def judge_head(
    method: str, target: str, authority: str, headers: Headers, settings: LlmSettings
) -> tuple[VerdictKind | None, Format | None]:
    """What the head alone proves (None: the body has to tell), and the format its path names."""
    match = match_path(path_of(target))
    row = match.row if match is not None else None
    if not may_be_post(method):
        # Realtime and Responses over WebSocket begin as GET + Upgrade (RFC 6455 section 4.1).
        return (None if header(headers, b"upgrade") is not None else VerdictKind.MUTED), row
    if _refused_endpoint(target, authority, settings) is not None:
        return VerdictKind.MUTED, row
    if match is None:
        maybe_json = _MAYBE_JSON.match((header(headers, b"content-type") or b"").strip()) is not None
        return (None if maybe_json else VerdictKind.MUTED), None
    if match.row.kind is not Kind.INFERENCE:
        return VerdictKind.MUTED, row
    return (VerdictKind.WANTED if match.sure or _names_anthropic(headers) else None), row


def detect(request: HttpRequest, authority: str, settings: LlmSettings) -> Found | Refused:
    """Decide on a whole request. Cut and unreadable bodies are accepted only where the path alone is proof."""
    if not may_be_post(request.method):
        return _METHOD
    refused = _refused_endpoint(request.target, authority, settings)
    if refused is not None:
        return refused
    path = path_of(request.target)
    match = match_path(path)
    if match is not None and match.row.kind is not Kind.INFERENCE:
        return Refused(f"not_inference.{match.row.kind.value}")
    content = request.body.content
    if match is None and (content is None or not may_have_shape(content)):
        return _UNKNOWN
    parsed = _parse(request)
    decided = _by_shape(parsed) if match is None else _by_path(match, parsed, request.headers)
    if isinstance(decided, Refused):
        return decided
    if decided.api is None:
        return Refused(f"uncovered.{decided.name}")
    is_sure = match is not None and (match.sure or _names_anthropic(request.headers))
    found = Found(decided.api, is_sure, path, parsed)
    reason = decided.api.not_inference(parsed.value) if is_object(parsed.value) else None
    return found if reason is None else Refused(f"not_inference.{reason}", found)


def may_be_post(method: str) -> bool:
    """Also where it was lost: "?" stands for what an HTTP/2 header table held that was missed; the rest has to tell."""
    return method in ("POST", "?")


def _refused_endpoint(target: str, authority: str, settings: LlmSettings) -> Refused | None:
    path = path_of(target)
    if _OTLP_PATH.search(path):
        return _TELEMETRY
    place = (authority + path).lower()
    if any(place.startswith(endpoint.lower()) for endpoint in settings.own_endpoints):
        return _OWN_ENDPOINT
    return None


def _names_anthropic(headers: Headers) -> bool:
    """Every client of the Messages API must send anthropic-version; nobody else does."""
    return header(headers, b"anthropic-version") is not None


def _parse(request: HttpRequest) -> JsonText:
    if request.body.content is None:
        return JsonText(None, problem=f"body not decoded: {request.body.decode_error or 'bytes are missing'}")
    return parse_json(request.body.content)


def _by_shape(parsed: JsonText) -> Format | Refused:
    if not is_object(parsed.value):
        return _UNREADABLE
    if is_telemetry(parsed.value):
        return _TELEMETRY
    shape = shape_of(parsed.value)
    return BY_NAME[shape] if shape is not None else _UNKNOWN


def _by_path(match: PathMatch, parsed: JsonText, headers: Headers) -> Format | Refused:
    body = parsed.value
    whole = parsed.text is None
    if not is_object(body):
        if whole and body is not None:
            return _SHAPE
        is_proof = match.sure and (match.row.name != "anthropic.messages" or _names_anthropic(headers))
        return match.row if is_proof else _UNREADABLE
    if is_json_rpc(body):
        return BY_NAME["mcp"]
    if match.row.name == "anthropic.messages":
        return match.row if _is_anthropic(body, whole, headers) else _SHAPE
    if match.row.has_required(body) or (match.sure and not whole):
        return match.row
    return _SHAPE


def _is_anthropic(body: JsonObject, whole: bool, headers: Headers) -> bool:
    """POST .../messages is what any chat product calls its own endpoint, so the body has to be a model call."""
    if _names_anthropic(headers):
        return not whole or any(key in body for key in ("model", "messages"))
    if is_telemetry(body) or not BY_NAME["anthropic.messages"].has_required(body):
        return False
    return shape_of(body) in ("anthropic.messages", "openai.chat")
