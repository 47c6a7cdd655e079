from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wirespan.locate import byte_source
from wirespan.locate.byte_source import BytesSource, ElfError, FileSource, chunks


def test_file_source_reads_exactly_what_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(bytes(range(256)) * 10)
    descriptor = os.open(tmp_path / "f", os.O_RDONLY)
    try:
        source = FileSource(descriptor)
        assert source.size_bytes == 2560
        assert source.read(255, 3) == b"\xff\x00\x01"
        assert source.read(2560, 0) == b""
        with pytest.raises(ElfError, match="outside the file"):
            source.read(2559, 2)
        with pytest.raises(ElfError, match="outside the file"):
            source.read(-1, 2)
    finally:
        os.close(descriptor)


def test_a_file_cut_while_it_is_read_is_an_error_and_no_signal(tmp_path: Path) -> None:
    """The owner of a file may truncate it at any moment; through a memory map that would be SIGBUS."""
    (tmp_path / "f").write_bytes(b"x" * 100_000)
    descriptor = os.open(tmp_path / "f", os.O_RDONLY)
    try:
        source = FileSource(descriptor)
        os.truncate(tmp_path / "f", 10)
        assert source.read(0, 10) == b"x" * 10
        with pytest.raises(ElfError, match="was cut"):
            source.read(0, 100_000)
    finally:
        os.close(descriptor)


def test_an_unreadable_descriptor_is_an_elf_error(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 100)
    descriptor = os.open(tmp_path / "f", os.O_RDONLY)
    source = FileSource(descriptor)
    os.close(descriptor)
    with pytest.raises(ElfError, match="Bad file descriptor"):
        source.read(0, 1)


@given(data=st.binary(max_size=200), overlap=st.integers(0, 5), chunk=st.integers(6, 50), start=st.integers(0, 50))
def test_chunks_cover_the_range_and_every_short_run_lies_in_one(
    data: bytes, overlap: int, chunk: int, start: int
) -> None:
    start = min(start, len(data))
    size = len(data) - start
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(byte_source, "CHUNK_BYTES", chunk)
        pieces = list(chunks(BytesSource(data), start, size, overlap))
    assert all(data[place : place + len(piece)] == piece for place, piece in pieces)
    assert all(len(piece) <= chunk + overlap for _, piece in pieces)
    for run in range(start, len(data) - overlap):
        end = run + overlap + 1
        assert any(place <= run and end <= place + len(piece) for place, piece in pieces)
