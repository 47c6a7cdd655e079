"""The comparison itself must be able to fail: each kind of wrong capture is shown to it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from rig.comparison import assert_captured, of_run
from wirespan.demo.truth import TruthEntry

_ENTRY = TruthEntry(
    id=1,
    connection=1,
    tls=True,
    method="POST",
    path="/run/abc/v1/x",
    authority="localhost:1",
    request_head=b"",
    request_start_ns=10,
    request_raw=b"raw request",
    request_body=b"request",
    status=200,
    encoding="gzip",
    response_raw=b"raw response",
    response_body=b"response",
    response_bytes=8,
)


def _b64(value: bytes) -> str:
    return base64.b64encode(value).decode()


_EXCHANGE: dict[str, Any] = {
    "pid": 7,
    "role": "client",
    "protocol": "http/1.1",
    "method": "POST",
    "authority": "localhost:1",
    "path": "/run/abc/v1/x",
    "status": 200,
    "start_ns": 10,
    "end": "complete",
    "request_headers": [["host", "localhost:1"]],
    "response_headers": [["content-encoding", "gzip"]],
    "request_body_b64": _b64(b"request"),
    "request_body_raw_b64": _b64(b"raw request"),
    "request_complete": True,
    "request_truncated": False,
    "request_gaps": [],
    "response_body_b64": _b64(b"response"),
    "response_body_raw_b64": _b64(b"raw response"),
    "response_size_bytes": 12,
    "response_content_encoding": "gzip",
    "response_complete": True,
    "response_gaps": [],
    "response_decode_error": None,
}


def test_a_perfect_capture_passes() -> None:
    assert_captured([_ENTRY], [_EXCHANGE], pid=7)
    retry = replace(_ENTRY, id=2, request_start_ns=20)
    assert_captured([_ENTRY, retry], [{**_EXCHANGE, "start_ns": 20}, _EXCHANGE])


@pytest.mark.parametrize(
    "wrong",
    [
        {"request_body_b64": _b64(b"requesT")},
        {"request_body_raw_b64": _b64(b"raw requesT")},
        {"request_complete": False},
        {"request_gaps": [[3, 1]]},
        {"response_body_b64": _b64(b"responsE")},
        {"response_body_b64": _b64(b"respons")},
        {"response_body_b64": None},
        {"response_body_raw_b64": _b64(b"raw responsE"), "response_size_bytes": 12},
        {"response_gaps": [[0, None]]},
        {"response_complete": False, "end": "idle", "response_body_raw_b64": _b64(b"raw"), "response_size_bytes": 3},
        {"status": 201},
        {"path": "/run/abc/v1/y"},
        {"authority": "localhost:2"},
        {"pid": 8},
        {"request_headers": [["Authorization", "Bearer x"]]},
        {"response_headers": [["set-cookie", "x"]]},
    ],
)
def test_each_difference_fails(wrong: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        assert_captured([_ENTRY], [{**_EXCHANGE, **wrong}], pid=7)


@pytest.mark.parametrize(
    ("entries", "exchanges"),
    [
        ([], []),
        ([_ENTRY], []),
        ([_ENTRY], [_EXCHANGE, _EXCHANGE]),
        ([_ENTRY, _ENTRY], [_EXCHANGE]),
        ([_ENTRY], [_EXCHANGE, {**_EXCHANGE, "path": "/run/abc/other"}]),
    ],
)
def test_missing_and_surplus_fail(entries: list[TruthEntry], exchanges: list[dict[str, Any]]) -> None:
    with pytest.raises(AssertionError):
        assert_captured(entries, exchanges)


@pytest.mark.parametrize("change", [lambda: replace(_ENTRY, cut=True), lambda: replace(_ENTRY, client_gone=True)])
def test_an_answer_that_was_broken_off_is_a_beginning(change: Callable[[], TruthEntry]) -> None:
    part = {
        **_EXCHANGE,
        "end": "closed",
        "response_complete": False,
        "response_body_b64": _b64(b"resp"),
        "response_body_raw_b64": _b64(b"raw"),
        "response_size_bytes": 3,
    }
    assert_captured([change()], [part])
    with pytest.raises(AssertionError):
        assert_captured([change()], [{**part, "response_complete": True}])
    with pytest.raises(AssertionError):
        assert_captured([change()], [{**part, "response_body_b64": _b64(b"esp")}])


def test_a_stream_left_after_its_end_marker_may_lack_its_trailer() -> None:
    part = {
        **_EXCHANGE,
        "end": "closed",
        "response_complete": False,
        "response_body_raw_b64": _b64(b"raw respon"),
        "response_size_bytes": 10,
    }
    assert_captured([_ENTRY], [part])


def test_only_the_client_side_of_the_run_is_taken() -> None:
    server = {**_EXCHANGE, "role": "server"}
    other = {**_EXCHANGE, "path": "/run/xyz/v1/x"}
    assert of_run([_EXCHANGE, server, other], "abc") == [_EXCHANGE]
