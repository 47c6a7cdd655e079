"""The pointers a position-independent file holds: places that the loader fills with an address of the file itself.

Invariant: sixteen bytes of memory a pointer, and a bound on their number; only `ElfError`. Layout: gABI, "Relocation"
and (for DT_RELR) "Relative Relocation Table"; x86-64 psABI, table 4.9.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from operator import le

from wirespan.locate.byte_source import ElfError
from wirespan.locate.elf import ElfFile
from wirespan.locate.image import read_at

DT_RELA, DT_RELASZ = 7, 8
DT_RELRSZ, DT_RELR = 35, 36
R_X86_64_RELATIVE = 8

# Codex has 337,000, Chromium 485,000.
MAX_POINTERS = 1_500_000
# Those of DT_RELR are read where they lie: 6 MiB in Codex.
MAX_READ_BYTES = 256 << 20
_RELA_BYTES = 24
_ENTRIES_A_CHUNK = 1 << 16
_RELR_BITS = 63
_WINDOW_BYTES = 1 << 16
_WORD = (1 << 64) - 1
_WORD_FORM = struct.Struct("<Q")


class Pointers:
    """Sorted by place; both are virtual addresses."""

    def __init__(self, places: array[int], values: array[int]) -> None:
        self._places = places
        self._values = values

    def __len__(self) -> int:
        return len(self._places)

    def at(self, place: int) -> int | None:
        """What the eight bytes at `place` will point to; None if they are no pointer."""
        index = bisect_left(self._places, place)
        if index < len(self._places) and self._places[index] == place:
            return self._values[index]
        return None

    def to(self, targets: Iterable[int]) -> Iterator[int]:
        """The places of the pointers to any of `targets`, in order."""
        wanted = frozenset(targets)
        return (place for place, value in zip(self._places, self._values, strict=True) if value in wanted)


def read_pointers(elf: ElfFile) -> Pointers:
    """Every relative relocation of a position-independent x86-64 file. Raises ElfError."""
    entries: dict[int, int] = {}
    for tag, value in elf.dynamic_entries():
        entries.setdefault(tag, value)
    places, values = array("Q"), array("Q")
    for words in _words(elf, entries.get(DT_RELA), entries.get(DT_RELASZ, 0), _RELA_BYTES):
        for place, kind, addend in zip(words[0::3], words[1::3], words[2::3], strict=True):
            if kind == R_X86_64_RELATIVE:
                places.append(place)
                values.append(addend)
    packed = _unpack(chain.from_iterable(_words(elf, entries.get(DT_RELR), entries.get(DT_RELRSZ, 0), 8)))
    places += packed
    values += _stored_at(elf, packed)
    return _sorted(places, values)


def _words(elf: ElfFile, table: int | None, size: int, entry_bytes: int) -> Iterator[list[int]]:
    """The table's words in chunks of whole entries."""
    if table is None:
        return
    if size > MAX_POINTERS * entry_bytes:
        raise ElfError(f"a relocation table of {size} bytes")
    size -= size % entry_bytes
    chunk_bytes = _ENTRIES_A_CHUNK * entry_bytes
    for start in range(0, size, chunk_bytes):
        wanted = min(chunk_bytes, size - start)
        data = read_at(elf, table + start, wanted)
        if len(data) < wanted:
            raise ElfError("a relocation table outside the file")
        yield list(struct.unpack(f"<{wanted // 8}Q", data))


def _unpack(words: Iterable[int]) -> array[int]:
    """DT_RELR: an even word is a place; an odd one tells by its bits which of the next 63 words are places too."""
    places = array("Q")
    following = 0
    for word in words:
        if not word & 1:
            places.append(word)
            following = word + 8
        else:
            for bit in range(_RELR_BITS):
                if word >> (bit + 1) & 1:
                    places.append((following + 8 * bit) & _WORD)
            following += 8 * _RELR_BITS
        if len(places) > MAX_POINTERS:
            raise ElfError(f"more than {MAX_POINTERS} relocations")
    return places


def _stored_at(elf: ElfFile, places: array[int]) -> array[int]:
    """The words at `places`, which ascend: DT_RELR leaves the addends there."""
    values = array("Q")
    start, data = 0, b""
    left = MAX_READ_BYTES
    for place in places:
        if not start <= place <= start + len(data) - 8:
            start, data = place, read_at(elf, place, _WINDOW_BYTES)
            left -= len(data)
            if len(data) < 8 or left < 0:
                raise ElfError("relocations of places outside the file, or all over it")
        values.append(_WORD_FORM.unpack_from(data, place - start)[0])
    return values


def _sorted(places: array[int], values: array[int]) -> Pointers:
    """Linkers sort them, but need not."""
    if all(map(le, places, islice(places, 1, None))):
        return Pointers(places, values)
    order = sorted(range(len(places)), key=places.__getitem__)
    return Pointers(array("Q", (places[index] for index in order)), array("Q", (values[index] for index in order)))
