from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from rig.otlp_target import HANG, OK, RESET, OtlpTarget, answer
from wirespan_exporters.http_client import HttpClient, UnreachableError, basic_login
from wirespan_exporters.secret import Secret
from wirespan_exporters.settings import TlsSettings


def client(timeout_s: float = 5.0, tls: TlsSettings | None = None) -> HttpClient:
    return HttpClient(timeout_s, tls or TlsSettings(), "wirespan-test")


def test_post_and_get() -> None:
    with OtlpTarget(lambda seen: answer(200, b"hello", "text/plain")) as target:
        mine = client()
        posted = mine.post(f"{target.url}/a?b=c", b"body", {"X-Y": "z"})
        got = mine.get(f"{target.url}/d", {})
        mine.close()
    assert (posted.status, posted.body, posted.content_type) == (200, b"hello", "text/plain")
    assert got.status == 200
    first, second = target.requests
    assert (first.method, first.path, first.body, first.headers["x-y"]) == ("POST", "/a?b=c", b"body", "z")
    assert first.headers["user-agent"] == "wirespan-test"
    assert (second.method, second.path) == ("GET", "/d")


def test_redirects_are_not_followed() -> None:
    with OtlpTarget(lambda seen: answer(302, Location="http://127.0.0.1:1/elsewhere")) as target:
        mine = client()
        got = mine.post(target.url, b"x", {})
        mine.close()
    assert got.status == 302
    assert len(target.requests) == 1


@pytest.mark.parametrize(
    "said",
    [
        RESET,
        b"garbage\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Le",
    ],
)
def test_half_an_answer_is_none(said: bytes) -> None:
    with OtlpTarget(lambda seen: said) as target:
        mine = client(2.0)
        with pytest.raises(UnreachableError):
            mine.post(target.url, b"x", {})
        mine.close()


def test_silence_ends_with_the_time_out() -> None:
    with OtlpTarget(lambda seen: HANG) as target:
        mine = client(0.3)
        started = time.monotonic()
        with pytest.raises(UnreachableError, match="timed out"):
            mine.post(target.url, b"x", {})
        assert time.monotonic() - started < 3
        mine.close()


def test_nobody_there() -> None:
    with OtlpTarget() as target:
        pass
    mine = client()
    with pytest.raises(UnreachableError, match="refused"):
        mine.post(target.url, b"x", {})
    with pytest.raises(UnreachableError, match="resolve"):
        mine.post("http://no-such-host.invalid:1/", b"x", {})
    mine.close()


def test_an_endless_answer_is_not_read_to_its_end() -> None:
    with OtlpTarget(lambda seen: answer(200, b"x" * 3_000_000)) as target:
        mine = client()
        got = mine.post(target.url, b"x", {})
        mine.close()
    assert 0 < len(got.body) < 1_000_000


def test_the_connection_is_kept() -> None:
    with OtlpTarget(lambda seen: OK) as target:
        mine = client()
        for _ in range(5):
            mine.post(target.url, b"x", {})
        mine.close()
    assert len(target.requests) == 5
    assert len(target._threads) == 2  # one listens, one serves


def test_a_connection_that_the_server_closed_is_opened_again() -> None:
    with OtlpTarget(lambda seen: answer(200, Connection="close")) as target:
        mine = client()
        assert [mine.post(target.url, b"x", {}).status for _ in range(3)] == [200] * 3
        mine.close()


@pytest.fixture
def tls_target(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of a server with a certificate of its own CA, and that CA's file."""
    authority = trustme.CA()
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with OtlpTarget(context=context) as target:
        yield target.url.replace("http:", "https:"), ca_file


def test_a_certificate_of_a_known_authority_is_trusted(tls_target: tuple[str, Path]) -> None:
    url, ca_file = tls_target
    mine = client(tls=TlsSettings(ca_file=str(ca_file)))
    assert mine.post(url, b"x", {}).status == 200
    mine.close()


def test_an_unknown_certificate_is_refused(tls_target: tuple[str, Path]) -> None:
    mine = client()
    with pytest.raises(UnreachableError, match="certificate verify failed"):
        mine.post(tls_target[0], b"x", {})
    mine.close()


def test_verification_can_be_switched_off(tls_target: tuple[str, Path]) -> None:
    mine = client(tls=TlsSettings(verify=False))
    assert mine.post(tls_target[0], b"x", {}).status == 200
    mine.close()


def test_basic_login_as_rfc_7617_has_it() -> None:
    assert basic_login("Aladdin", Secret("open sesame")) == {"authorization": "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="}


def test_an_answer_that_ends_with_the_connection_is_whole_only_in_http_1_0() -> None:
    with OtlpTarget(lambda seen: b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nold but fine") as target:
        mine = client()
        assert mine.post(target.url, b"x", {}).body == b"old but fine"
        mine.close()
