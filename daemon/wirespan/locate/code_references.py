"""Find the x86-64 instructions that name an address: calls, jumps, address loads. No disassembler.

Invariant: every operand that names one of the addresses is found, at whatever byte it lies; a few that only look like
one come along. Who asks checks the bytes before the operand, and asks more than one question.

A relative operand is `target - place - 4`. Over 64 KiB of code its upper half is one value, or two, so each window is
searched for two known bytes: 0.2 s for the 118 MiB of code in Claude Code, where looking at every `lea` takes seconds.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from wirespan.locate.byte_source import ElfError, chunks
from wirespan.locate.elf import ElfFile, Segment
from wirespan.locate.image import ET_EXEC, code_segments

BEFORE_BYTES = 3
# Targets nearer to each other than this are searched for together; the windows shrink by as much.
GROUP_BYTES = 16 << 10
# Real files have up to 20,000 places to look at; one made to have the two bytes everywhere must not cost minutes.
MAX_LOOKS = 2_000_000
# What is asked for is named a few hundred times.
MAX_OPERANDS = 20_000

# A piece repeats what it takes to see the operands that begin in it, and no more: none is seen twice.
_OVERLAP_BYTES = BEFORE_BYTES + 3
_REX_W = (0x48, 0x4C)
_CALL = 0xE8


class Operand(NamedTuple):
    """Four bytes of code at virtual address `address` that name `target`. `before` are the BEFORE_BYTES before them."""

    address: int
    target: int
    before: bytes


class Span(NamedTuple):
    """Addresses from `low` to `high`, both included."""

    low: int
    high: int


def loads_of(elf: ElfFile, targets: Iterable[int], within: Span | None = None) -> list[Operand]:
    """The instructions that put one of the addresses into a register: `lea disp32(%rip), %r64`, and `mov $imm32, %r32`
    where code runs at fixed addresses."""
    wanted = sorted(set(targets))
    found = [
        operand
        for group in _groups(wanted)
        for operand in relative_operands(elf, group, within)
        if operand.target in wanted and _is_lea(operand)
    ]
    if elf.type == ET_EXEC:
        for target in wanted:
            found += [operand for operand in _absolute_operands(elf, target, within) if _is_move(operand)]
    return found


def calls_into(elf: ElfFile, targets: Span, within: Span | None = None) -> list[Operand]:
    """The direct calls of addresses in `targets`."""
    return [operand for operand in relative_operands(elf, targets, within) if operand.before[-1] == _CALL]


def relative_operands(elf: ElfFile, targets: Span, within: Span | None = None) -> Iterator[Operand]:
    """Every place in the code whose four bytes, as an operand relative to what follows them, name an address in
    `targets`, which are at most GROUP_BYTES apart. `within` restricts the places."""
    if not 0 <= targets.high - targets.low <= GROUP_BYTES:
        raise ValueError(f"a span of {targets.high - targets.low} bytes")
    search = _Search(targets)
    for address, code in _pieces(elf, within):
        yield from search.in_piece(code, address)


@dataclass(slots=True)
class _Search:
    targets: Span
    looks_left: int = field(default_factory=lambda: MAX_LOOKS)
    operands_left: int = field(default_factory=lambda: MAX_OPERANDS)

    def in_piece(self, code: bytes, base: int) -> Iterator[Operand]:
        last = len(code) - 4
        spread = self.targets.high - self.targets.low
        first = BEFORE_BYTES
        while first <= last:
            # The greatest operand that may stand here. It falls by one with each byte we go on, and its upper half is
            # the same as long as the lower one does not run out.
            greatest = self.targets.high - (base + first) - 4
            upper, lower = greatest >> 16, greatest & 0xFFFF
            if lower >= spread:
                stop = min(last, first + lower - spread)
                yield from self._with_upper_half(code, base, first, stop, upper)
            else:
                stop = min(last, first + lower)
                yield from self._with_upper_half(code, base, first, stop, upper)
                yield from self._with_upper_half(code, base, first, stop, upper - 1)
            first = stop + 1

    def _with_upper_half(self, code: bytes, base: int, first: int, last: int, upper: int) -> Iterator[Operand]:
        if not -0x8000 <= upper < 0x8000:
            return
        needle = struct.pack("<h", upper)
        found = code.find(needle, first + 2, last + 4)
        while found >= 0:
            self.looks_left -= 1
            at = found - 2
            target = base + at + 4 + struct.unpack_from("<i", code, at)[0]
            if self.targets.low <= target <= self.targets.high:
                self.operands_left -= 1
                yield Operand(base + at, target, code[at - BEFORE_BYTES : at])
            found = code.find(needle, found + 1, last + 4)
        if self.looks_left < 0 or self.operands_left < 0:
            raise ElfError("its code repeats itself too much to be searched")


def _absolute_operands(elf: ElfFile, target: int, within: Span | None) -> Iterator[Operand]:
    if not 0 < target < 1 << 32:
        return
    needle = struct.pack("<I", target)
    operands_left = MAX_OPERANDS
    for base, code in _pieces(elf, within):
        at = code.find(needle, BEFORE_BYTES)
        while at >= 0:
            operands_left -= 1
            if operands_left < 0:
                raise ElfError("its code repeats itself too much to be searched")
            yield Operand(base + at, target, code[at - BEFORE_BYTES : at])
            at = code.find(needle, at + 1)


def _pieces(elf: ElfFile, within: Span | None) -> Iterator[tuple[int, bytes]]:
    """The code as (virtual address, bytes)."""
    for segment in code_segments(elf):
        start, size = _clip(segment, within)
        for place, code in chunks(elf.source, segment.offset + start, size, _OVERLAP_BYTES):
            yield segment.address + place - segment.offset, code


def _clip(segment: Segment, within: Span | None) -> tuple[int, int]:
    """(where to start in the segment, how many bytes)"""
    if within is None:
        return 0, segment.file_bytes
    start = min(max(0, within.low - segment.address), segment.file_bytes)
    stop = min(max(start, within.high + 1 - segment.address), segment.file_bytes)
    return start, stop - start


def _groups(targets: list[int]) -> Iterator[Span]:
    """Each run of the sorted `targets` that fits into GROUP_BYTES."""
    run: list[int] = []
    for target in targets:
        if run and target - run[0] > GROUP_BYTES:
            yield Span(run[0], run[-1])
            run = []
        run.append(target)
    if run:
        yield Span(run[0], run[-1])


def _is_lea(operand: Operand) -> bool:
    rex, opcode, modrm = operand.before
    return opcode == 0x8D and rex in _REX_W and modrm & 0xC7 == 0x05


def _is_move(operand: Operand) -> bool:
    return operand.before[-1] & 0xF8 == 0xB8
