"""Message heads: what is one, where it ends, what is in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wirespan.http.desync import DesynchronisedError
from wirespan.http.head import (
    Likeness,
    RequestLine,
    StatusLine,
    find_head_end,
    parse_request_head,
    parse_response_head,
    request_likeness,
    response_likeness,
)

YES, NO, MAYBE = Likeness.YES, Likeness.NO, Likeness.MAYBE


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"POST /v1/chat/completions HTTP/1.1\r\nHost: x", YES),
        (b"GET / HTTP/1.0\n", YES),
        (b"GET http://user@host/a?b HTTP/1.1\r\n", YES),
        (b"CONNECT api.example.com:443 HTTP/1.1\r\n", YES),
        (b"OPTIONS * HTTP/1.1\r\n", YES),
        (b"M-SEARCH * HTTP/1.1\r\n", YES),
        (b"GET /a b c HTTP/1.1\r\n", YES),
        (b"GET  /two-blanks  HTTP/1.1 \r\n", YES),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", YES),
        (b"GET / HTTP/2.0\r\n", NO),
        (b"GET / HTTP/3.0\r\n", NO),
        (b"get / HTTP/1.1\r\n", NO),
        (b"GET  HTTP/1.1\r\n", NO),
        (b"GET / HTTP/1.1x\r\n", NO),
        (b"GET /\r\n", NO),
        (b"EHLO mail\r\n", NO),
        (b"\x16\x03\x01\r\n", NO),
        (b'{"model"', NO),
        (b"data: GET / HTTP/1.1\r\n", NO),
        (b"HTTP/1.1 200 OK\r\n", NO),
        (b"", MAYBE),
        (b"P", MAYBE),
        (b"POST", MAYBE),
        (b"POST /v1/chat/completions HTTP/1.1\r", MAYBE),
        (b"I am a sentence", MAYBE),
        (b"A" * 32, MAYBE),
        (b"A" * 33, NO),
    ],
)
def test_request_likeness(data: bytes, expected: Likeness) -> None:
    assert request_likeness(data) is expected
    assert request_likeness(bytearray(b"\r\n" + data), 2) is expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\n", YES),
        (b"HTTP/1.0 404\n", YES),
        (b"HTTP/1.1 200\r\n\r\n", YES),
        (b"HTTP/1.1  503 Busy\r\n", YES),
        (b"HTTP/1.1 20 OK\r\n", NO),
        (b"HTTP/1.1 2000 OK\r\n", NO),
        (b"HTTP/1.1 abc\r\n\r\n..", NO),
        (b"HTTP/2 200\r\n", NO),
        (b"GET / HTTP/1.1\r\n", NO),
        (b"data: [DONE]\n\n", NO),
        (b"", MAYBE),
        (b"HTT", MAYBE),
        (b"HTTP/1.1 200", MAYBE),
        (b"HTTX", NO),
    ],
)
def test_response_likeness(data: bytes, expected: Likeness) -> None:
    assert response_likeness(data) is expected


@pytest.mark.parametrize("head", [b"a\r\nb\r\n\r\n", b"a\nb\n\n", b"a\r\nb\n\r\n", b"a\nb\r\n\n", b"\r\n\r\n"])
def test_a_head_ends_at_the_first_empty_line(head: bytes) -> None:
    assert find_head_end(head, 0) == len(head)
    assert find_head_end(head + b"body\r\n\r\n\n\nmore", 0) == len(head)
    assert find_head_end(head[:-1], 0) == -1
    # continued two bytes in front of what is new
    assert find_head_end(head, len(head) - 3) == len(head)


def test_a_request_head_taken_apart() -> None:
    head = (
        b"POST /v1/messages?beta=true HTTP/1.1\r\n"
        b"Host: api.example.com\r\n"
        b"X-Empty:\r\n"
        b"X-Colons: a:b:c\r\n"
        b"x-twice: 1\r\n"
        b"X-Twice:\t 2 \t\r\n"
        b"\r\n"
    )
    assert parse_request_head(head, 100) == (
        RequestLine("POST", b"/v1/messages?beta=true", "HTTP/1.1"),
        (
            (b"Host", b"api.example.com"),
            (b"X-Empty", b""),
            (b"X-Colons", b"a:b:c"),
            (b"x-twice", b"1"),
            (b"X-Twice", b"2"),
        ),
    )


def test_oddities_that_both_ends_understood() -> None:
    head = (
        b"GET /a b HTTP/1.1\n"
        b" folded before any field\n"
        b"Name : blank in front of the colon\n"
        b"Long: one\n"
        b"\ttwo\n"
        b"   three   \n"
        b"no colon at all\n"
        b": no name\n"
        b"Last: x\n"
        b"\n"
    )
    line, fields = parse_request_head(head, 100)
    assert line == RequestLine("GET", b"/a b", "HTTP/1.1")
    assert fields == (
        (b"Name", b"blank in front of the colon"),
        (b"Long", b"one two three"),
        (b"Last", b"x"),
    )


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", StatusLine("HTTP/1.1", 200, "OK")),
        (b"HTTP/1.0 404\r\n\r\n", StatusLine("HTTP/1.0", 404, "")),
        (b"HTTP/1.1 429 Too Many Requests\n\n", StatusLine("HTTP/1.1", 429, "Too Many Requests")),
        (b"HTTP/1.1 500 Caf\xe9\r\n\r\n", StatusLine("HTTP/1.1", 500, "Café")),
    ],
)
def test_status_lines(head: bytes, expected: StatusLine) -> None:
    assert parse_response_head(head, 10)[0] == expected


def test_more_fields_than_allowed_are_refused() -> None:
    head = b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 5 + b"\r\n"
    assert len(parse_request_head(head, 5)[1]) == 5
    with pytest.raises(DesynchronisedError, match="too_many_header_fields"):
        parse_request_head(head, 4)


def test_heads_made_to_be_slow_are_not() -> None:
    blanks = b" " * 250_000
    assert request_likeness(b"GET " + blanks + b"\r\n") is NO
    assert request_likeness(b"GET /" + blanks + b"HTTP/1.1\r\n") is YES
    head = b"GET / HTTP/1.1\r\na" + blanks + b"\r\n" + b" \r\n" * 80_000 + b"\r\n"
    assert parse_request_head(head, 1_000_000)[1] == ()
    assert find_head_end(b"\n" * 1, 0) == -1


@given(head=st.binary(max_size=200))
def test_garbage_raises_only_the_documented_error(head: bytes) -> None:
    for parse in (parse_request_head, parse_response_head):
        for start in (b"", b"GET / HTTP/1.1\r\n", b"HTTP/1.1 200 OK\r\n"):
            try:
                _, fields = parse(start + head, 50)
            except DesynchronisedError:
                continue
            assert all(name and name.strip() == name and value.strip() == value for name, value in fields)


TOKEN = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ-", min_size=1, max_size=12).filter(lambda text: text[0] != "-")
TARGET = st.binary(min_size=1, max_size=40).filter(lambda raw: not set(raw) & set(b" \t\r\n\x0b\x0c"))


@given(method=TOKEN, target=TARGET, minor=st.integers(0, 9))
def test_every_request_line_is_likely_from_its_first_byte_on(method: str, target: bytes, minor: int) -> None:
    line = method.encode() + b" " + target + b" HTTP/1.%d\r\n" % minor
    assert [request_likeness(line[:end]) for end in range(len(line))] == [MAYBE] * len(line)
    assert request_likeness(line) is YES
    assert parse_request_head(line + b"\r\n", 1)[0] == RequestLine(method, target, f"HTTP/1.{minor}")
