"""The server on real sockets: what httpx and a raw socket saw is what the truth log says."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import itertools
import json
import socket
import ssl
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


def test_a_chunked_and_encoded_upload(mock: Mock) -> None:
    body = json.dumps(_CHAT).encode()
    encoded = gzip.compress(body)

    def pieces() -> Any:
        yield encoded[:10]
        yield encoded[10:]

    with httpx.Client(base_url=mock.tls, verify=mock.trust) as client:
        headers = {**_KEY, "content-type": "application/json", "content-encoding": "gzip"}
        response = client.post("/v1/chat/completions", content=pieces(), headers=headers)
    (entry,) = mock.entries(1)
    assert response.status_code == 200
    assert entry.request_wire == b"a\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (encoded[:10], len(encoded) - 10, encoded[10:])
    assert entry.request_raw == encoded
    assert entry.request_body == body


def test_plain_http(mock: Mock) -> None:
    response = httpx.post(mock.plain + "/v1/chat/completions", json=_CHAT, headers=_KEY)
    (entry,) = mock.entries(1)
    assert response.content == entry.response_body
    assert not entry.tls


def test_head_get_and_keep_alive(mock: Mock) -> None:
    with httpx.Client(base_url=mock.tls, verify=mock.trust) as client:
        head = client.head("/v1/models")
        get = client.get("/v1/models")
    assert head.content == b""
    assert head.headers["content-length"] == str(len(get.content))
    first, second = mock.entries(2)
    assert first.connection == second.connection
    assert (first.method, first.response_body, second.response_body) == ("HEAD", b"", get.content)


def test_a_download_is_counted_and_not_kept(mock: Mock) -> None:
    with httpx.Client(base_url=mock.tls, verify=mock.trust) as client:
        response = client.get("/download/3000001")
    (entry,) = mock.entries(1)
    assert len(response.content) == 3_000_001 == entry.response_bytes
    assert response.content[:258] == bytes(range(256)) + b"\x00\x01"
    assert (entry.response_kept, entry.response_body) == (False, b"")


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


def test_bytes_that_are_no_http(mock: Mock) -> None:
    host, port = mock.plain.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"POST /v1/x HTTP/1.1\r\nContent-Length: nine\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(100) == b""
    (entry,) = mock.entries(1)
    assert entry.problem.startswith("framing: Content-Length")
    assert httpx.get(mock.plain + "/v1/models").status_code == 200


def test_a_thousand_requests_on_one_connection(mock: Mock) -> None:
    host, port = mock.tls.removeprefix("https://").split(":")
    connection = http.client.HTTPSConnection(host, int(port), context=mock.trust)
    for number in range(1000):
        connection.request("POST", "/telemetry", json.dumps({"n": number}), {"content-type": "application/json"})
        assert connection.getresponse().read() == b'{"accepted":true}'
    connection.close()
    entries = mock.entries(1000)
    assert {entry.connection for entry in entries} == {entries[0].connection}
    assert [json.loads(entry.request_body)["n"] for entry in entries] == list(range(1000))


def test_the_certificate_is_believed_only_with_its_own_authority(mock: Mock) -> None:
    with pytest.raises(httpx.ConnectError, match=r"self-signed|self signed|local issuer"):
        httpx.get(mock.tls + "/v1/models", verify=ssl.create_default_context())
