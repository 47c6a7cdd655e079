"""ELF64 little-endian files: headers, address translation, notes, the dynamic section. Standard library only.

Invariant: whatever the bytes, only `ElfError` comes out, and time and memory are bounded by the limits below, not by
what a header claims. Layout: the System V ABI (gABI), chapters 4 and 5; names as in elf.h.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from wirespan.locate.byte_source import ByteSource, ElfError

EM_X86_64 = 62
EM_AARCH64 = 183

PT_LOAD, PT_DYNAMIC, PT_NOTE = 1, 2, 4
PF_X = 1
DT_NULL, DT_STRTAB, DT_SONAME = 0, 5, 14
NT_GNU_BUILD_ID = 3

# Real files have about 12 segments and 45 sections. A node has 256 notes of systemtap probes before its build-id;
# Copilot's SEA blob is an 88 MB PT_NOTE of its own, which nobody needs to read.
MAX_SEGMENTS = 1024
MAX_SECTIONS = 65535
MAX_NOTE_BYTES = 1 << 20
MAX_DYNAMIC_BYTES = 1 << 16
MAX_NAME_BYTES = 256
MAX_BUILD_ID_BYTES = 64

_FILE_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_PROGRAM_HEADER = struct.Struct("<IIQQQQQQ")
_SECTION_HEADER = struct.Struct("<IIQQQQIIQQ")
_DYNAMIC_ENTRY = struct.Struct("<QQ")
_NOTE_HEADER = struct.Struct("<III")


class ElfUnsupported(ElfError):
    """An ELF file, but not 64-bit little-endian."""


@dataclass(frozen=True, slots=True)
class Segment:
    type: int
    flags: int
    offset: int
    address: int
    file_bytes: int
    alignment: int


@dataclass(frozen=True, slots=True)
class Section:
    name_offset: int
    type: int
    offset: int
    size: int
    link: int
    entry_bytes: int


class ElfFile:
    """One ELF file. The constructor reads the file header; everything else is read when it is asked for."""

    def __init__(self, source: ByteSource) -> None:
        self.source = source
        ident = source.read(0, 16)
        if ident[:4] != b"\x7fELF":
            raise ElfError("no ELF magic")
        if ident[4] != 2 or ident[5] != 1:
            raise ElfUnsupported("not a 64-bit little-endian ELF file")
        header = _FILE_HEADER.unpack(source.read(0, _FILE_HEADER.size))
        (_, self.type, self.machine, _, _, self._segments_offset, self._sections_offset) = header[:7]
        (_, _, self._segment_bytes, self._segment_count, self._section_bytes, self._section_count, self._names) = (
            header[7:]
        )

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        count = self._segment_count
        if count == 0:
            return ()
        if self._segment_bytes != _PROGRAM_HEADER.size or count > MAX_SEGMENTS:
            raise ElfError(f"{count} program headers of {self._segment_bytes} bytes")
        table = self.source.read(self._segments_offset, count * _PROGRAM_HEADER.size)
        return tuple(
            Segment(kind, flags, offset, address, file_bytes, alignment)
            for kind, flags, offset, address, _, file_bytes, _, alignment in _PROGRAM_HEADER.iter_unpack(table)
        )

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """Empty when the file has no section headers (sstrip, UPX)."""
        if self._sections_offset == 0:
            return ()
        if self._section_bytes != _SECTION_HEADER.size:
            raise ElfError(f"section headers of {self._section_bytes} bytes")
        count = self._section_count
        if count == 0:  # gABI: more than SHN_LORESERVE sections, the count is sh_size of section 0
            count = int(_SECTION_HEADER.unpack(self.source.read(self._sections_offset, _SECTION_HEADER.size))[5])
        if count > MAX_SECTIONS:
            raise ElfError(f"{count} sections")
        table = self.source.read(self._sections_offset, count * _SECTION_HEADER.size)
        return tuple(
            Section(name, kind, offset, size, link, entry_bytes)
            for name, kind, _, _, offset, size, link, _, _, entry_bytes in _SECTION_HEADER.iter_unpack(table)
        )

    def section_named(self, name: str) -> Section | None:
        """The first section of that name."""
        if self._names >= len(self.sections):
            return None
        strings = self.sections[self._names]
        data = self.source.read(strings.offset, min(strings.size, MAX_NAME_BYTES * 1024))
        wanted = name.encode() + b"\0"
        for section in self.sections:
            if data[section.name_offset : section.name_offset + len(wanted)] == wanted:
                return section
        return None

    def file_offset(self, address: int) -> int | None:
        """Where the file holds the code that runs at virtual `address`; None if no executable segment holds it."""
        for segment in self.segments:
            if segment.type == PT_LOAD and segment.flags & PF_X:
                inside = address - segment.address
                if 0 <= inside < segment.file_bytes:
                    return segment.offset + inside
        return None

    def code_at(self, address: int, size: int) -> bytes:
        """Up to `size` bytes of the code at `address`, fewer at the end of its segment; empty if it is not code."""
        for segment in self.segments:
            if segment.type == PT_LOAD and segment.flags & PF_X:
                inside = address - segment.address
                if 0 <= inside < segment.file_bytes:
                    return self.source.read(segment.offset + inside, min(size, segment.file_bytes - inside))
        return b""

    @cached_property
    def build_id(self) -> str | None:
        """The GNU build-id in hex."""
        for segment in self.segments:
            if segment.type == PT_NOTE:
                # 8-byte notes exist only where p_align says so (gABI as amended for .note.gnu.property).
                data = self.source.read(segment.offset, min(segment.file_bytes, MAX_NOTE_BYTES))
                for kind, name, description in _notes(data, 8 if segment.alignment == 8 else 4):
                    if kind == NT_GNU_BUILD_ID and name == b"GNU\0" and 0 < len(description) <= MAX_BUILD_ID_BYTES:
                        return description.hex()
        return None

    @cached_property
    def soname(self) -> str:
        """DT_SONAME, or empty."""
        strings_address = name_offset = -1
        for tag, value in self.dynamic_entries():
            if tag == DT_STRTAB:
                strings_address = value
            elif tag == DT_SONAME:
                name_offset = value
        if strings_address < 0 or name_offset < 0:
            return ""
        return self._string_at_address(strings_address + name_offset)

    def dynamic_entries(self) -> Iterator[tuple[int, int]]:
        """(tag, value) up to DT_NULL."""
        for segment in self.segments:
            if segment.type == PT_DYNAMIC:
                size = min(segment.file_bytes, MAX_DYNAMIC_BYTES) // _DYNAMIC_ENTRY.size * _DYNAMIC_ENTRY.size
                for tag, value in _DYNAMIC_ENTRY.iter_unpack(self.source.read(segment.offset, size)):
                    if tag == DT_NULL:
                        return
                    yield tag, value

    def _string_at_address(self, address: int) -> str:
        for segment in self.segments:
            inside = address - segment.address
            if segment.type == PT_LOAD and 0 <= inside < segment.file_bytes:
                data = self.source.read(segment.offset + inside, min(MAX_NAME_BYTES, segment.file_bytes - inside))
                return data.split(b"\0", 1)[0].decode("utf-8", "replace")
        return ""


def _notes(data: bytes, alignment: int) -> Iterator[tuple[int, bytes, bytes]]:
    position = 0
    while position + _NOTE_HEADER.size <= len(data):
        name_bytes, description_bytes, kind = _NOTE_HEADER.unpack_from(data, position)
        name_at = position + _NOTE_HEADER.size
        # Rounded from the note's own beginning: with 8 the header of 12 bytes and "GNU\0" make 16, not 20.
        description_at = position + _round_up(_NOTE_HEADER.size + name_bytes, alignment)
        end = description_at + description_bytes
        if end > len(data):
            return
        yield kind, data[name_at : name_at + name_bytes], data[description_at:end]
        position += _round_up(end - position, alignment)


def _round_up(value: int, alignment: int) -> int:
    return -(-value // alignment) * alignment
