from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rig import binutils
from rig.stripped_image import REGISTERS, Call, Function, Load, StrippedImage
from wirespan.locate import byte_source, code_references
from wirespan.locate.byte_source import BytesSource, ElfError, FileSource
from wirespan.locate.code_references import GROUP_BYTES, Operand, Span, calls_into, loads_of, relative_operands
from wirespan.locate.elf import ElfFile


def _elf(image: StrippedImage) -> ElfFile:
    return ElfFile(BytesSource(image.build()))


@pytest.mark.parametrize("register", REGISTERS)
@pytest.mark.parametrize("fixed", [True, False], ids=["mov", "lea"])
def test_loads_into_each_register(register: str, fixed: bool) -> None:
    code = (b"\x90" * 7, Load("text", register), b"\x90" * 3, Load("other", register), b"\xc3")
    image = StrippedImage([Function("f", code)], {"text": b"t", "other": b"o"}, fixed=fixed)
    (load,) = loads_of(_elf(image), [image.address_of("text")])
    length = (6 if REGISTERS.index(register) >= 8 else 5) if fixed else 7
    assert load.target == image.address_of("text")
    assert load.address == image.address_of("f") + 7 + length - 4
    assert len(loads_of(_elf(image), [image.address_of("text"), image.address_of("other")])) == 2


def test_only_calls_count_as_calls() -> None:
    jump = b"\xe9" + struct.pack("<i", -5)
    image = StrippedImage([Function("f", (b"\x90" * 8, Call("g"), Call("f"))), Function("g", (jump, b"\xc3"))])
    elf, f, g = _elf(image), image.address_of("f"), image.address_of("g")
    assert [(call.address, call.target) for call in calls_into(elf, Span(f, g))] == [(f + 9, g), (f + 14, f)]
    assert {operand.target for operand in relative_operands(elf, Span(g, g))} == {g}
    assert len(list(relative_operands(elf, Span(g, g)))) == 2, "the call and the jump"


def test_within_part_of_the_code() -> None:
    functions = [Function("f", (Call("h"), b"\xc3")), Function("g", (Call("h"), b"\xc3")), Function("h", (b"\xc3",))]
    image = StrippedImage([Function("start", (b"\x90" * 16,)), *functions])
    elf, g, h = _elf(image), image.address_of("g"), image.address_of("h")
    assert [call.address for call in calls_into(elf, Span(h, h), Span(g - 3, g + 8))] == [g + 1]
    assert calls_into(elf, Span(h, h), Span(h, h + 100)) == []
    assert calls_into(elf, Span(h, h), Span(1 << 60, 1 << 61)) == []
    assert calls_into(elf, Span(h, h), Span(-100, -1)) == []


def _every_operand(code: bytes, base: int, span: Span) -> list[Operand]:
    """What the definition says, place by place."""
    found = []
    for at in range(3, len(code) - 3):
        target = base + at + 4 + struct.unpack_from("<i", code, at)[0]
        if span.low <= target <= span.high:
            found.append(Operand(base + at, target, code[at - 3 : at]))
    return found


@settings(max_examples=60)
@given(
    seed=st.integers(0, 1 << 32),
    size=st.integers(1, 200_000),
    distance=st.integers(-(1 << 31), 1 << 31),
    spread=st.sampled_from([0, 1, 3, 255, 4096, GROUP_BYTES]),
    chunk=st.sampled_from([64, 1000, 65_536, 4 << 20]),
)
def test_exactly_the_operands_that_name_the_span(seed: int, size: int, distance: int, spread: int, chunk: int) -> None:
    """At window borders, chunk borders, the ends of the code and of what 32 bits reach."""
    random_bytes = random.Random(seed)
    code = bytearray(random_bytes.choices((0x00, 0xFF, 0xE8, 0x12), k=size))
    made = StrippedImage([Function("f", (bytes(code),))])
    base = made.address_of("f")
    low = max(0, base + distance)
    for _ in range(20):  # some that certainly do
        at = random_bytes.randrange(0, max(1, size - 4))
        relative = low + random_bytes.randint(0, spread) - (base + at) - 4
        if -(1 << 31) <= relative < 1 << 31 and at + 4 <= size:
            struct.pack_into("<i", code, at, relative)
    image = StrippedImage([Function("f", (bytes(code),))])
    elf = _elf(image)
    (segment,) = (segment for segment in elf.segments if segment.flags & 1)
    whole = elf.source.read(segment.offset, segment.file_bytes)
    span = Span(low, low + spread)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(byte_source, "CHUNK_BYTES", chunk)
        found = list(relative_operands(elf, span))
    assert sorted(found) == _every_operand(whole, base, span)


def test_a_span_wider_than_a_window_allows_is_a_mistake() -> None:
    elf = _elf(StrippedImage([Function("f", (b"\xc3",))]))
    for span in (Span(0, GROUP_BYTES + 1), Span(5, 4)):
        with pytest.raises(ValueError, match="a span of"):
            list(relative_operands(elf, span))


def test_code_of_nothing_but_candidates_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_references, "MAX_LOOKS", 1000)
    image = StrippedImage([Function("f", (b"\0" * 70_000,))])
    address = image.address_of("f") + 70_000
    with pytest.raises(ElfError, match="repeats itself"):
        list(relative_operands(_elf(image), Span(address, address)))


@pytest.mark.parametrize("fixed", [True, False])
def test_code_that_names_one_address_all_the_time_is_refused(fixed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    loads = [Load("t", "rax")] * 11
    image = StrippedImage([Function("f", (b"\x90" * 8, *loads))], {"t": b"t"}, fixed=fixed)
    monkeypatch.setattr(code_references, "MAX_OPERANDS", 11)
    assert len(loads_of(_elf(image), [image.address_of("t")])) == 11
    monkeypatch.setattr(code_references, "MAX_OPERANDS", 10)
    with pytest.raises(ElfError, match="repeats itself"):
        loads_of(_elf(image), [image.address_of("t")])


def test_a_real_library_s_calls_are_those_objdump_sees() -> None:
    path = binutils.system_libssl()
    (target,) = {binutils.first_call(path, address) for address in binutils.functions(path)["SSL_read"]}
    with path.open("rb") as file:
        calls = calls_into(ElfFile(FileSource(file.fileno())), Span(target, target))
    for name in ("SSL_read", "SSL_read_ex"):
        (start,) = binutils.functions(path)[name]
        code = binutils.disassemble(path, start)
        expected = next(
            address for address, text in code if text.split()[-1] == f"{target:x}" or f" {target:x}" in text
        )
        assert expected + 1 in [call.address for call in calls]
