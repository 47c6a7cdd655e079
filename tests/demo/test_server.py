"""The server on real sockets: what httpx and a raw socket saw is what the truth log says."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import socket
from typing import Any

import httpx

from rig.threaded_mock import ThreadedMock as Mock

_CHAT = {"model": "mock-gpt", "messages": [{"role": "user", "content": "hi"}]}
_KEY = {"authorization": "Bearer k", "anthropic-version": "2023-06-01"}


def _post(mock: Mock, script: dict[str, Any], body: dict[str, Any] = _CHAT, path: str = "/v1/chat/completions") -> Any:
    with httpx.Client(base_url=mock.tls, verify=mock.trust) as client:
        return client.post(path, json=body, headers={**_KEY, "x-mock-script": json.dumps(script)})


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
