from __future__ import annotations

import pytest

from rig.elf_image import ElfImage, Function
from wirespan.locate.byte_source import BytesSource
from wirespan.locate.elf import ElfFile
from wirespan.locate.elf_symbols import Symbol
from wirespan.locate.library import describe
from wirespan.locate.openssl import BORINGSSL_MARK, LIBRESSL_MARK


@pytest.mark.parametrize(
    ("soname", "rodata", "expected"),
    [
        ("libssl.so.3", b"", "OpenSSL 3 (libssl.so.3)"),
        ("libssl.so.1.1", b"", "OpenSSL 1.1 (libssl.so.1.1)"),
        ("libssl-8bd944e8.so.3", b"", "OpenSSL 3 (libssl-8bd944e8.so.3)"),
        ("", b"\0OpenSSL \0x OpenSSL 3.5.7 9 Jun 2026\0", "OpenSSL 3.5.7"),
        ("libarrow.so.2500", b"OpenSSL 1.1.1zb  1 Jan 2026", "OpenSSL 1.1.1zb"),
        ("", b"OpenSSL 1.1.1 (compatible; BoringSSL)\0", "BoringSSL"),
        ("", b"nothing of the sort", "OpenSSL-like"),
        ("", b"", "OpenSSL-like"),
    ],
)
def test_description(soname: str, rodata: bytes, expected: str) -> None:
    elf = ElfFile(BytesSource(ElfImage([Function("a")], soname=soname, rodata=rodata).build()))
    assert describe(elf, []) == expected


def test_boringssl_is_known_by_a_function_of_its_own() -> None:
    elf = ElfFile(BytesSource(ElfImage([Function("a")], rodata=b"OpenSSL 1.1.1 is what it claims").build()))
    assert describe(elf, [Symbol(BORINGSSL_MARK, 0, 0)]) == "BoringSSL"


def test_libressl_is_known_by_a_function_of_its_own() -> None:
    elf = ElfFile(BytesSource(ElfImage([Function("a")], soname="libssl.so.57").build()))
    assert describe(elf, [Symbol(LIBRESSL_MARK, 0, 0)]) == "LibreSSL (libssl.so.57)"
