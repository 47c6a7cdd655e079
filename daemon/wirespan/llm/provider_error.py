"""The error a provider, a gateway or a web server in front of it answered with, in one form.

Read from: {"error": {type, message, code}} (OpenAI, Anthropic, Azure, OpenRouter), the same in an array (Gemini),
{"error": "text"} (Ollama, xAI), {"type", "message", "code"} (Mistral, vLLM), {"detail": ...} (FastAPI), and HTML.
"""

from __future__ import annotations

import html
import json
import math
import re
from datetime import timezone
from email.utils import parsedate_to_datetime

from wirespan.http import Headers, HttpResponse, header
from wirespan.llm.fields import JsonObject, is_object, mapping, objects, sequence, string
from wirespan.llm.inference import InferenceError, Json

_TITLE = re.compile(r"<title[^>]*>([^<]*)", re.IGNORECASE)
_MESSAGE_LIMIT = 1000  # characters of a body that has no message field; the whole stands in response_json
_SEARCHED = 10_000  # characters; a title stands early, and the search is quadratic on hostile text


def error_from_response(response: HttpResponse, body: Json) -> InferenceError:
    """The error of a response whose status is none of success. `body`: its JSON, or its text, or None."""
    status = str(response.status)
    said = error_from_json(body) or _loosely_stated(body)
    retry_after_s = retry_after(response.headers)
    if retry_after_s is None and said is not None:
        retry_after_s = said.retry_after_s
    if said is not None:
        return InferenceError(said.type or status, said.message or _status_line(response), retry_after_s)
    if isinstance(body, str) and body.strip():
        return InferenceError(status, f"{_status_line(response)}: {_plain(body)}", retry_after_s)
    if body:
        return InferenceError(status, json.dumps(body)[:_MESSAGE_LIMIT], retry_after_s)
    return InferenceError(status, _status_line(response), retry_after_s)


def error_from_json(body: Json) -> InferenceError | None:
    """The error that `body` states; `type` and `message` are empty where it names none. None: it states no error."""
    if isinstance(body, list) and body:
        body = body[0]
    if not is_object(body):
        return None
    error = body.get("error")
    if isinstance(error, str) and error:
        return InferenceError(string(body, "code") or string(body, "type") or "", error)
    if is_object(error) and error:
        return _from_object(error)
    return _from_object(body) if body.get("object") == "error" else None


def error_from_event(event: Json, status: int) -> InferenceError:
    """The error that an event of a stream is, which had begun with `status`."""
    said = error_from_json(event) or _loosely_stated(event) or InferenceError("", json.dumps(event)[:_MESSAGE_LIMIT])
    return InferenceError(said.type or str(status), said.message, said.retry_after_s)


def _loosely_stated(body: Json) -> InferenceError | None:
    """What only the status tells to be an error: {"message": ...}, {"detail": ...}."""
    if not is_object(body):
        return None
    if string(body, "message") is not None:
        return _from_object(body)
    detail = body.get("detail")
    if not detail:
        return None
    return InferenceError("", detail if isinstance(detail, str) else json.dumps(detail)[:_MESSAGE_LIMIT])


def _from_object(error: JsonObject) -> InferenceError:
    kind = string(error, "type")
    if kind in (None, "error", "None"):  # OpenAI's error event is of type "error"; LiteLLM writes None as a word
        kind = string(error, "status") or string(error, "code") or kind
    code = error.get("code")
    if kind is None and isinstance(code, int) and not isinstance(code, bool):
        kind = str(code)
    inner = mapping(error, "metadata").get("raw")  # OpenRouter: what the provider behind it said
    message = string(error, "message") or (inner if isinstance(inner, str) else None) or string(error, "detail")
    return InferenceError(kind or "", message or "", _retry_delay(error))


def _retry_delay(error: JsonObject) -> float | None:
    """google.rpc.RetryInfo among the details of a google.rpc.Status: {"@type": ..., "retryDelay": "34.5s"}."""
    delays = (string(detail, "retryDelay") for detail in objects(sequence(error, "details")))
    delay = next((delay for delay in delays if delay is not None), "")
    return _non_negative(delay.removesuffix("s").encode("ascii", "replace")) if delay.endswith("s") else None


def retry_after(headers: Headers) -> float | None:
    """Seconds the server asks to wait. retry-after-ms (OpenAI, Azure) is the finer one and wins; an HTTP date counts
    from the response's own Date (RFC 9110 section 10.2.3), since this room has no clock."""
    milliseconds = _non_negative(header(headers, b"retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = header(headers, b"retry-after")
    seconds = _non_negative(value)
    if seconds is not None or value is None:
        return seconds
    until, now = _timestamp(value), _timestamp(header(headers, b"date"))
    return max(0.0, until - now) if until is not None and now is not None else None


def _non_negative(value: bytes | None) -> float | None:
    try:
        number = float(value or b"")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _timestamp(value: bytes | None) -> float | None:
    if value is None:
        return None
    try:
        moment = parsedate_to_datetime(value.decode("latin-1"))
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):  # the first is documented, the others were met
        return None


def _status_line(response: HttpResponse) -> str:
    return f"HTTP {response.status} {response.reason}".rstrip()


def _plain(body: str) -> str:
    body = body[:_SEARCHED]
    title = _TITLE.search(body)
    if title is not None and title[1].strip():
        return html.unescape(title[1].strip())[:_MESSAGE_LIMIT]
    return body.strip()[:_MESSAGE_LIMIT]
