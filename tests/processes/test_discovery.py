from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wirespan.counters import Counters
from wirespan.processes import (
    Discovery,
    FileKey,
    FileMapped,
    FileToLocate,
    FileUnmapped,
    LocateOutcome,
    MappedFile,
    ProcessEnded,
    ProcessExecuted,
    ProcessForked,
    RecordsLost,
    SideBandEvent,
)
from wirespan.processes.mapped_file import FileStamp

S = 1_000_000_000
GRACE = 600 * S
DISK = os.makedev(254, 0)
COVERED, NOTHING, NOT_COVERED = LocateOutcome.COVERED, LocateOutcome.NOTHING, LocateOutcome.NOT_COVERED


@dataclass
class FakeHost:
    """Files by key, as fstat sees them, and what lies at the host's own paths."""

    stamps: dict[FileKey, FileStamp]
    at_path: dict[str, FileKey]

    def paths_to_open(self, pid: int, mapped: MappedFile) -> tuple[str, ...]:
        return (f"/proc/{pid}/root{mapped.path}", mapped.path) if pid else (mapped.path,)

    def stamp(self, key: FileKey, paths: Sequence[str], path_seen: str) -> FileStamp | None:
        if len(paths) == 1 and self.at_path.get(paths[0]) != key:
            return None
        stamp = self.stamps.get(key)
        return stamp and replace(stamp, at_host_path=self.at_path.get(path_seen) == key)

    def find(self, path: str) -> MappedFile | None:
        key = self.at_path.get(path)
        return MappedFile(key.device, key.inode, path, 0, 0) if key else None

    def put(
        self, path: str, inode: int, *, device: int = DISK, changed_ns: int = 3, at_host: bool = True
    ) -> MappedFile:
        key = FileKey(device, inode)
        self.stamps[key] = FileStamp(inode, 1000, 2, changed_ns)
        if at_host:
            self.at_path[path] = key
        return MappedFile(device, inode, path, 0x1000, 0x2000)


@pytest.fixture
def host() -> FakeHost:
    return FakeHost({}, {})


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
def discovery(host: FakeHost, counters: Counters) -> Discovery:
    return Discovery(host, counters)


def _map(pid: int, file: MappedFile, time_ns: int, generation: int = 0) -> FileMapped:
    return FileMapped(pid, file, generation, time_ns)


def _pids(discovery: Discovery) -> dict[str, tuple[int, ...]]:
    return {file.path_seen: file.pids for file in discovery.coverage()}


def _cover(discovery: Discovery, file: MappedFile, pid: int = 1, time_ns: int = 1) -> None:
    assert discovery.receive(_map(pid, file, time_ns)) != []
    discovery.located(file.key, COVERED, "OpenSSL")


# Asking


def test_a_file_is_asked_for_once_however_many_map_it(discovery: Discovery, host: FakeHost) -> None:
    libssl = host.put("/lib/libssl.so.3", 10)
    assert discovery.receive(_map(1, libssl, 1)) == [
        FileToLocate(libssl.key, ("/proc/1/root/lib/libssl.so.3", "/lib/libssl.so.3"), 1, "/lib/libssl.so.3")
    ]
    assert discovery.receive(_map(2, libssl, 2)) == []
    discovery.located(libssl.key, COVERED, "OpenSSL 3")
    assert discovery.receive(_map(3, libssl, 3)) == []
    (coverage,) = discovery.coverage()
    assert (coverage.outcome, coverage.description, coverage.pids) == (COVERED, "OpenSSL 3", (1, 2, 3))


def test_a_file_with_nothing_in_it_is_not_asked_for_again_nor_followed(discovery: Discovery, host: FakeHost) -> None:
    libc = host.put("/lib/libc.so.6", 11)
    assert len(discovery.receive(_map(1, libc, 1))) == 1
    discovery.located(libc.key, NOTHING)
    assert discovery.receive(_map(2, libc, 2)) == []
    assert discovery.coverage() == []
    # Every process maps a dozen such files: what each of them has must not be kept.
    assert discovery._processes == {}
    assert discovery.receive(ProcessEnded(1, 3)) == []


def test_what_is_not_covered_is_shown_with_its_reason_and_never_detached(discovery: Discovery, host: FakeHost) -> None:
    gnutls = host.put("/lib/libgnutls.so.30", 12)
    discovery.receive(_map(1, gnutls, 1))
    discovery.located(gnutls.key, NOT_COVERED, "GnuTLS is not captured yet")
    assert [(c.description, c.pids) for c in discovery.coverage()] == [("GnuTLS is not captured yet", (1,))]
    discovery.receive(ProcessEnded(1, 2))
    assert discovery.expire(GRACE + 2) == []
    assert discovery.coverage() == []


def test_a_file_that_can_not_be_opened_is_asked_for_at_its_next_mapping(
    discovery: Discovery, host: FakeHost, counters: Counters
) -> None:
    gone = MappedFile(DISK, 13, "/tmp/gone", 0x1000, 0x2000)
    assert discovery.receive(_map(1, gone, 1)) == []
    assert counters.snapshot() == {"processes.files_unopenable": 1}
    host.put("/tmp/gone", 13)
    assert len(discovery.receive(_map(1, gone, 2))) == 1
    discovery.located(gone.key, LocateOutcome.UNREACHABLE)
    assert discovery.coverage() == []
    assert len(discovery.receive(_map(1, gone, 3))) == 1
    assert counters["processes.files_unreachable"] == 1


def test_an_answer_for_a_file_nobody_knows_is_ignored(discovery: Discovery) -> None:
    discovery.located(FileKey(1, 2), COVERED)
    assert discovery.coverage() == []


# One inode, many mounts


def test_containers_of_one_image_show_one_inode(discovery: Discovery, host: FakeHost) -> None:
    first = host.put("/usr/lib/libssl.so.3", 20, device=os.makedev(0, 40), at_host=False)
    second = host.put("/usr/lib/libssl.so.3", 20, device=os.makedev(0, 44), at_host=False)
    below = host.put("/var/lib/images/libssl.so.3", 20, device=DISK)
    _cover(discovery, first)
    assert discovery.receive(_map(2, second, 2)) == []
    assert discovery.receive(_map(3, below, 3)) == []
    assert [file.pids for file in discovery.coverage()] == [(1, 2, 3)]
    # The last of them keeps it.
    discovery.receive(ProcessEnded(1, 4))
    discovery.receive(ProcessEnded(3, 4))
    assert discovery.expire(5 + GRACE) == []
    discovery.receive(ProcessEnded(2, 6))
    assert discovery.expire(6 + GRACE) == [FileUnmapped(first.key, "/usr/lib/libssl.so.3")]


def test_a_copy_up_has_another_change_time_and_is_another_inode(discovery: Discovery, host: FakeHost) -> None:
    first = host.put("/usr/lib/libssl.so.3", 20, device=os.makedev(0, 40), changed_ns=100, at_host=False)
    copied = host.put("/usr/lib/libssl.so.3", 20, device=os.makedev(0, 44), changed_ns=200, at_host=False)
    _cover(discovery, first)
    assert len(discovery.receive(_map(2, copied, 2))) == 1


def test_a_change_time_that_moved_since_is_looked_up_again(discovery: Discovery, host: FakeHost) -> None:
    """Somebody made a hard link to the one file below both: that changes ctime, not the file."""
    first = host.put("/usr/lib/libssl.so.3", 20, device=os.makedev(0, 40), changed_ns=100, at_host=False)
    _cover(discovery, first)
    host.put("/usr/lib/libssl.so.3", 20, device=os.makedev(0, 40), changed_ns=200, at_host=False)
    second = host.put("/usr/lib/libssl.so.3", 20, device=os.makedev(0, 44), changed_ns=200, at_host=False)
    assert discovery.receive(_map(2, second, 2)) == []
    assert [file.pids for file in discovery.coverage()] == [(1, 2)]


def test_equal_numbers_on_two_disks_are_two_files(discovery: Discovery, host: FakeHost) -> None:
    _cover(discovery, host.put("/snap/a/1/libssl.so.3", 20, device=os.makedev(7, 1)))
    other = host.put("/snap/a/2/libssl.so.3", 20, device=os.makedev(7, 2))
    assert len(discovery.receive(_map(2, other, 2))) == 1


def test_a_mount_whose_number_was_given_to_another_mount(discovery: Discovery, host: FakeHost) -> None:
    first = host.put("/usr/lib/libssl.so.3", 20, device=os.makedev(0, 40), at_host=False)
    second = host.put("/usr/lib/libssl.so.3", 20, device=os.makedev(0, 44), at_host=False)
    _cover(discovery, first)
    discovery.receive(_map(2, second, 2))
    # GIVEN the second container ends and its device number comes again, with another file of that inode number
    discovery.receive(ProcessEnded(2, 3))
    host.stamps[second.key] = FileStamp(20, 5555, 5, 5)
    # WHEN that file is mapped
    events = discovery.receive(_map(4, second, 3 + 2 * S))
    # THEN it is a new file, and the first stays attached
    assert [type(event) for event in events] == [FileToLocate]
    assert {(file.key, file.pids) for file in discovery.coverage()} == {(first.key, (1,)), (second.key, (4,))}


# Files that change


def test_a_file_written_in_place_is_detached_and_asked_for_again(
    discovery: Discovery, host: FakeHost, counters: Counters
) -> None:
    library = host.put("/opt/libssl.so.3", 30)
    _cover(discovery, library)
    discovery.rescan_needed = False
    host.stamps[library.key] = FileStamp(30, 1001, 9, 9)
    assert discovery.receive(_map(2, library, 2 * S)) == [
        FileUnmapped(library.key, "/opt/libssl.so.3"),
        FileToLocate(library.key, ("/proc/2/root/opt/libssl.so.3", "/opt/libssl.so.3"), 2, "/opt/libssl.so.3"),
    ]
    assert discovery.rescan_needed, "the other processes that map it are found by a scan"
    assert counters["processes.files_changed"] == 1


def test_a_change_of_permissions_is_none(discovery: Discovery, host: FakeHost) -> None:
    library = host.put("/opt/libssl.so.3", 30)
    _cover(discovery, library)
    host.put("/opt/libssl.so.3", 30, changed_ns=77)
    assert discovery.receive(_map(2, library, 2 * S)) == []


def test_a_file_with_nothing_in_it_is_asked_for_again_once_it_changed(discovery: Discovery, host: FakeHost) -> None:
    plain = host.put("/opt/lib.so", 31)
    discovery.receive(_map(1, plain, 1))
    discovery.located(plain.key, NOTHING)
    host.stamps[plain.key] = FileStamp(31, 1001, 9, 9)
    assert [type(event) for event in discovery.receive(_map(2, plain, 2 * S))] == [FileToLocate]


def test_a_file_is_looked_at_once_a_second_at_most(discovery: Discovery, host: FakeHost) -> None:
    library = host.put("/opt/libssl.so.3", 30)
    _cover(discovery, library, time_ns=5 * S)
    host.stamps[library.key] = FileStamp(30, 1001, 9, 9)
    assert discovery.receive(_map(2, library, 5 * S + S // 2)) == []
    assert discovery.receive(_map(2, library, 6 * S)) != []


def test_another_generation_of_an_inode_number_is_another_file_at_once(discovery: Discovery, host: FakeHost) -> None:
    library = host.put("/opt/libssl.so.3", 30)
    discovery.receive(_map(1, library, 1, generation=7))
    discovery.located(library.key, COVERED)
    assert discovery.receive(_map(2, library, 2, generation=7)) == []
    assert discovery.receive(_map(2, library, 3, generation=0)) == [], "0: the filesystem does not tell"
    assert [type(event) for event in discovery.receive(_map(2, library, 4, generation=8))] == [
        FileUnmapped,
        FileToLocate,
    ]


def test_a_file_that_changes_while_it_is_being_located_is_asked_for_again(discovery: Discovery, host: FakeHost) -> None:
    library = host.put("/opt/libssl.so.3", 30)
    discovery.receive(_map(1, library, 1))
    host.stamps[library.key] = FileStamp(30, 1001, 9, 9)
    events = discovery.receive(_map(1, library, 2 * S))
    # The first answer may still come and be a plan for the old content: the order makes it void.
    assert [type(event) for event in events] == [FileUnmapped, FileToLocate]


# Processes


def test_a_forked_child_has_its_parent_s_files(discovery: Discovery, host: FakeHost) -> None:
    library = host.put("/lib/libssl.so.3", 10)
    _cover(discovery, library)
    discovery.receive(ProcessForked(2, 1, 5))
    discovery.receive(ProcessEnded(1, 6))
    assert _pids(discovery) == {"/lib/libssl.so.3": (2,)}


def test_a_child_has_nothing_that_its_parent_mapped_later(discovery: Discovery, host: FakeHost) -> None:
    library = host.put("/lib/libssl.so.3", 10)
    _cover(discovery, library, time_ns=10)
    discovery.receive(ProcessForked(2, 1, 5))
    assert _pids(discovery) == {"/lib/libssl.so.3": (1,)}


def test_exec_ends_the_mappings_but_not_those_of_the_new_program(discovery: Discovery, host: FakeHost) -> None:
    old, new = host.put("/lib/libssl.so.3", 10), host.put("/usr/bin/node", 11)
    _cover(discovery, old, pid=1, time_ns=1)
    _cover(discovery, new, pid=1, time_ns=6)  # its record overtook that of the exec
    discovery.receive(ProcessExecuted(1, "node", 5))
    assert _pids(discovery) == {"/lib/libssl.so.3": (), "/usr/bin/node": (1,)}


def test_the_end_of_an_older_process_of_that_pid_comes_late(discovery: Discovery, host: FakeHost) -> None:
    library = host.put("/lib/libssl.so.3", 10)
    _cover(discovery, library, pid=1, time_ns=100)
    discovery.receive(ProcessEnded(1, 50))
    assert _pids(discovery) == {"/lib/libssl.so.3": (1,)}


def test_an_end_nobody_waited_for(discovery: Discovery) -> None:
    assert discovery.receive(ProcessEnded(4711, 5)) == []
    assert discovery.receive(ProcessExecuted(4711, "x", 5)) == []
    assert discovery.receive(ProcessForked(2, 4711, 5)) == []


# Detaching


def test_a_file_is_kept_for_the_grace_time_after_its_last_process(discovery: Discovery, host: FakeHost) -> None:
    library = host.put("/lib/libssl.so.3", 10)
    _cover(discovery, library)
    discovery.receive(ProcessEnded(1, 10))
    assert discovery.expire(10 + GRACE - 1) == []
    assert discovery.expire(10 + GRACE) == [FileUnmapped(library.key, "/lib/libssl.so.3")]
    assert discovery.expire(11 + GRACE) == []
    assert len(discovery.receive(_map(2, library, 12 + GRACE))) == 1


def test_a_new_process_within_the_grace_time_keeps_it(discovery: Discovery, host: FakeHost) -> None:
    library = host.put("/lib/libssl.so.3", 10)
    _cover(discovery, library)
    discovery.receive(ProcessEnded(1, 10))
    assert discovery.receive(_map(2, library, 20)) == []
    assert discovery.expire(10 + 2 * GRACE) == []


def test_a_deleted_file_goes_with_its_last_process(discovery: Discovery, host: FakeHost) -> None:
    library = host.put("/lib/libssl.so.3", 10)
    _cover(discovery, library)
    del host.at_path["/lib/libssl.so.3"]
    assert discovery.expire(5) == [], "a process still runs it"
    discovery.receive(ProcessEnded(1, 10))
    assert discovery.expire(11) == [FileUnmapped(library.key, "/lib/libssl.so.3")]


def test_a_file_that_was_deleted_from_the_start(discovery: Discovery, host: FakeHost) -> None:
    program = host.put("/tmp/updated (old)", 14, at_host=False)
    host.stamps[program.key] = replace(host.stamps[program.key], deleted=True)
    _cover(discovery, program)
    discovery.receive(ProcessEnded(1, 10))
    assert discovery.expire(11) == [FileUnmapped(program.key, "/tmp/updated (old)")]


def test_a_container_s_file_is_not_judged_by_the_host_s_paths(discovery: Discovery, host: FakeHost) -> None:
    host.put("/usr/lib/libssl.so.3", 99)
    inside = host.put("/usr/lib/libssl.so.3", 20, device=os.makedev(0, 40), at_host=False)
    _cover(discovery, inside)
    discovery.receive(ProcessEnded(1, 10))
    assert discovery.expire(11) == []


# Scans


def test_a_scan_finds_what_runs_already(discovery: Discovery, host: FakeHost) -> None:
    library, plain = host.put("/lib/libssl.so.3", 10), host.put("/lib/libc.so.6", 11)
    assert discovery.rescan_needed
    events = discovery.scanned([(1, library), (1, plain), (2, library), (2, plain)], 1)
    assert [event.path_seen for event in events] == ["/lib/libssl.so.3", "/lib/libc.so.6"]
    assert not discovery.rescan_needed
    discovery.located(library.key, COVERED)
    discovery.located(plain.key, NOTHING)
    assert _pids(discovery) == {"/lib/libssl.so.3": (1, 2)}
    assert discovery.scanned([(1, library), (1, plain), (2, library), (2, plain)], 30 * S) == []


def test_a_scan_heals_what_records_missed(discovery: Discovery, host: FakeHost, counters: Counters) -> None:
    first, second = host.put("/lib/libssl.so.3", 10), host.put("/usr/bin/node", 11)
    discovery.scanned([(1, first), (2, first)], 1)
    discovery.located(first.key, COVERED)
    discovery.receive(RecordsLost(12, 5))
    assert discovery.rescan_needed
    assert counters["processes.side_band_lost"] == 12
    # Process 1 ended, 2 became another program, 3 is new
    discovery.scanned([(2, second), (3, first)], 10)
    assert _pids(discovery) == {"/lib/libssl.so.3": (3,), "/usr/bin/node": (2,)}


def test_records_younger_than_the_scan_are_not_undone_by_it(discovery: Discovery, host: FakeHost) -> None:
    library = host.put("/lib/libssl.so.3", 10)
    _cover(discovery, library, pid=7, time_ns=20)
    discovery.scanned([], 10)
    assert _pids(discovery) == {"/lib/libssl.so.3": (7,)}


def test_a_record_older_than_the_scan_does_not_undo_it(discovery: Discovery, host: FakeHost) -> None:
    library = host.put("/lib/libssl.so.3", 10)
    discovery.scanned([(7, library)], 10)
    discovery.receive(ProcessExecuted(7, "python", 5))
    assert _pids(discovery) == {"/lib/libssl.so.3": (7,)}


# Pinned files


def test_a_pinned_file_is_covered_before_anybody_maps_it_and_stays(discovery: Discovery, host: FakeHost) -> None:
    library = host.put("/lib/libssl.so.3", 10)
    assert discovery.pin(["/lib/libssl.so.3", "/lib/no such file"], 1) == [
        FileToLocate(library.key, ("/lib/libssl.so.3",), 0, "/lib/libssl.so.3")
    ]
    discovery.located(library.key, COVERED)
    assert discovery.receive(_map(1, library, 2)) == []
    discovery.receive(ProcessEnded(1, 3))
    assert discovery.expire(10 * GRACE) == []
    assert _pids(discovery) == {"/lib/libssl.so.3": ()}


def test_an_upgrade_puts_a_new_file_in_a_pinned_place(discovery: Discovery, host: FakeHost) -> None:
    old = host.put("/lib/libssl.so.3", 10)
    discovery.pin(["/lib/libssl.so.3"], 1)
    discovery.located(old.key, COVERED)
    discovery.receive(_map(1, old, 2))
    new = host.put("/lib/libssl.so.3", 55)
    assert discovery.expire(3 * S) == [], "paths are looked at every ten seconds"
    assert [(type(event), event.key) for event in discovery.expire(11 * S)] == [(FileToLocate, new.key)]
    discovery.located(new.key, COVERED)
    assert discovery.expire(12 * S) == [], "process 1 still runs the old one"
    discovery.receive(ProcessEnded(1, 13 * S))
    assert discovery.expire(14 * S) == [FileUnmapped(old.key, "/lib/libssl.so.3")]
    assert [file.key for file in discovery.coverage()] == [new.key]


def test_a_pinned_file_that_is_removed_goes(discovery: Discovery, host: FakeHost) -> None:
    library = host.put("/lib/libssl.so.3", 10)
    discovery.pin(["/lib/libssl.so.3"], 1)
    discovery.located(library.key, COVERED)
    del host.at_path["/lib/libssl.so.3"]
    assert discovery.expire(11 * S) == [FileUnmapped(library.key, "/lib/libssl.so.3")]
    host.put("/lib/libssl.so.3", 66)
    assert [event.key.inode for event in discovery.expire(22 * S)] == [66]


def test_a_pinned_file_on_overlay_or_btrfs_is_known_when_it_is_mapped(discovery: Discovery, host: FakeHost) -> None:
    """stat shows one device there and maps another."""
    by_stat = host.put("/lib/libssl.so.3", 10, device=os.makedev(0, 42))
    discovery.pin(["/lib/libssl.so.3"], 1)
    discovery.located(by_stat.key, COVERED)
    by_maps = host.put("/lib/libssl.so.3", 10, device=os.makedev(0, 40), at_host=False)
    assert discovery.receive(_map(1, by_maps, 2)) == []
    assert _pids(discovery) == {"/lib/libssl.so.3": (1,)}


# All together

PIDS = st.integers(1, 5)
TIMES = st.integers(0, 20).map(lambda seconds: seconds * S // 2)


@st.composite
def _stories(draw: st.DrawFn) -> list[SideBandEvent | str]:
    steps: list[SideBandEvent | str] = []
    for _ in range(draw(st.integers(0, 25))):
        kind, time_ns = draw(st.integers(0, 6)), draw(TIMES)
        if kind <= 2:
            device = draw(st.sampled_from([DISK, os.makedev(0, 40), os.makedev(0, 44)]))
            inode = draw(st.integers(10, 12))
            steps.append(_map(draw(PIDS), MappedFile(device, inode, f"/lib/{inode}", 0, 0), time_ns))
        elif kind == 3:
            steps.append(ProcessForked(draw(PIDS), draw(PIDS), time_ns))
        elif kind == 4:
            steps.append(ProcessExecuted(draw(PIDS), "x", time_ns))
        elif kind == 5:
            steps.append(ProcessEnded(draw(PIDS), time_ns))
        else:
            steps.append(draw(st.sampled_from(["change", "scan", "expire"])))
    return steps


@given(_stories(), st.lists(st.sampled_from([COVERED, NOTHING, NOT_COVERED]), min_size=1))
def test_any_story_keeps_each_inode_attached_once(
    story: list[SideBandEvent | str], outcomes: list[LocateOutcome]
) -> None:
    """A model of the caller: what it attaches, by the real inode. Times come in any order."""
    host = FakeHost({}, {})
    for device in (DISK, os.makedev(0, 40), os.makedev(0, 44)):
        for inode in (10, 11, 12):
            host.put(f"/lib/{inode}", inode, device=device, at_host=device == DISK)
    discovery = Discovery(host, Counters(), grace_ns=S)
    attached: dict[FileKey, tuple[int, int]] = {}
    now_ns = 0
    asked = 0
    for step in story:
        now_ns += S // 4
        if step == "change":
            for key, stamp in host.stamps.items():
                host.stamps[key] = replace(stamp, size_bytes=stamp.size_bytes + 1)
            events = []
        elif step == "scan":
            events = discovery.scanned([(1, MappedFile(DISK, 10, "/lib/10", 0, 0))], now_ns)
        elif step == "expire":
            events = discovery.expire(now_ns)
        else:
            assert not isinstance(step, str)
            events = discovery.receive(step)
        for event in events:
            if isinstance(event, FileUnmapped):
                attached.pop(event.key, None)
                continue
            outcome = outcomes[asked % len(outcomes)]
            asked += 1
            discovery.located(event.key, outcome)
            if outcome is COVERED:
                real = (event.key.inode, host.stamps[event.key].size_bytes)
                assert real not in attached.values(), "attached twice"
                assert event.key not in attached
                attached[event.key] = real
    covered = {file.key for file in discovery.coverage() if file.outcome is COVERED}
    assert covered == set(attached)
    # When everybody is gone and the grace time is over, nothing stays.
    for pid in range(1, 6):
        discovery.receive(ProcessEnded(pid, now_ns + 100 * S))
    for event in discovery.expire(now_ns + 200 * S):
        assert isinstance(event, FileUnmapped)
        attached.pop(event.key)
    assert attached == {}
    assert discovery.coverage() == []
