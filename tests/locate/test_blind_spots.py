from __future__ import annotations

import os
from pathlib import Path

import pytest

from rig import binutils
from wirespan.locate import byte_source, explain_file

BORINGSSL = "BoringSSL, linked in statically and without symbols"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"..../third_party/boringssl/src/ssl/ssl_lib.cc\0", BORINGSSL),
        (b"external/boringssl-with-bazel/src/", BORINGSSL),
        (b"/build/vendor/boringssl/ssl/ssl_lib.cc\0", BORINGSSL),
        (b"/root/.cargo/registry/src/x/rustls-0.23.46/src/conn.rs", "rustls 0.23.46"),
        (b"rustls-0.x rustls-0.21-rc", "rustls 0.21"),
        (b"crypto/tls.(*Conn).Write\0", "Go's crypto/tls"),
        (b"\0ssl_write_internal\0", "OpenSSL, linked in statically and without symbols"),
        (
            b"rustls-0.23.46/src \0ssl_write_internal\0",
            "OpenSSL, linked in statically and without symbols; rustls 0.23.46",
        ),
        (b"rustls-platform-verifier, boring, crypto/tls, ssl_write_internal_x\0", None),
        (b"", None),
    ],
)
def test_marks(tmp_path: Path, content: bytes, expected: str | None) -> None:
    (tmp_path / "program").write_bytes(b"\x7fELF" + content)
    assert explain_file(tmp_path / "program") == expected


@pytest.mark.parametrize("shift", range(24))
def test_a_mark_across_the_border_of_two_pieces(tmp_path: Path, shift: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(byte_source, "CHUNK_BYTES", 128)
    (tmp_path / "program").write_bytes(b"." * (128 - shift) + b"rustls-0.23.46/src" + b"." * 200)
    assert explain_file(tmp_path / "program") == "rustls 0.23.46"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("libgnutls.so.30", "GnuTLS"),
        ("libnspr4.so", "NSS"),
        ("libssl3.so", "NSS"),
        ("libjvm.so", "the Java runtime does TLS in bytecode (JSSE)"),
        ("libcoreclr.so", ".NET loads the system's libssl with its first TLS connection"),
        ("not-libjvm.so", None),
    ],
)
def test_known_names(tmp_path: Path, name: str, expected: str | None) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert explain_file(tmp_path / "file", f"/opt/lib/{name}") == expected
    (tmp_path / name).write_bytes(b"")
    assert explain_file(tmp_path / name) == expected


def test_what_can_not_be_read_explains_nothing(tmp_path: Path) -> None:
    assert explain_file(tmp_path / "missing") is None
    assert explain_file(tmp_path) is None
    os.mkfifo(tmp_path / "fifo")
    assert explain_file(tmp_path / "fifo") is None


def test_real_files() -> None:
    assert explain_file("/bin/sh") is None
    # Not stripped of its strings: the mark a static OpenSSL leaves, also where there are no symbols.
    assert explain_file(binutils.cryptography_library()) == "OpenSSL, linked in statically and without symbols"
