from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from rig import binutils
from rig.elf_image import IFUNC, OBJECT, ElfImage, Function
from wirespan.locate import byte_source, elf_symbols
from wirespan.locate.byte_source import BytesSource, ElfError, FileSource
from wirespan.locate.elf import ElfFile
from wirespan.locate.elf_symbols import SHT_DYNSYM, SHT_SYMTAB, Symbol, find_functions
from wirespan.locate.openssl import FUNCTIONS


def _find(image: ElfImage, names: list[str], kind: int = SHT_DYNSYM) -> list[Symbol]:
    return find_functions(ElfFile(BytesSource(image.build())), names, kind)


@pytest.mark.parametrize("file", [binutils.system_libssl, binutils.cryptography_library, binutils.node_binary])
def test_addresses_are_those_of_readelf(file: object) -> None:
    assert callable(file)
    path = file()
    assert isinstance(path, Path)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        elf = ElfFile(FileSource(descriptor))
        found: dict[str, set[int]] = {}
        for kind in (SHT_DYNSYM, SHT_SYMTAB):
            for symbol in find_functions(elf, FUNCTIONS, kind):
                found.setdefault(symbol.name, set()).add(symbol.address)
    finally:
        os.close(descriptor)
    expected = {name: set(a) for name, a in binutils.functions(path).items() if name in FUNCTIONS}
    assert {"SSL_read", "SSL_write", "SSL_read_ex", "SSL_write_ex", "SSL_free"} <= expected.keys()
    assert found == expected


def test_local_functions_only_in_the_table_asked_for() -> None:
    image = ElfImage([Function("SSL_read", local=True), Function("other")], exported=False)
    assert _find(image, ["SSL_read"]) == []
    assert _find(image, ["SSL_read"], SHT_SYMTAB) == [Symbol("SSL_read", image.addresses()["SSL_read"], 32)]


def test_names_that_are_tails_of_longer_names() -> None:
    image = ElfImage([Function("SSL_read"), Function("SSL_write")], merge_tails=True)
    addresses = image.addresses()
    assert _find(image, ["SSL_read", "SSL_write"]) == [
        Symbol("SSL_read", addresses["SSL_read"], 32),
        Symbol("SSL_write", addresses["SSL_write"], 32),
    ]


def test_a_longer_name_is_another_name() -> None:
    image = ElfImage([Function("my_SSL_read"), Function("SSL_read_more"), Function("SSL_rea")])
    assert _find(image, ["SSL_read"]) == []


@pytest.mark.parametrize(
    "function",
    [
        pytest.param(Function("SSL_read", section=0), id="undefined: the file only uses it"),
        pytest.param(Function("SSL_read", type=OBJECT), id="a variable"),
        pytest.param(Function("SSL_read", type=IFUNC), id="an ifunc: its address is the resolver's"),
    ],
)
def test_what_is_no_function_here(function: Function) -> None:
    assert _find(ElfImage([function, Function("other")]), ["SSL_read"]) == []


def test_two_copies_are_both_found_and_aliases_once() -> None:
    image = ElfImage([Function("SSL_read"), Function("SSL_read")])
    first = image.addresses()["SSL_read"]
    assert [symbol.address for symbol in _find(image, ["SSL_read"])] == [first, first + 32]
    data = bytearray(image.build())
    second = data.index(struct.pack("<QQ", first + 32, 32))
    struct.pack_into("<Q", data, second, first)
    assert len(find_functions(ElfFile(BytesSource(bytes(data))), ["SSL_read"], SHT_DYNSYM)) == 1


def test_tables_larger_than_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elf_symbols, "_SYMBOLS_A_CHUNK", 7)
    image = ElfImage([Function(f"f{n}") for n in range(40)] + [Function("SSL_read"), Function("SSL_write")])
    addresses = image.addresses()
    found = _find(image, ["SSL_read", "SSL_write", "f13"])
    assert {symbol.name: symbol.address for symbol in found} == {
        name: addresses[name] for name in ("f13", "SSL_read", "SSL_write")
    }


@pytest.mark.parametrize("shift", range(12))
def test_a_name_across_the_border_of_two_pieces(shift: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(byte_source, "CHUNK_BYTES", 64)
    image = ElfImage([Function("f" * (62 - shift)), Function("SSL_read_ex"), Function("g" * 100)])
    assert [symbol.name for symbol in _find(image, ["SSL_read_ex"])] == ["SSL_read_ex"]


def test_a_name_table_made_of_names_is_refused() -> None:
    """A hostile file must not make the reader hold a place for each of millions of names."""
    image = ElfImage([Function("SSL_read"), Function("SSL_read\0" * 5000)])
    with pytest.raises(ElfError, match="occurrences"):
        _find(image, ["SSL_read"])
