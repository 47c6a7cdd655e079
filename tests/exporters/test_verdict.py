from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from wirespan_exporters.http_client import HttpAnswer
from wirespan_exporters.result import Delivered, ExportResult, Held, Rejected, Retry
from wirespan_exporters.verdict import judge, retry_after_s

PROTOBUF = {"content-type": "application/x-protobuf"}


def said(status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> ExportResult:
    return judge(HttpAnswer(status, PROTOBUF if headers is None else headers, body))


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_success(status: int) -> None:
    assert said(status) == Delivered()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 304])
def test_a_redirect_is_no_success(status: int) -> None:
    result = said(status, headers={"location": "https://sso.example.org/login?token=abc"})
    assert isinstance(result, Held)
    assert result.reason == f"HTTP {status}, redirected to https://sso.example.org/login"


@pytest.mark.parametrize("status", [400, 413, 422])
def test_what_the_batch_is_to_blame_for(status: int) -> None:
    assert said(status) == Rejected(f"HTTP {status}")


@pytest.mark.parametrize("status", [401, 403, 404, 405, 410, 415, 501])
def test_what_somebody_has_to_change(status: int) -> None:
    assert isinstance(said(status), Held)


@pytest.mark.parametrize("status", [408, 425, 429, 502, 503, 504])
def test_what_is_tried_again(status: int) -> None:
    assert said(status) == Retry(f"HTTP {status}")


@pytest.mark.parametrize("status", [500, 505, 507, 520])
def test_server_errors_may_be_about_the_content(status: int) -> None:
    assert said(status) == Retry(f"HTTP {status}", may_be_content=True)


def test_a_web_page_is_no_success() -> None:
    assert isinstance(said(200, b"<html>log in</html>", {"content-type": "text/html; charset=utf-8"}), Held)


def test_partial_success_says_how_many_were_refused() -> None:
    body = ExportTraceServiceResponse(
        partial_success={"rejected_spans": 3, "error_message": "too old"}
    ).SerializeToString()
    assert said(200, body) == Delivered(3, "too old")


def test_a_success_whose_body_can_not_be_read_is_one() -> None:
    assert said(200, b"\xff\xff\xff") == Delivered()
    assert said(200, b"anything", {"content-type": "text/plain"}) == Delivered()


def test_the_servers_words_are_cut_and_harmless() -> None:
    result = said(400, b"bad\x1b[31m\n   span " + b"x" * 1000, {"content-type": "text/plain"})
    assert isinstance(result, Rejected)
    assert result.reason.startswith("HTTP 400: bad[31m span xxx")
    assert len(result.reason) <= 220


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("3", 3.0), (" 120 ", 120.0), ("-1", None), ("soon", None), ("", None), (None, None), ("1.5", None), ("²", None)],
)
def test_retry_after_in_seconds(value: str | None, seconds: float | None) -> None:
    assert retry_after_s(value, 0.0) == seconds


def test_retry_after_as_a_date() -> None:
    assert retry_after_s(formatdate(1_000_090, usegmt=True), 1_000_000.0) == 90.0
    assert retry_after_s(formatdate(5, usegmt=True), 1_000_000.0) == 0.0


def test_retry_after_reaches_the_result() -> None:
    assert said(429, headers={"retry-after": "7"}) == Retry("HTTP 429", after_s=7.0)


@given(st.integers(100, 999), st.binary(max_size=50), st.text(max_size=40), st.text(max_size=40))
def test_every_answer_has_a_result(status: int, body: bytes, content_type: str, retry_after: str) -> None:
    headers = {"content-type": content_type, "retry-after": retry_after, "location": content_type}
    result = said(status, body, headers)
    assert isinstance(result, Delivered) == (
        200 <= status < 300 and content_type.partition(";")[0].strip().lower() != "text/html"
    )
