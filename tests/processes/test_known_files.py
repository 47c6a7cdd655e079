from __future__ import annotations

import os

import pytest

from wirespan.counters import Counters
from wirespan.processes import FileKey, LocateOutcome, known_files
from wirespan.processes.known_files import KnownFile, KnownFiles
from wirespan.processes.mapped_file import FileStamp

DISK, OTHER_DISK = os.makedev(254, 0), os.makedev(7, 1)
OVERLAY, OTHER_OVERLAY = os.makedev(0, 40), os.makedev(0, 44)
STAMP = FileStamp(inode=9, size_bytes=100, modified_ns=5, changed_ns=6)


def _file(device: int, inode: int = 9) -> KnownFile:
    return KnownFile(FileKey(device, inode), "/x", FileStamp(inode, 100, 5, 6), generation=0, verified_ns=0)


@pytest.mark.parametrize(
    ("first", "second", "maybe"),
    [
        (OVERLAY, OTHER_OVERLAY, True),
        (DISK, OVERLAY, True),  # the layer below, and the overlay above it
        (OVERLAY, DISK, True),
        (DISK, OTHER_DISK, False),  # two images made with equal inode numbers and times
    ],
)
def test_who_may_be_one_inode(first: int, second: int, maybe: bool) -> None:
    files = KnownFiles(Counters())
    known = _file(first)
    assert files.add(known)
    assert list(files.maybe_same(FileKey(second, 9), STAMP)) == ([known] if maybe else [])


def test_other_content_is_another_file() -> None:
    files = KnownFiles(Counters())
    files.add(_file(OVERLAY))
    for stamp in (FileStamp(8, 100, 5, 6), FileStamp(9, 101, 5, 6), FileStamp(9, 100, 4, 6)):
        assert list(files.maybe_same(FileKey(OTHER_OVERLAY, stamp.inode), stamp)) == []


def test_a_removed_file_leaves_nothing_behind() -> None:
    files = KnownFiles(Counters())
    known, twin = _file(OVERLAY), _file(OTHER_OVERLAY)
    for file in (known, twin):
        files.add(file)
    files.add_alias(known, FileKey(OVERLAY + 1, 9))
    files.remove(known)
    assert files.get(known.key) is None
    assert files.get(FileKey(OVERLAY + 1, 9)) is None
    assert list(files.maybe_same(FileKey(DISK, 9), STAMP)) == [twin]
    files.remove(twin)
    assert files.of_interest() == []
    assert list(files.maybe_same(FileKey(DISK, 9), STAMP)) == []


def test_files_of_interest_are_refused_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_files, "MAX_OF_INTEREST", 2)
    counters = Counters()
    files = KnownFiles(counters)
    assert [files.add(_file(DISK, inode)) for inode in (1, 2, 3)] == [True, True, False]
    assert files.get(FileKey(DISK, 3)) is None
    assert counters.snapshot() == {"processes.files_over_limit": 1}


def test_files_with_nothing_in_them_make_room_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_files, "MAX_WITH_NOTHING", 2)
    files = KnownFiles(Counters())
    for inode in (1, 2, 3):
        known = _file(DISK, inode)
        files.add(known)
        files.settle(known, LocateOutcome.NOTHING, "")
    assert files.of_interest() == []
    assert [files.get(FileKey(DISK, inode)) is not None for inode in (1, 2, 3)] == [False, True, True]


def test_a_file_that_changed_is_not_evicted_in_its_old_state_s_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_files, "MAX_WITH_NOTHING", 1)
    files = KnownFiles(Counters())
    old, new, other = _file(DISK, 1), _file(DISK, 1), _file(DISK, 2)
    files.add(old)
    files.settle(old, LocateOutcome.NOTHING, "")
    files.remove(old)
    files.add(new)
    files.add(other)
    files.settle(other, LocateOutcome.NOTHING, "")
    assert files.get(FileKey(DISK, 1)) is new


def test_aliases_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_files, "MAX_ALIASES", 2)
    files = KnownFiles(Counters())
    known = _file(DISK)
    files.add(known)
    for minor in (1, 2, 3):
        files.add_alias(known, FileKey(os.makedev(0, minor), 9))
    assert [files.get(FileKey(os.makedev(0, minor), 9)) for minor in (1, 2, 3)] == [None, known, known]
    assert files.get(known.key) is known
