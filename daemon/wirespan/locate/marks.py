"""The cheap look: which TLS stacks left their source files' names among the constants of a file.

One pass over the read-only data of every file, so that the searches through code run only where they can find
something. The names are those that error reports and Rust's panics carry, so stripping does not remove them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from wirespan.locate.byte_source import ElfError, chunks
from wirespan.locate.elf import ElfFile
from wirespan.locate.image import constant_segments, read_before

# Codex has 65, among them those of hyper-rustls and tokio-rustls.
MAX_MARKS = 4096
MAX_PATH_BYTES = 512

_SSL_LIB = b"ssl/ssl_lib.c"
_RUSTLS = b"rustls-0."
# conn, record_layer, common_state: the part of rustls that speaks TLS; QUIC and DTLS stacks link only its cryptography.
_RUSTLS_FILE = re.compile(rb"rustls-(0\.\d{1,3}(?:\.\d{1,3})?)/src/(?:conn|record_layer|common_state)[/.]")
_LONGEST_BYTES = 64


@dataclass(slots=True)
class Marks:
    """`boringssl_files` are the addresses of the strings "...ssl/ssl_lib.cc"; `openssl` says that "ssl/ssl_lib.c" is
    there; `rustls_versions` are e.g. "0.23.46", in order of appearance."""

    boringssl_files: list[int] = field(default_factory=list)
    openssl: bool = False
    rustls_versions: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.boringssl_files or self.openssl or self.rustls_versions)


def find_marks(elf: ElfFile) -> Marks:
    """One pass, about a second a gigabyte. Raises ElfError."""
    marks = Marks()
    left = MAX_MARKS
    for segment in constant_segments(elf):
        for start, data in chunks(elf.source, segment.offset, segment.file_bytes, _LONGEST_BYTES):
            address = segment.address + start - segment.offset
            for needle, note in ((_SSL_LIB, _note_ssl_lib), (_RUSTLS, _note_rustls)):
                at = data.find(needle)
                while at >= 0:
                    left -= 1
                    if left < 0:
                        raise ElfError(f"more than {MAX_MARKS} names of TLS source files")
                    note(elf, marks, address, data, at)
                    at = data.find(needle, at + 1)
    return marks


def _note_ssl_lib(elf: ElfFile, marks: Marks, address: int, data: bytes, at: int) -> None:
    end = at + len(_SSL_LIB)
    if data.startswith(b"\0", end):
        marks.openssl = True
    elif data.startswith(b"c\0", end):
        path = read_before(elf, address + at, MAX_PATH_BYTES).rpartition(b"\0")[2]
        start = address + at - len(path)
        if start not in marks.boringssl_files:
            marks.boringssl_files.append(start)


def _note_rustls(elf: ElfFile, marks: Marks, address: int, data: bytes, at: int) -> None:
    match = _RUSTLS_FILE.match(data, at)
    # Not "hyper-rustls-0.27.7/src/connector.rs"; Bazel's "crates__rustls-0.23.46" is one.
    if match and read_before(elf, address + at, 1) != b"-":
        version = match[1].decode()
        if version not in marks.rustls_versions:
            marks.rustls_versions.append(version)
