"""A description of the TLS library in a file, for people. Wrong or missing text does no harm, so it may be cheap."""

from __future__ import annotations

import re
from collections.abc import Iterable

from wirespan.locate.byte_source import ElfError, chunks
from wirespan.locate.elf import ElfFile
from wirespan.locate.elf_symbols import Symbol
from wirespan.locate.openssl import BORINGSSL_MARK, LIBRESSL_MARK

MAX_SEARCH_BYTES = 128 << 20
_VERSION_BYTES = 64
_VERSION = re.compile(rb"OpenSSL (\d+\.\d+\.\d+[a-z]{0,2})( \(compatible; BoringSSL\))?")
# Wheels get a hash into the name: libssl-8bd944e8.so.3
_SONAME = re.compile(r"libssl(?:-[0-9a-f]{8})?\.so\.([0-9.]+)$")


def describe(elf: ElfFile, symbols: Iterable[Symbol]) -> str:
    """E.g. "OpenSSL 3.5.7" (linked in statically), "OpenSSL 3 (libssl.so.3)", "LibreSSL"."""
    names = {symbol.name for symbol in symbols}
    if BORINGSSL_MARK in names:
        return "BoringSSL"
    if LIBRESSL_MARK in names:
        return f"LibreSSL ({elf.soname})" if elf.soname else "LibreSSL"
    match = _SONAME.search(elf.soname)
    if match:
        # The full version is in libcrypto, another file.
        return f"OpenSSL {match[1]} ({elf.soname})"
    return _version_text(elf) or "OpenSSL-like"


def _version_text(elf: ElfFile) -> str:
    """OPENSSL_VERSION_TEXT lies in the read-only data of whatever libcrypto is linked into."""
    try:
        section = elf.section_named(".rodata")
        if section is None:
            return ""
        for _, data in chunks(elf.source, section.offset, min(section.size, MAX_SEARCH_BYTES), _VERSION_BYTES):
            # find() first: a third of the time of the regular expression alone over node's 55 MB.
            at = data.find(b"OpenSSL ")
            while at >= 0:
                match = _VERSION.match(data, at)
                if match:
                    return "BoringSSL" if match[2] else f"OpenSSL {match[1].decode()}"
                at = data.find(b"OpenSSL ", at + 1)
    except ElfError:
        pass
    return ""
