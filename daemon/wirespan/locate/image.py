"""A file as its loader maps it: which bytes are code, which are constants, and at which address each lies.

Invariant: a search through a segment is bounded by the limits below, whatever the headers claim: overlapping segments
and sparse files of many gigabytes are refused, not walked through.
"""

from __future__ import annotations

from wirespan.locate.byte_source import ElfError
from wirespan.locate.elf import PF_X, PT_LOAD, ElfFile, Segment

PF_W, PF_R = 2, 4
ET_EXEC, ET_DYN = 2, 3

# The largest seen: Codex 0.169 with 234 MiB of code, Copilot's node with 145 MiB of constants (its script is in there).
MAX_CODE_BYTES = 512 << 20
MAX_CONSTANT_BYTES = 512 << 20


def code_segments(elf: ElfFile) -> tuple[Segment, ...]:
    """What is mapped executable; ElfError if it is more than MAX_CODE_BYTES."""
    segments = tuple(segment for segment in elf.segments if segment.type == PT_LOAD and segment.flags & PF_X)
    if sum(segment.file_bytes for segment in segments) > MAX_CODE_BYTES:
        raise ElfError(f"more than {MAX_CODE_BYTES >> 20} MiB of code")
    return segments


def constant_segments(elf: ElfFile) -> tuple[Segment, ...]:
    """Where string constants lie, at most MAX_CONSTANT_BYTES from the front. Mapped read-only by every linker that
    separates them from code (ld since 2.31, lld, mold); older ones put both into one executable segment."""
    loads = [segment for segment in elf.segments if segment.type == PT_LOAD and not segment.flags & PF_W]
    chosen = [segment for segment in loads if not segment.flags & PF_X] or loads
    left = MAX_CONSTANT_BYTES
    bounded = []
    for segment in chosen:
        size = min(segment.file_bytes, left)
        left -= size
        if size:
            bounded.append(_first(segment, size))
    return tuple(bounded)


def read_at(elf: ElfFile, address: int, size: int) -> bytes:
    """Up to `size` bytes at virtual `address`, fewer at the end of its segment; empty if no segment holds it."""
    for segment in elf.segments:
        inside = address - segment.address
        if segment.type == PT_LOAD and 0 <= inside < segment.file_bytes:
            return elf.source.read(segment.offset + inside, min(size, segment.file_bytes - inside))
    return b""


def read_before(elf: ElfFile, address: int, size: int) -> bytes:
    """Up to `size` bytes that end just before `address`, fewer at the beginning of its segment."""
    for segment in elf.segments:
        inside = address - segment.address
        if segment.type == PT_LOAD and 0 < inside <= segment.file_bytes:
            start = max(0, inside - size)
            return elf.source.read(segment.offset + start, inside - start)
    return b""


def _first(segment: Segment, size: int) -> Segment:
    return Segment(segment.type, segment.flags, segment.offset, segment.address, size, segment.alignment)
