"""Files looked at and probed, on copies that nobody maps: the kernel takes probes on any file."""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rig.tls_talk import SYSTEM_PYTHON, openssl_of
from wirespan.capture.kernel import KernelSide, load_kernel_side
from wirespan.capture.layout import load_layouts
from wirespan.capture.locate_worker import Located
from wirespan.capture.probe_table import ProbeTable
from wirespan.counters import Counters
from wirespan.locate import PlanCache
from wirespan.processes import FileKey, FileToLocate, FileUnmapped, LocateOutcome
from wirespan.resources import resource

PROGRAMS = (
    "enter_read",
    "enter_read_ex",
    "enter_write",
    "enter_write_ex",
    "enter_write_ex5",
    "leave_read",
    "leave_write",
    "on_free",
    "on_shutdown",
    "on_rebind",
    "on_ctrl",
    "on_host_name",
)


@pytest.fixture
def refusing() -> Iterator[KernelSide]:
    """What was loaded is no program: the running kernel refuses each probe with it."""
    message = {"attach": "uprobe_multi", "bcc_version": "0", "bcc_file": "", "programs": PROGRAMS, "maps": ()}
    descriptors = [os.open(os.devnull, os.O_RDONLY) for _ in PROGRAMS]
    side = KernelSide(load_layouts(resource("bpf") / "events.h"), message, descriptors)
    yield side
    side.close()


@pytest.fixture(scope="module")
def kernel() -> Iterator[KernelSide]:
    side = load_kernel_side(resource("bpf"), 64 << 10)
    yield side
    side.close()


@pytest.fixture
def library(tmp_path: Path) -> Path:
    return Path(shutil.copy(openssl_of(SYSTEM_PYTHON), tmp_path / "libssl.so.3"))


def to_locate(path: Path) -> FileToLocate:
    status = path.stat()
    return FileToLocate(FileKey(status.st_dev, status.st_ino), (str(path),), 0, f"/seen/{path.name}")


def open_descriptors() -> list[str]:
    """What each leads to."""
    directory, links = "/proc/self/fd", []
    for name in os.listdir(directory):
        try:
            links.append(os.readlink(f"{directory}/{name}"))
        except FileNotFoundError:  # that of the listing itself
            continue
    return sorted(links)


def test_a_file_without_tls_is_nothing(refusing: KernelSide, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program\n" * 100)
    counters = Counters()
    table = ProbeTable(refusing, None, counters)
    for path in (tmp_path / "text", Path("/bin/true")):
        file = to_locate(path)
        assert table.look_at(file) == Located(file.key, LocateOutcome.NOTHING)
        assert not table.is_probed(file.key)
    assert counters.snapshot() == {}


def test_a_file_that_is_gone_or_another_one_now_is_unreachable(refusing: KernelSide, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"first")
    gone = to_locate(path)
    path.rename(tmp_path / "kept")
    table = ProbeTable(refusing, None, Counters())
    assert table.look_at(gone) == Located(gone.key, LocateOutcome.UNREACHABLE)
    path.write_bytes(b"second")
    assert table.look_at(gone) == Located(gone.key, LocateOutcome.UNREACHABLE)


def test_what_the_kernel_refuses_is_not_covered_and_said_once(
    refusing: KernelSide, library: Path, caplog: pytest.LogCaptureFixture
) -> None:
    counters, before = Counters(), open_descriptors()
    table = ProbeTable(refusing, None, counters)
    with caplog.at_level(logging.WARNING):
        located = table.look_at(to_locate(library))
    assert located.outcome is LocateOutcome.NOT_COVERED
    assert "the kernel refused a probe on /seen/libssl.so.3" in located.description
    assert [record.getMessage() for record in caplog.records] == [
        f"not covered: /seen/libssl.so.3: {located.description}"
    ]
    assert counters["capture.attach_refused"] == 1
    assert counters["capture.files_uncovered"] == 1
    assert counters["capture.files_attached"] == 0
    assert table.probed() == {}
    assert open_descriptors() == before


@pytest.mark.live
def test_a_file_is_probed_once_until_it_is_given_up(
    kernel: KernelSide, library: Path, caplog: pytest.LogCaptureFixture
) -> None:
    counters, before = Counters(), open_descriptors()
    table, file = ProbeTable(kernel, None, counters), to_locate(library)
    with caplog.at_level(logging.INFO):
        located = table.look_at(file)
    assert located.outcome is LocateOutcome.COVERED
    assert located.description.startswith("OpenSSL")
    assert caplog.records[-1].getMessage().startswith(f"attached to /seen/libssl.so.3 ({located.description}) in ")
    assert table.is_probed(file.key)
    (descriptors,) = (probed.descriptors() for probed in table.probed().values())
    assert len(open_descriptors()) == len(before) + len(descriptors) > len(before)
    # WHEN somebody asks again, it has one attachment still
    assert table.look_at(file) == located
    assert len(open_descriptors()) == len(before) + len(descriptors)
    assert counters["capture.files_attached"] == 1
    # WHEN nobody maps it any more, it is let go
    table.give_up(FileUnmapped(file.key, file.path_seen))
    table.give_up(FileUnmapped(file.key, file.path_seen))
    assert not table.is_probed(file.key)
    until_detached()
    assert open_descriptors() == before
    assert counters["capture.files_detached"] == 1
    # AND can be probed again
    assert table.look_at(file) == located
    table.close()
    table.close()
    assert open_descriptors() == before


def until_detached() -> None:
    for thread in threading.enumerate():
        if thread.name == "wirespan-detach":
            thread.join(20)


@pytest.mark.live
def test_a_plan_found_before_is_used(kernel: KernelSide, library: Path, tmp_path: Path) -> None:
    counters, file = Counters(), to_locate(library)
    first = ProbeTable(kernel, PlanCache(tmp_path / "plans.json", counters), counters)
    located = first.look_at(file)
    first.close()
    cache = PlanCache(tmp_path / "plans.json", counters)
    assert cache.known_paths() == ["/seen/libssl.so.3"]
    second = ProbeTable(kernel, cache, counters)
    assert second.look_at(file) == located
    second.close()
    assert counters["capture.files_attached"] == 2
    assert counters["locate.cache_stale"] == 0


@pytest.mark.live
def test_a_file_may_vanish_while_it_is_probed(kernel: KernelSide, library: Path) -> None:
    """As an upgrade does: who mapped the old file goes on with it, and so do its probes."""
    table, file = ProbeTable(kernel, None, Counters()), to_locate(library)
    with library.open("rb") as held:
        opened = f"/proc/self/fd/{held.fileno()}"
        library.unlink()
        deleted = FileToLocate(file.key, (str(library), opened), 0, file.path_seen)
        assert table.look_at(deleted).outcome is LocateOutcome.COVERED
    table.close()
