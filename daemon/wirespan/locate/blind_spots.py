"""Why the TLS of a program may be invisible: marks of TLS stacks that have no symbols to find.

For `wirespan doctor` and only for programs that look like LLM clients: this reads the whole file (0.1 s a 100 MB).
A mark says that the stack is linked in, not that it is used.
"""

from __future__ import annotations

import os
import re
from pathlib import PurePosixPath

from wirespan.locate.byte_source import ElfError, FileSource, chunks

MAX_SEARCH_BYTES = 1 << 30
_MARK_BYTES = 64

_MARKS: tuple[tuple[bytes, str], ...] = (
    (b"third_party/boringssl", "BoringSSL, linked in statically and without symbols"),
    (b"boringssl-with-bazel", "BoringSSL, linked in statically and without symbols"),
    (b"ssl/ssl_lib.cc", "BoringSSL, linked in statically and without symbols"),
    (b"crypto/tls.(*Conn)", "Go's crypto/tls"),
    (b"ssl_write_internal\0", "OpenSSL, linked in statically and without symbols"),
)
_RUSTLS_MARK = b"rustls-0."
_RUSTLS = re.compile(rb"rustls-(0\.\d{1,3}(?:\.\d{1,3})?)[/\-]")

_BY_FILE_NAME = (
    (re.compile(r"libjvm\.so$"), "the Java runtime does TLS in bytecode (JSSE)"),
    (re.compile(r"lib(?:coreclr|clrjit)\.so$"), ".NET loads the system's libssl with its first TLS connection"),
    (re.compile(r"libgnutls\.so"), "GnuTLS"),
    (re.compile(r"lib(?:nspr4|nss3|ssl3)\.so"), "NSS"),
    (re.compile(r"libmbedtls\.so"), "Mbed TLS"),
    (re.compile(r"libwolfssl\.so"), "wolfSSL"),
)


def explain_file(path: str | os.PathLike[str], path_seen: str = "") -> str | None:
    """Which TLS stacks `path` seems to hold although it gave no plan, e.g. "rustls 0.23.46; Go's crypto/tls"; None if
    no mark is in it or it can't be read. `path_seen` is the name to judge by, if `path` is not its own."""
    name = PurePosixPath(path_seen or os.fspath(path)).name
    for pattern, meaning in _BY_FILE_NAME:
        if pattern.match(name):
            return meaning
    try:
        found = _marks_in(path)
    except (OSError, ElfError):
        return None
    return "; ".join(found) or None


def _marks_in(path: str | os.PathLike[str]) -> list[str]:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        source = FileSource(descriptor)
        found: dict[str, None] = {}
        for _, data in chunks(source, 0, min(source.size_bytes, MAX_SEARCH_BYTES), _MARK_BYTES):
            for mark, meaning in _MARKS:
                if meaning not in found and mark in data:
                    found.setdefault(meaning)
            rustls = _rustls_version(data)
            if rustls:
                found.setdefault(rustls)
        return list(found)
    finally:
        os.close(descriptor)


def _rustls_version(data: bytes) -> str | None:
    at = data.find(_RUSTLS_MARK)
    while at >= 0:
        match = _RUSTLS.match(data, at)
        if match:
            return f"rustls {match[1].decode()}"
        at = data.find(_RUSTLS_MARK, at + 1)
    return None
