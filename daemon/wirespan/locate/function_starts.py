"""Which function a piece of x86-64 code belongs to, in a file without symbols.

Invariant: `.eh_frame_hdr` is asked first and believed only where its own entry covers the address: Bun's covers a part
of the code. Elsewhere the start is a guess from padding and prologue, and marked as one: a probe may be put there only
if the code is seen to call it (see `code_references.calls_into`).

Layout: LSB 5.0, "Exception Frames"; pointer encodings: DWARF 4 as extended there (DW_EH_PE_*).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property

from wirespan.locate.elf import ElfFile, Segment
from wirespan.locate.image import read_at, read_before

PT_GNU_EH_FRAME = 0x6474E550
# version 1, any pointer to .eh_frame, count as udata4, table as datarel | sdata4: what every linker writes.
_HEADER = struct.Struct("<BBBBiI")
_COUNT_UDATA4, _TABLE_DATAREL_SDATA4 = 0x03, 0x3B
_TABLE_OFFSET = _HEADER.size
_ENTRY = struct.Struct("<ii")
# length, CIE pointer, first address relative to itself, size
_DESCRIPTION = struct.Struct("<IIii")

MAX_FUNCTION_BYTES = 64 << 10
_ALIGNMENT = 16
_PROLOGUES = (
    b"\x55",  # push %rbp
    b"\x53",  # push %rbx
    b"\x41\x54",  # push %r12 .. %r15
    b"\x41\x55",
    b"\x41\x56",
    b"\x41\x57",
    b"\xf3\x0f\x1e\xfa",  # endbr64
)
# What may stand before a function: traps, a return, or the no-ops that assemblers pad with (Intel SDM volume 2, NOP).
_ENDINGS = (
    b"\xcc",
    b"\xc3",
    b"\x90",
    b"\x0f\x0b",
    b"\x0f\x1f\x00",
    b"\x0f\x1f\x40\x00",
    b"\x0f\x1f\x44\x00\x00",
    b"\x0f\x1f\x80\x00\x00\x00\x00",
    b"\x0f\x1f\x84\x00\x00\x00\x00\x00",
)
_ENDING_BYTES = 8
_PROLOGUE_BYTES = 4
_CALL, _JUMP = 0xE8, 0xE9


@dataclass(frozen=True, slots=True)
class FunctionBounds:
    """Virtual addresses, `stop` excluded. `guessed` if no frame description says so."""

    start: int
    stop: int
    guessed: bool


class FunctionIndex:
    def __init__(self, elf: ElfFile) -> None:
        self._elf = elf

    def function_at(self, address: int) -> FunctionBounds | None:
        """The function that holds the code at `address`; None if that can't be told. Raises ElfError."""
        return self._described(address) or self._guessed(address)

    @cached_property
    def _table(self) -> tuple[Segment, int] | None:
        """The .eh_frame_hdr and its number of entries."""
        for segment in self._elf.segments:
            if segment.type == PT_GNU_EH_FRAME and segment.file_bytes >= _TABLE_OFFSET:
                header = self._elf.source.read(segment.offset, _TABLE_OFFSET)
                version, _, count_form, table_form, _, count = _HEADER.unpack(header)
                if (version, count_form, table_form) != (1, _COUNT_UDATA4, _TABLE_DATAREL_SDATA4):
                    return None
                return segment, min(count, (segment.file_bytes - _TABLE_OFFSET) // _ENTRY.size)
        return None

    def _described(self, address: int) -> FunctionBounds | None:
        if self._table is None:
            return None
        segment, count = self._table
        low, high = 0, count
        while low < high:
            middle = (low + high) // 2
            if segment.address + self._entry(segment, middle)[0] <= address:
                low = middle + 1
            else:
                high = middle
        if low == 0:
            return None
        start, description = self._entry(segment, low - 1)
        return self._checked(segment.address + start, segment.address + description, address)

    def _entry(self, segment: Segment, index: int) -> tuple[int, int]:
        offset = segment.offset + _TABLE_OFFSET + index * _ENTRY.size
        start, description = _ENTRY.unpack(self._elf.source.read(offset, _ENTRY.size))
        return start, description

    def _checked(self, start: int, description: int, address: int) -> FunctionBounds | None:
        data = read_at(self._elf, description, _DESCRIPTION.size)
        if len(data) < _DESCRIPTION.size:
            return None
        length, _, first, size = _DESCRIPTION.unpack(data)
        # The first address is pcrel | sdata4 in every file that has the table form above; if not, it won't fit.
        if length < _DESCRIPTION.size - 4 or description + 8 + first != start or not start <= address < start + size:
            return None
        return FunctionBounds(start, start + size, guessed=False)

    def _guessed(self, address: int) -> FunctionBounds | None:
        before = read_before(self._elf, address, MAX_FUNCTION_BYTES + _ENDING_BYTES)
        code = before + read_at(self._elf, address, _PROLOGUE_BYTES)
        at = len(before) - address % _ALIGNMENT
        while at >= _ENDING_BYTES:
            if _begins_at(code, at):
                return FunctionBounds(address - len(before) + at, self._guessed_stop(address), guessed=True)
            at -= _ALIGNMENT
        return None

    def _guessed_stop(self, address: int) -> int:
        """The next place after `address` where another function may begin."""
        first = address - address % _ALIGNMENT
        code = read_at(self._elf, first, MAX_FUNCTION_BYTES)
        for at in range(_ALIGNMENT, len(code), _ALIGNMENT):
            if _begins_at(code, at):
                return first + at
        return first + len(code)


def _begins_at(code: bytes, at: int) -> bool:
    before = code[at - _ENDING_BYTES : at]
    return code.startswith(_PROLOGUES, at) and (before.endswith(_ENDINGS) or before[-5] in (_CALL, _JUMP))
