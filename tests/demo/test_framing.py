"""Requests off a stream: whole, in any pieces, with garbage."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wirespan.demo.framing import FramingError, Head, RequestBody, read_body, read_head

_LENGTH = b"POST /v1/x HTTP/1.1\r\nHost: a\r\nX-One:  1 \r\nx-one: 2\r\nContent-Length: 5\r\n\r\nhello"
_CHUNKED_HEAD = b"POST /v1/x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
_CHUNKED_BODY = b"5;ext=1\r\nhello\r\nA\r\n, wirespan\r\n0\r\nTrailer: 1\r\n\r\n"
_CHUNKED = _CHUNKED_HEAD + _CHUNKED_BODY
_NONE = b"GET / HTTP/1.1\r\n\r\n"


async def _read_all(pieces: list[bytes]) -> list[tuple[Head, RequestBody]]:
    reader = asyncio.StreamReader()

    async def feed() -> None:
        for piece in pieces:
            reader.feed_data(piece)
            await asyncio.sleep(0)
        reader.feed_eof()

    feeding = asyncio.ensure_future(feed())
    requests = []
    try:
        while (head := await read_head(reader)) is not None:
            requests.append((head, await read_body(reader, head)))
    finally:
        await feeding
    return requests


def _seen(pieces: list[bytes]) -> list[Any]:
    return [
        (head.method, head.target, head.version, head.headers, head.raw, body.wire, body.body)
        for head, body in asyncio.run(_read_all(pieces))
    ]


_EXPECTED = [
    (
        "POST",
        "/v1/x",
        "HTTP/1.1",
        (("host", "a"), ("x-one", "1"), ("x-one", "2"), ("content-length", "5")),
        _LENGTH[:-5],
        b"hello",
        b"hello",
    ),
    (
        "POST",
        "/v1/x",
        "HTTP/1.1",
        (("transfer-encoding", "chunked"),),
        _CHUNKED_HEAD,
        _CHUNKED_BODY,
        b"hello, wirespan",
    ),
    ("GET", "/", "HTTP/1.1", (), _NONE, b"", b""),
]
_ALL = _LENGTH + _CHUNKED + _NONE


def test_three_requests_on_one_connection() -> None:
    assert _seen([_ALL]) == _EXPECTED


def test_byte_by_byte() -> None:
    assert _seen([_ALL[index : index + 1] for index in range(len(_ALL))]) == _EXPECTED


@given(st.lists(st.integers(0, len(_ALL)), max_size=12))
def test_any_split(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(_ALL)]
    assert _seen([_ALL[start:end] for start, end in itertools.pairwise(edges)]) == _EXPECTED


def test_repeated_fields_are_joined() -> None:
    ((head, _),) = asyncio.run(_read_all([_LENGTH]))
    assert head.header("x-one") == "1, 2"
    assert head.header("absent") == ""


def test_an_empty_line_before_a_request_is_ignored() -> None:
    assert _seen([b"\r\n" + _NONE]) == [_EXPECTED[2]]


@pytest.mark.parametrize(
    "wire",
    [
        b"GET / HTTP/1.1\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/2.0\r\n\r\n",
        b"GET / HTTP/1.1\n\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nname : value\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhi",
        b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\n",
        b"GET / HTTP/1.1\r\nx: " + b"y" * 70_000 + b"\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused(wire: bytes) -> None:
    with pytest.raises(FramingError):
        _seen([wire])


@given(st.binary(max_size=300), st.sampled_from([b"", _LENGTH, _CHUNKED[:60], b"POST / HTTP/1.1\r\n"]))
@example(b"\r\n\r\n\r\n", b"")
def test_garbage_raises_only_framing_errors(garbage: bytes, before: bytes) -> None:
    with contextlib.suppress(FramingError):
        _seen([before + garbage])
