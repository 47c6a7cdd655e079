from __future__ import annotations

import random
import re
import struct
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig import binutils
from rig.stripped_image import Function, Pointer, StrippedImage
from wirespan.locate import relocations
from wirespan.locate.byte_source import BytesSource, ElfError, FileSource
from wirespan.locate.elf import ElfFile
from wirespan.locate.relocations import read_pointers

FUNCTIONS = [Function(name, (b"\xc3" * 16,)) for name in ("f", "g")]


def _elf(data: bytes) -> ElfFile:
    return ElfFile(BytesSource(data))


@pytest.mark.parametrize("packed", [True, False], ids=["relr", "rela"])
def test_pointers_by_place_and_by_target(packed: bool) -> None:
    words = [Pointer("f"), 5, Pointer("g"), *[0] * 62, Pointer("f"), *[0] * 200, Pointer("g"), Pointer("g")]
    image = StrippedImage(FUNCTIONS, data={"table": words}, packed_relocations=packed)
    pointers = read_pointers(_elf(image.build()))
    table, f, g = (image.address_of(name) for name in ("table", "f", "g"))
    expected = {table + 8 * index: image.address_of(w.name) for index, w in enumerate(words) if isinstance(w, Pointer)}
    assert len(pointers) == len(expected) == 5
    assert {place: pointers.at(place) for place in expected} == expected
    assert [pointers.at(table + at) for at in (8, 4, -8, 1 << 40)] == [None] * 4
    assert list(pointers.to([f])) == [table, table + 8 * 65]
    assert list(pointers.to([f, g])) == sorted(expected)
    assert list(pointers.to([12345])) == []


@pytest.mark.parametrize("seed", range(5))
def test_packed_places_at_every_distance(seed: int) -> None:
    """Runs, gaps, and the borders between bitmaps of 63."""
    choose = random.Random(seed)
    words = [Pointer(choose.choice("fg")) if choose.random() < 0.3 else 9 for _ in range(700)]
    plain = StrippedImage(FUNCTIONS, data={"table": words})
    packed = StrippedImage(FUNCTIONS, data={"table": words}, packed_relocations=True)
    expected = [plain.address_of(word.name) if isinstance(word, Pointer) else None for word in words]
    for image in (plain, packed):
        pointers = read_pointers(_elf(image.build()))
        table = image.address_of("table")
        shift = image.address_of("f") - plain.address_of("f")
        assert [pointers.at(table + 8 * index) for index in range(len(words))] == [
            None if value is None else value + shift for value in expected
        ]


def test_a_file_without_relocations_has_no_pointers() -> None:
    assert len(read_pointers(_elf(StrippedImage(FUNCTIONS, data={"table": [1, 2]}).build()))) == 0
    fixed = StrippedImage(FUNCTIONS, data={"table": [Pointer("f")]}, fixed=True)
    assert len(read_pointers(_elf(fixed.build()))) == 0


def test_unsorted_tables_are_sorted() -> None:
    image = StrippedImage(FUNCTIONS, data={"table": [Pointer("f"), Pointer("g"), Pointer("f")]})
    data = bytearray(image.build())
    table, f, g = (image.address_of(name) for name in ("table", "f", "g"))
    entries = [struct.pack("<QQQ", table + 8 * index, 8, value) for index, value in enumerate((f, g, f))]
    at = data.index(b"".join(entries))
    data[at : at + 72] = entries[2] + entries[0] + entries[1]
    pointers = read_pointers(_elf(bytes(data)))
    assert [pointers.at(table + 8 * index) for index in range(3)] == [f, g, f]


def test_other_kinds_of_relocations_are_no_pointers_of_the_file_s_own() -> None:
    image = StrippedImage(FUNCTIONS, data={"table": [Pointer("f"), Pointer("g")]})
    data = bytearray(image.build())
    table, f = image.address_of("table"), image.address_of("f")
    at = data.index(struct.pack("<QQQ", table, 8, f))
    struct.pack_into("<Q", data, at + 8, 6 | 1 << 32)  # R_X86_64_GLOB_DAT of a symbol
    pointers = read_pointers(_elf(bytes(data)))
    assert (pointers.at(table), pointers.at(table + 8)) == (None, image.address_of("g"))


def test_a_real_library_s_pointers_are_those_readelf_shows() -> None:
    path = binutils.cryptography_library()
    shown = subprocess.run(["readelf", "-rW", path], check=True, capture_output=True, text=True, timeout=60).stdout
    expected = {
        int(place, 16): int(value, 16)
        for place, value in re.findall(
            r"^([0-9a-f]+)\s+[0-9a-f]+ R_X86_64_RELATIVE\s+([0-9a-f]+)$", shown, re.MULTILINE
        )
    }
    with path.open("rb") as file:
        pointers = read_pointers(ElfFile(FileSource(file.fileno())))
    assert len(pointers) == len(expected) > 1000
    assert all(pointers.at(place) == value for place, value in expected.items())


@pytest.mark.parametrize("packed", [True, False])
def test_too_many_are_refused(packed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relocations, "MAX_POINTERS", 10)
    words = [Pointer("f")] * 11
    with pytest.raises(ElfError, match="relocation"):
        read_pointers(_elf(StrippedImage(FUNCTIONS, data={"t": words}, packed_relocations=packed).build()))
    ten = StrippedImage(FUNCTIONS, data={"t": words[:10]}, packed_relocations=packed)
    assert len(read_pointers(_elf(ten.build()))) == 10


def test_packed_places_all_over_a_large_file_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relocations, "MAX_READ_BYTES", 100)
    image = StrippedImage(FUNCTIONS, data={"t": [Pointer("f")] * 20}, packed_relocations=True)
    with pytest.raises(ElfError, match="all over it"):
        read_pointers(_elf(image.build()))


WORDS = [Pointer("f"), 3, Pointer("g"), *[0] * 70, Pointer("f")]
MADE = [StrippedImage(FUNCTIONS, data={"t": WORDS}, packed_relocations=packed).build() for packed in (True, False)]


@given(
    data=st.sampled_from(MADE),
    changes=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=20),
    length=st.integers(64, 9000),
)
def test_damage_is_an_elf_error_or_pointers(data: bytes, changes: list[tuple[int, int]], length: int) -> None:
    damaged = bytearray(data)
    for place, value in changes:
        damaged[place % len(damaged)] = value
    try:
        pointers = read_pointers(_elf(bytes(damaged[:length])))
    except ElfError:
        return
    assert len(pointers) <= relocations.MAX_POINTERS
