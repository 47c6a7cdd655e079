from __future__ import annotations

import pytest

from wirespan.http.http2.head import read_head
from wirespan.http.http2.header_table import UNKNOWN

REQUEST = (
    (b":method", b"POST"),
    (b":scheme", b"https"),
    (b":authority", b"api.example.com"),
    (b":path", b"/v1/chat?x=1"),
    (b"accept", b"*/*"),
)


def test_a_request() -> None:
    head = read_head(REQUEST)
    line = head.request_line()
    assert (line.method, line.target, line.version) == ("POST", b"/v1/chat?x=1", "HTTP/2")
    assert (head.authority, head.fields) == (b"api.example.com", ((b"accept", b"*/*"),))
    assert (head.is_request, head.is_response, head.unknown_fields) == (True, False, 0)
    assert head.size_bytes == sum(len(name) + len(value) for name, value in REQUEST)


def test_host_stands_in_for_the_authority() -> None:
    assert read_head(((b":method", b"GET"), (b"host", b"a.example"))).authority == b"a.example"
    assert read_head(((b":authority", b""), (b"host", b"a.example"))).authority == b"a.example"
    assert read_head(((b":method", b"GET"),)).authority == b""


def test_connect_asks_for_an_authority_and_extended_connect_for_a_path() -> None:
    connect = ((b":method", b"CONNECT"), (b":authority", b"proxied.example:443"))
    assert read_head(connect).request_line().target == b"proxied.example:443"
    websocket = (*connect, (b":protocol", b"websocket"), (b":path", b"/chat"))
    assert read_head(websocket).request_line().target == b"/chat"


@pytest.mark.parametrize(
    ("value", "status"),
    [(b"200", 200), (b"529", 529), (b"", 0), (b"20", 0), (b"2000", 0), (b"abc", 0), (b"\xb2\xb2\xb2", 0)],
)
def test_a_status(value: bytes, status: int) -> None:
    head = read_head(((b":status", value), (b"server", b"x")))
    assert (head.status_line().status, head.status_line().version, head.status_line().reason) == (status, "HTTP/2", "")
    assert head.is_response


def test_what_is_missing_is_visible_and_not_invented() -> None:
    head = read_head(((UNKNOWN, UNKNOWN), (b":scheme", b"https"), (UNKNOWN, UNKNOWN), (b"accept", b"*/*")))
    assert (head.request_line().method, head.request_line().target) == ("?", b"?")
    assert (head.status_line().status, head.authority, head.unknown_fields) == (0, b"", 2)
    assert head.fields == ((b"?", b"?"), (b"?", b"?"), (b"accept", b"*/*"))


def test_the_first_of_two_pseudo_fields_counts() -> None:
    line = read_head(((b":path", b"/one"), (b":path", b"/two"), (b":method", b"x" * 100))).request_line()
    assert (line.target, line.method) == (b"/one", "x" * 32)
