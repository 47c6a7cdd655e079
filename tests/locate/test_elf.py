from __future__ import annotations

import contextlib
import os
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rig import binutils
from rig.elf_image import TEXT_ADDRESS, TEXT_OFFSET, ElfImage, Function
from wirespan.locate.byte_source import BytesSource, ElfError, FileSource
from wirespan.locate.elf import ElfFile, ElfUnsupported
from wirespan.locate.elf_symbols import SHT_DYNSYM, SHT_SYMTAB, find_functions
from wirespan.locate.library import describe
from wirespan.locate.openssl import FUNCTIONS, NotProbeable, sites_of

REAL_FILES = {
    "libssl": binutils.system_libssl,
    "cryptography": binutils.cryptography_library,
    "node": binutils.node_binary,
}


@pytest.fixture(params=REAL_FILES)
def real_file(request: pytest.FixtureRequest) -> Path:
    return REAL_FILES[request.param]()


def test_real_files_read_as_readelf_reads_them(real_file: Path) -> None:
    descriptor = os.open(real_file, os.O_RDONLY)
    try:
        elf = ElfFile(FileSource(descriptor))
        assert elf.machine == {"x86_64": 62, "aarch64": 183}[os.uname().machine]
        assert elf.build_id == binutils.build_id(real_file)
        assert elf.soname == binutils.soname(real_file)
        loads = [segment for segment in elf.segments if segment.type == 1]
        assert [(s.offset, s.address, s.file_bytes) for s in loads] == [row[:3] for row in binutils.loads(real_file)]
        for offset, address, size, flags in binutils.loads(real_file):
            if "E" in flags:
                assert elf.file_offset(address) == offset
                assert elf.file_offset(address + size - 1) == offset + size - 1
            elif size:
                assert elf.file_offset(address) is None
    finally:
        os.close(descriptor)


def test_translation_between_addresses_and_offsets() -> None:
    image = ElfImage([Function("a", b"\x55" * 16), Function("b", b"\x66" * 32)])
    elf = ElfFile(BytesSource(image.build()))
    assert elf.file_offset(TEXT_ADDRESS + 16) == TEXT_OFFSET + 16
    assert elf.file_offset(TEXT_ADDRESS + 48) is None
    assert elf.file_offset(TEXT_ADDRESS - 1) is None
    assert elf.code_at(TEXT_ADDRESS + 12, 8) == b"\x55" * 4 + b"\x66" * 4
    assert elf.code_at(TEXT_ADDRESS + 44, 100) == b"\x66" * 4  # no further than the segment
    assert elf.code_at(0, 4) == b""


def test_build_id_and_soname() -> None:
    elf = ElfFile(BytesSource(ElfImage([Function("a")], build_id=bytes(range(20)), soname="libssl.so.3").build()))
    assert elf.build_id == "000102030405060708090a0b0c0d0e0f10111213"
    assert elf.soname == "libssl.so.3"
    bare = ElfFile(BytesSource(ElfImage([Function("a")]).build()))
    assert bare.build_id is None
    assert bare.soname == ""


def test_a_build_id_behind_other_notes_with_8_byte_alignment() -> None:
    """.note.gnu.property is aligned to 8, and may stand in one segment with others."""
    image = bytearray(ElfImage([Function("a")], build_id=b"\xab" * 20).build())
    (offset,) = struct.unpack_from("<Q", image, 64 + 3 * 56 + 8)
    notes = struct.pack("<III4s", 4, 12, 5, b"GNU\0") + b"p" * 12 + bytes(4)  # description padded to 8
    notes += struct.pack("<III4s", 4, 20, 3, b"GNU\0") + b"\xab" * 20
    place = len(image)
    image += notes
    struct.pack_into("<IIQQQQQQ", image, 64 + 3 * 56, 4, 4, place, 0, 0, len(notes), len(notes), 8)
    assert offset
    assert ElfFile(BytesSource(bytes(image))).build_id == "ab" * 20


def test_sections_by_name() -> None:
    elf = ElfFile(BytesSource(ElfImage([Function("a")], rodata=b"hello").build()))
    section = elf.section_named(".rodata")
    assert section is not None
    assert elf.source.read(section.offset, section.size) == b"hello"
    assert elf.section_named(".ro") is None


def test_more_sections_than_the_header_can_count() -> None:
    """gABI: e_shnum is 0 then, and section 0 tells."""
    image = bytearray(ElfImage([Function("SSL_read")]).build())
    (sections_at,) = struct.unpack_from("<Q", image, 40)
    struct.pack_into("<H", image, 60, 0)
    struct.pack_into("<Q", image, sections_at + 32, 6)
    elf = ElfFile(BytesSource(bytes(image)))
    assert len(elf.sections) == 6
    assert len(find_functions(elf, ["SSL_read"], SHT_DYNSYM)) == 1


def test_what_is_no_elf_file_of_ours_says_so() -> None:
    with pytest.raises(ElfError, match="outside"):
        ElfFile(BytesSource(b"\x7fELF"))
    with pytest.raises(ElfError, match="magic"):
        ElfFile(BytesSource(b"#!/bin/sh\n" + bytes(100)))
    with pytest.raises(ElfUnsupported):
        ElfFile(BytesSource(ElfImage([Function("a")], word_class=1).build()))


def _use_everything(data: bytes) -> None:
    """All that the locate room does with a file, minus opening it."""
    elf = ElfFile(BytesSource(data))
    _ = elf.segments, elf.sections, elf.build_id, elf.soname, elf.section_named(".rodata")
    symbols = find_functions(elf, FUNCTIONS, SHT_DYNSYM) + find_functions(elf, FUNCTIONS, SHT_SYMTAB)
    describe(elf, symbols)
    sites_of(elf, symbols)


SMALL = ElfImage(
    [Function(name) for name in ("SSL_read", "SSL_write", "SSL_read_ex", "SSL_free")],
    build_id=bytes(20),
    soname="libssl.so.3",
    rodata=b"OpenSSL 3.0.0",
).build()
REAL = binutils.system_libssl().read_bytes()
HEADER_PLACES = [*range(64 + 16 * 56), *range(struct.unpack_from("<Q", REAL, 40)[0], len(REAL))]


def test_the_unharmed_files_work() -> None:
    _use_everything(SMALL)
    _use_everything(REAL)


@given(st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_flipped_bytes_raise_elf_error_or_nothing(flips: list[tuple[int, int]]) -> None:
    data = bytearray(SMALL)
    for place, value in flips:
        data[place] = value
    _only_documented_errors(bytes(data))


@settings(max_examples=150)
@given(st.lists(st.tuples(st.sampled_from(HEADER_PLACES), st.integers(0, 255)), min_size=1, max_size=6))
def test_flipped_header_bytes_of_a_real_library_raise_elf_error_or_nothing(flips: list[tuple[int, int]]) -> None:
    data = bytearray(REAL)
    for place, value in flips:
        data[place] = value
    _only_documented_errors(bytes(data))


@given(st.integers(0, len(SMALL)))
def test_a_cut_file_raises_elf_error(length: int) -> None:
    _only_documented_errors(SMALL[:length])


@given(st.integers(0, 4096) | st.integers(0, len(REAL)))
def test_a_cut_real_library_raises_elf_error(length: int) -> None:
    _only_documented_errors(REAL[:length])


@given(st.binary(max_size=400))
def test_garbage_behind_a_good_magic_raises_elf_error(garbage: bytes) -> None:
    _only_documented_errors(b"\x7fELF\x02\x01\x01" + bytes(9) + garbage)


def _only_documented_errors(data: bytes) -> None:
    with contextlib.suppress(ElfError, NotProbeable):
        _use_everything(data)
