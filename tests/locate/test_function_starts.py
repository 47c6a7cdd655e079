from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig import binutils
from rig.stripped_image import Function, StrippedImage
from wirespan.locate.byte_source import BytesSource, ElfError, FileSource
from wirespan.locate.elf import ElfFile
from wirespan.locate.function_starts import FunctionBounds, FunctionIndex

PROLOGUE = bytes.fromhex("55 4889e5")
BODY = bytes.fromhex("90" * 37 + "5d c3")


def _index(image: StrippedImage) -> FunctionIndex:
    return FunctionIndex(ElfFile(BytesSource(image.build())))


def _functions(count: int, **options: bool) -> list[Function]:
    return [Function(f"f{number}", (PROLOGUE, BODY), **options) for number in range(count)]


@pytest.mark.parametrize("frames", [True, False])
@pytest.mark.parametrize("traps", [True, False])
def test_any_place_in_a_function_leads_to_its_beginning(frames: bool, traps: bool) -> None:
    image = StrippedImage(_functions(5), frames=frames, trap_padding=traps)
    index = _index(image)
    for number in range(1, 5):  # a guess needs something before the function
        start = image.address_of(f"f{number}")
        for inside in (0, 1, 15, 16, 17, len(PROLOGUE + BODY) - 1):
            found = index.function_at(start + inside)
            assert found is not None
            assert (found.start, found.guessed) == (start, not frames)
            assert start + len(PROLOGUE + BODY) <= found.stop <= start + 64


def test_frames_that_leave_a_function_out_say_nothing_about_it() -> None:
    """Bun's .eh_frame covers a part of its code."""
    functions = _functions(3)
    functions.insert(2, Function("left out", (PROLOGUE, BODY), described=False))
    image = StrippedImage(functions, frames=True)
    index = _index(image)
    left_out = image.address_of("left out")
    assert index.function_at(left_out + 20) == FunctionBounds(left_out, image.address_of("f2"), guessed=True)
    described = index.function_at(image.address_of("f2") + 20)
    assert described is not None
    assert not described.guessed
    # Behind the last described function there is padding, which belongs to nobody that is described.
    after = index.function_at(image.address_of("f1") + len(PROLOGUE + BODY))
    assert after is None or after.guessed


@pytest.mark.parametrize(
    "prologue", ["53", "55", "4154", "4155", "4156", "4157", "f30f1efa", "f30f1efa4157"], ids=lambda code: code
)
@pytest.mark.parametrize("ending", ["c3", "cc", "90", "0f0b", "e800000000", "e900000000", "0f1f440000"])
def test_how_functions_may_begin_and_end(prologue: str, ending: str) -> None:
    before = b"\x90" * 27 + bytes.fromhex(ending)
    start_of_second = (PROLOGUE + before).ljust(48, b"\xcc")[: 48 - len(bytes.fromhex(ending))] + bytes.fromhex(ending)
    image = StrippedImage(
        [Function("first", (b"\x90" * 15,)), Function("both", (start_of_second, bytes.fromhex(prologue), BODY))]
    )
    start = image.address_of("both") + 48
    found = _index(image).function_at(start + 30)
    assert found is not None
    assert found.start == start


def test_a_place_without_any_beginning_before_it() -> None:
    image = StrippedImage([Function("f", (b"\x90" * 200_000,))])
    start = image.address_of("f")
    assert _index(image).function_at(start + 100) is None
    assert _index(image).function_at(start + 150_000) is None
    assert _index(image).function_at(start - 0x10000000) is None


def test_real_libraries_functions_are_where_their_symbols_say() -> None:
    path = binutils.cryptography_library()
    with path.open("rb") as file:
        index = FunctionIndex(ElfFile(FileSource(file.fileno())))
        checked = 0
        for name in ("SSL_read", "SSL_write", "SSL_ctrl", "SSL_new", "SSL_do_handshake", "SSL_CTX_new", "EVP_PKEY_new"):
            for address in binutils.functions(path)[name]:
                found = index.function_at(address + 3)
                assert found is not None
                assert (found.start, found.guessed) == (address, False)
                assert index.function_at(found.stop - 1) == found
                checked += 1
    assert checked >= 7


def _with_header(path: Path, change: bytes, at: int) -> FunctionIndex:
    image = StrippedImage(_functions(4), frames=True)
    data = bytearray(image.build())
    header = data.index(b"\x01\x1b\x03\x3b")
    data[header + at : header + at + len(change)] = change
    path.write_bytes(data)
    return FunctionIndex(ElfFile(BytesSource(bytes(data))))


@pytest.mark.parametrize(
    ("change", "at"),
    [(b"\x02", 0), (b"\x0b", 2), (b"\x1b", 3), (struct.pack("<I", 0), 8)],
    ids=["version", "form of the count", "form of the table", "no entries"],
)
def test_a_header_of_another_form_is_not_believed(tmp_path: Path, change: bytes, at: int) -> None:
    index = _with_header(tmp_path / "f", change, at)
    image = StrippedImage(_functions(4), frames=True)
    found = index.function_at(image.address_of("f2") + 5)
    assert found is not None
    assert found.guessed


def test_a_count_beyond_the_header_is_bounded(tmp_path: Path) -> None:
    index = _with_header(tmp_path / "f", b"\xff\xff\xff\xff", 8)
    image = StrippedImage(_functions(4), frames=True)
    found = index.function_at(image.address_of("f2") + 5)
    assert found is not None
    assert found.start == image.address_of("f2")


DAMAGED = StrippedImage(_functions(6), frames=True).build()


@given(
    changes=st.lists(st.tuples(st.integers(0, len(DAMAGED) - 1), st.integers(0, 255)), max_size=20),
    inside=st.integers(0, 500),
)
def test_damage_gives_bounds_round_the_address_or_none(changes: list[tuple[int, int]], inside: int) -> None:
    image = StrippedImage(_functions(6), frames=True)
    data = bytearray(DAMAGED)
    for place, value in changes:
        data[place] = value
    address = image.address_of("f0") + inside
    try:
        found = FunctionIndex(ElfFile(BytesSource(bytes(data)))).function_at(address)
    except ElfError:
        return
    assert found is None or found.start <= address < found.stop
