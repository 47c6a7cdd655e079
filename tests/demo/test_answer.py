"""Server-sent events and JSON as the vendors write them."""

from __future__ import annotations

import pytest

from wirespan.demo.answer import RequestRejected, dumps, event, require


def test_an_event_is_its_lines_and_an_empty_one() -> None:
    assert event(b"{}") == b"data: {}\n\n"
    assert event(b"{}", "ping") == b"event: ping\ndata: {}\n\n"
    assert event(b"{}", "ping", "\r\n") == b"event: ping\r\ndata: {}\r\n\r\n"


def test_json_is_compact_and_keeps_its_characters() -> None:
    assert dumps({"a": ["月光", None]}) == '{"a":["月光",null]}'.encode()


def test_a_broken_rule_is_a_bad_request() -> None:
    require(True, "fine")
    with pytest.raises(RequestRejected) as raised:
        require(False, "too small", "n")
    assert (raised.value.status, raised.value.message, raised.value.param) == (400, "too small", "n")
