"""How an answer is sent: every framing with every coding, pieces, delays, faults; the truth log knows each byte."""

from __future__ import annotations

import itertools
import json
import socket
from typing import Any

import httpx
import pytest

from rig.threaded_mock import ThreadedMock as Mock

_CHAT = {"model": "mock-gpt", "messages": [{"role": "user", "content": "hi"}]}
_KEY = {"authorization": "Bearer k", "anthropic-version": "2023-06-01"}


def _post(mock: Mock, script: dict[str, Any], body: dict[str, Any] = _CHAT, path: str = "/v1/chat/completions") -> Any:
    with httpx.Client(base_url=mock.tls, verify=mock.trust) as client:
        return client.post(path, json=body, headers={**_KEY, "x-mock-script": json.dumps(script)})


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("encoding", ["", "gzip", "deflate", "br", "zstd"])
@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
def test_every_framing_with_every_coding(mock: Mock, framing: str, encoding: str, stream: bool) -> None:
    response = _post(mock, {"framing": framing, "encoding": encoding}, {**_CHAT, "stream": stream})
    (entry,) = mock.entries(1)
    assert response.status_code == entry.status == 200
    assert response.content == entry.response_body
    assert response.headers.get("content-encoding", "") == encoding == entry.encoding
    assert ("transfer-encoding" in response.headers) == (framing == "chunked")
    assert ("content-length" in response.headers) == (framing == "length")
    assert (response.headers["connection"] == "close") == (framing == "close")
    assert entry.request_body == entry.request_raw == entry.request_wire == response.request.content
    assert entry.response_raw == entry.response_body or encoding
    assert entry.events[-1][1] == len(entry.response_body) == entry.response_bytes
    assert entry.tls
    assert not entry.client_gone


def test_pieces_smaller_than_a_character(mock: Mock) -> None:
    response = _post(mock, {"piece_bytes": 1, "encoding": "br"}, {**_CHAT, "stream": True})
    (entry,) = mock.entries(1)
    assert response.content == entry.response_body
    assert response.text.endswith("data: [DONE]\n\n")


def test_a_cut_stream(mock: Mock) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        _post(mock, {"cut_after": 3}, {**_CHAT, "stream": True})
    (entry,) = mock.entries(1)
    assert entry.cut
    assert entry.response_body.count(b"data: ") == 3
    assert len(entry.events) == 3


def test_a_client_that_leaves(mock: Mock) -> None:
    script = json.dumps({"delay_ms": 20, "text_bytes": 3000})
    with httpx.Client(base_url=mock.tls, verify=mock.trust) as client:
        request = {"headers": {**_KEY, "x-mock-script": script}, "json": {**_CHAT, "stream": True}}
        with client.stream("POST", "/v1/chat/completions", **request) as response:
            first = next(response.iter_raw())
    (entry,) = mock.entries(1)
    assert entry.client_gone
    assert entry.response_body.startswith(first)
    assert not entry.response_body.endswith(b"[DONE]\n\n")


def test_delays_hold_between_events(mock: Mock) -> None:
    _post(mock, {"delay_ms": 15}, {**_CHAT, "stream": True})
    (entry,) = mock.entries(1)
    times = [time_ns for time_ns, _ in entry.events]
    assert all(later - earlier >= 15_000_000 for earlier, later in itertools.pairwise(times))
    assert entry.request_start_ns <= entry.request_end_ns <= entry.response_start_ns <= times[0]


def test_retry_after(mock: Mock) -> None:
    response = _post(mock, {"status": 429, "retry_after_ms": 1200})
    assert (response.status_code, response.headers["retry-after"]) == (429, "2")
    assert response.headers["retry-after-ms"] == "1200"
    assert response.json()["error"]["code"] == "rate_limit_exceeded"


def test_interim_answers_by_a_raw_socket(mock: Mock) -> None:
    body = json.dumps(_CHAT).encode()
    host, port = mock.plain.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\nExpect: 100-continue\r\n"
            b'Content-Type: application/json\r\nX-Mock-Script: {"interim":[103],"close":true}\r\n'
            b"Content-Length: %d\r\n\r\n" % len(body)
        )
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    (entry,) = mock.entries(1)
    assert entry.interim == [100, 103]
    early = b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload; as=style\r\n\r\n"
    assert received == early + entry.response_head + entry.response_body


def test_a_download_is_counted_and_not_kept(mock: Mock) -> None:
    with httpx.Client(base_url=mock.tls, verify=mock.trust) as client:
        response = client.get("/download/3000001")
    (entry,) = mock.entries(1)
    assert len(response.content) == 3_000_001 == entry.response_bytes
    assert response.content[:258] == bytes(range(256)) + b"\x00\x01"
    assert (entry.response_kept, entry.response_body) == (False, b"")
