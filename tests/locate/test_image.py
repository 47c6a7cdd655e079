from __future__ import annotations

import struct

import pytest

from rig.elf_image import TEXT_ADDRESS, TEXT_OFFSET, ElfImage, Function
from rig.stripped_image import Function as Code
from rig.stripped_image import StrippedImage
from wirespan.locate import image
from wirespan.locate.byte_source import BytesSource, ElfError
from wirespan.locate.elf import ElfFile
from wirespan.locate.image import code_segments, constant_segments, read_at, read_before

CODE = bytes(range(64))
IMAGE = StrippedImage([Code("f", (CODE,))], {"text": b"constant"})


def _elf(data: bytes) -> ElfFile:
    return ElfFile(BytesSource(data))


def test_code_and_constants_are_told_apart() -> None:
    elf = _elf(IMAGE.build())
    (code,) = code_segments(elf)
    assert (code.address, code.offset) == (IMAGE.address_of("f"), IMAGE.offset_of("f"))
    (constants,) = constant_segments(elf)
    assert constants.offset == 0
    assert constants.file_bytes == code.offset


def test_constants_are_with_the_code_where_nothing_else_is_read_only() -> None:
    made = StrippedImage([Code("f", (CODE,))], {"text": b"constant"}, constants_in_code_segment=True)
    elf = _elf(made.build())
    assert constant_segments(elf) == code_segments(elf)


def test_data_that_is_written_to_is_no_constant() -> None:
    """Bun's script lies there: 228 MB in Claude Code."""
    elf = _elf(StrippedImage([Code("f", (CODE,))], data={"script": [7] * 1000}).build())
    assert all(segment.flags & 2 == 0 for segment in constant_segments(elf))


def test_reading_ends_with_the_segment() -> None:
    elf = _elf(IMAGE.build())
    start = IMAGE.address_of("f")
    (code,) = code_segments(elf)
    assert read_at(elf, start, 64) == CODE
    assert read_at(elf, start + 60, 4) == CODE[60:]
    assert len(read_at(elf, start, 1 << 40)) == code.file_bytes
    assert read_at(elf, start - 1, 8) == b""
    assert read_at(elf, start + code.file_bytes, 8) == b""
    assert read_at(elf, -5, 8) == b""
    assert read_before(elf, start + 8, 8) == CODE[:8]
    assert read_before(elf, start + 8, 100) == CODE[:8]
    assert read_before(elf, start, 8) == b""
    assert len(read_before(elf, start + code.file_bytes, 1 << 40)) == code.file_bytes


def test_more_code_than_can_be_searched_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    elf = _elf(IMAGE.build())
    size = code_segments(elf)[0].file_bytes
    monkeypatch.setattr(image, "MAX_CODE_BYTES", size)
    assert len(code_segments(elf)) == 1
    monkeypatch.setattr(image, "MAX_CODE_BYTES", size - 1)
    with pytest.raises(ElfError, match="more than 0 MiB of code"):
        code_segments(elf)


def test_of_too_many_constants_the_first_are_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "MAX_CONSTANT_BYTES", 100)
    (constants,) = constant_segments(_elf(IMAGE.build()))
    assert constants.file_bytes == 100


def test_segments_that_all_claim_the_same_bytes_are_counted_each() -> None:
    """A file of a few kilobytes can claim a terabyte of code."""
    data = bytearray(ElfImage([Function("f")]).build())
    segments = 1000
    struct.pack_into("<H", data, 56, segments)
    header = struct.pack("<IIQQQQQQ", 1, 5, TEXT_OFFSET, TEXT_ADDRESS, TEXT_ADDRESS, 2 << 20, 2 << 20, 0x1000)
    data[64 : 64 + 56 * segments] = header * segments
    with pytest.raises(ElfError, match="more than 512 MiB of code"):
        code_segments(_elf(bytes(data)))
