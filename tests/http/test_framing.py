"""What ends a message: RFC 9112 section 6.3, point by point."""

from __future__ import annotations

import pytest

from wirespan.http.body import BodyCoding
from wirespan.http.desync import DesynchronisedError
from wirespan.http.exchange import Headers
from wirespan.http.framing import End, Framing, body_coding, request_framing, response_framing, upgrade_name

NO_BODY = Framing(End.LENGTH, 0)
CHUNKED = Framing(End.CHUNKED)
CLOSE = Framing(End.CLOSE)
TUNNEL = Framing(End.TUNNEL)


def fields(*pairs: str) -> Headers:
    return tuple((name.encode(), value.strip().encode()) for name, _, value in (pair.partition(":") for pair in pairs))


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (fields(), NO_BODY),
        (fields("content-length: 42"), Framing(End.LENGTH, 42)),
        (fields("Content-Length: 42", "content-length: 42"), Framing(End.LENGTH, 42)),
        (fields("content-length: 42, 42"), Framing(End.LENGTH, 42)),
        (fields("transfer-encoding: chunked"), CHUNKED),
        (fields("Transfer-Encoding: CHUNKED", "content-length: 42"), CHUNKED),
        (fields("transfer-encoding: gzip, chunked"), CHUNKED),
        (fields("transfer-encoding: identity", "content-length: 3"), Framing(End.LENGTH, 3)),
    ],
)
def test_requests(headers: Headers, expected: Framing) -> None:
    assert request_framing(headers) == expected


@pytest.mark.parametrize(
    ("headers", "cause"),
    [
        (fields("content-length: 42", "content-length: 43"), "conflicting_content_length"),
        (fields("content-length: 42, 43"), "conflicting_content_length"),
        (fields("content-length: -1"), "bad_content_length"),
        (fields("content-length: +1"), "bad_content_length"),
        (fields("content-length: 1_0"), "bad_content_length"),
        (fields("content-length: "), "bad_content_length"),
        (fields("content-length: 9999999999999999999"), "bad_content_length"),
        (fields("transfer-encoding: chunked, gzip"), "bad_transfer_encoding"),
    ],
)
def test_requests_nobody_can_frame(headers: Headers, cause: str) -> None:
    with pytest.raises(DesynchronisedError, match=cause):
        request_framing(headers)


@pytest.mark.parametrize(
    ("method", "status", "headers", "expected"),
    [
        ("GET", 200, fields("content-length: 5"), Framing(End.LENGTH, 5)),
        ("GET", 200, fields("transfer-encoding: chunked", "content-length: 5"), CHUNKED),
        ("GET", 200, fields("transfer-encoding: gzip"), CLOSE),
        ("GET", 200, fields(), CLOSE),
        ("HEAD", 200, fields("content-length: 5"), NO_BODY),
        ("HEAD", 200, fields("transfer-encoding: chunked"), NO_BODY),
        ("GET", 204, fields("content-length: 5"), NO_BODY),
        ("GET", 304, fields("content-length: 5"), NO_BODY),
        ("GET", 101, fields("upgrade: websocket"), TUNNEL),
        ("CONNECT", 200, fields("content-length: 5"), TUNNEL),
        ("CONNECT", 407, fields("content-length: 5"), Framing(End.LENGTH, 5)),
    ],
)
def test_responses(method: str, status: int, headers: Headers, expected: Framing) -> None:
    assert response_framing(method, status, headers) == expected


def test_a_response_with_a_length_that_is_none() -> None:
    with pytest.raises(DesynchronisedError, match="bad_content_length"):
        response_framing("GET", 200, fields("content-length: five"))


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (fields(), BodyCoding("", ())),
        (fields("content-encoding: gzip"), BodyCoding("gzip", ("gzip",))),
        (fields("Content-Encoding: GZIP, identity , br"), BodyCoding("gzip, identity , br", ("gzip", "br"))),
        (fields("content-encoding: br", "transfer-encoding: gzip, chunked"), BodyCoding("br", ("br", "gzip"))),
        (fields("content-encoding: identity"), BodyCoding("identity", ())),
    ],
)
def test_codings_in_the_order_they_were_applied(headers: Headers, expected: BodyCoding) -> None:
    assert body_coding(headers) == expected


@pytest.mark.parametrize(
    ("method", "headers", "expected"),
    [
        ("GET", fields("upgrade: WebSocket"), "websocket"),
        ("GET", fields("upgrade: h2c"), "upgrade:h2c"),
        ("GET", fields(), "upgrade:"),
        ("CONNECT", fields(), "upgrade:connect"),
        ("GET", fields("upgrade: " + "x" * 500), "upgrade:" + "x" * 64),
    ],
)
def test_what_an_upgrade_leads_to(method: str, headers: Headers, expected: str) -> None:
    assert upgrade_name(method, headers) == expected
