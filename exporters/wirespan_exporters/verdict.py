"""HTTP answers of an OTLP target as results: what is worth another try, what is the batch's fault, what is nobody's.

OTLP says which to retry (429, 502, 503, 504); MLflow adds its own habits: 500 for a single value it can't store, 302
to a login page, 404 for an experiment that is gone.
"""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from wirespan_exporters.http_client import HttpAnswer
from wirespan_exporters.result import Delivered, ExportResult, Held, Rejected, Retry

_REJECTED = frozenset({400, 413, 422})
_RETRIED = frozenset({408, 425, 429, 502, 503, 504})
_MAX_DETAIL_CHARS = 200

_REMEDIES = {
    401: "give credentials that the target accepts",
    403: "give this user the right to write, or let the target accept this host name",
    404: "check that the path of the address is right and that what it names still exists",
    501: "this target does not store traces: MLflow needs a database (sqlite will do), not a file store",
}


def judge(answer: HttpAnswer) -> ExportResult:
    status = answer.status
    if 200 <= status < 300:
        return _success(answer)
    reason = f"HTTP {status}{_detail(answer)}"
    if 300 <= status < 400:
        place = answer.headers.get("location", "nowhere").partition("?")[0]
        return Held(f"HTTP {status}, redirected to {place}", "give the final address; a login page can't take spans")
    if status in _REJECTED:
        return Rejected(reason)
    if status in _RETRIED:
        return Retry(reason, after_s=retry_after_s(answer.headers.get("retry-after"), time.time()))
    if status >= 500 and status != 501:
        return Retry(reason, may_be_content=True)
    return Held(reason, _REMEDIES.get(status, "check the address and what the target's log says"))


def _success(answer: HttpAnswer) -> ExportResult:
    if answer.content_type == "text/html":
        # Login pages, captive portals and other web servers answer 200 to anything.
        return Held("the target answers with a web page", "check the address: this is no OTLP endpoint")
    if answer.content_type != "application/x-protobuf":
        return Delivered()
    try:
        partial = ExportTraceServiceResponse.FromString(answer.body).partial_success
    except DecodeError:
        return Delivered()  # 2xx is its word; OTLP lets no client resend for an answer it can't read
    return Delivered(max(partial.rejected_spans, 0), partial.error_message[:_MAX_DETAIL_CHARS])


def retry_after_s(value: str | None, now_s: float) -> float | None:
    """RFC 9110 section 10.2.3: seconds or a date; None for anything else."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        return max(parsedate_to_datetime(value).timestamp() - now_s, 0.0)
    except (ValueError, TypeError, OverflowError):
        return None


def _detail(answer: HttpAnswer) -> str:
    if answer.content_type == "text/html":
        return ""
    text = " ".join(answer.body.decode("utf-8", "replace").split())
    printable = "".join(character for character in text if character.isprintable())
    return f": {printable[:_MAX_DETAIL_CHARS]}" if printable else ""
