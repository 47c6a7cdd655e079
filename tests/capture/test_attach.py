"""Probes on a copy of libssl that one process of ours maps, so that nobody else is in the records."""

from __future__ import annotations

import os
import resource as resource_limits
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rig.kernel_records import RING_BYTES, KernelRecords, plan_of
from rig.tls_talk import TlsIdentity, private_talk
from wirespan.capture.attach import ROLES, attach, why_not_captured
from wirespan.capture.events import ConnectionClosed, Direction, TlsData
from wirespan.capture.kernel import KernelSide
from wirespan.errors import CaptureError
from wirespan.locate import FileIdentity, ProbePlan, ProbeSite

MODES = ("uprobe_session", "uprobe_multi", "perf")
FILE_BYTES = 4096
BEHIND_THE_FILE = 1 << 20

MOVE_DATA = (
    "SSL_read",
    "SSL_read_ex",
    "ssl_read_internal",
    "SSL_write",
    "SSL_write_ex",
    "ssl_write_internal",
    "ssl_write_internal_ex2",
)
MOVE_NOTHING = ("SSL_free", "SSL_shutdown", "SSL_set_fd", "SSL_set_bio", "SSL_ctrl", "SSL_set_tlsext_host_name")
# What they become, by mode.
BOOKKEEPING = ["on_ctrl", "on_free", "on_host_name", "on_rebind", "on_shutdown"]
PROGRAMS = {
    "uprobe_session": [
        *BOOKKEEPING,
        "session_read",
        "session_read_ex",
        "session_write",
        "session_write_ex",
        "session_write_ex5",
    ],
    "uprobe_multi": [
        "enter_read",
        "enter_read_ex",
        "enter_write",
        "enter_write_ex",
        "enter_write_ex5",
        "leave_read",
        "leave_write",
        *BOOKKEEPING,
    ],
}


@pytest.fixture(scope="module")
def loaded() -> Iterator[Callable[[str], KernelRecords]]:
    """One kernel side a mode for the whole module."""
    made: dict[str, KernelRecords] = {}

    def load(mode: str) -> KernelRecords:
        if mode not in made:
            made[mode] = KernelRecords(mode)
        return made[mode]

    yield load
    for kernel in made.values():
        kernel.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The kernel takes probes on any file: what is there matters when somebody runs it."""
    path = tmp_path / "file"
    path.write_bytes(bytes(FILE_BYTES))
    return path


def made_plan(path: Path, **offsets: int) -> ProbePlan:
    sites = tuple(ProbeSite(function, offset) for function, offset in offsets.items())
    return ProbePlan(FileIdentity(0, 0, 0, 0, None), str(path), sites)


def all_functions(path: Path) -> ProbePlan:
    functions = (*MOVE_DATA, *MOVE_NOTHING)
    return made_plan(path, **{function: 16 * number for number, function in enumerate(functions, start=1)})


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def program_ids(kernel: KernelSide) -> dict[str, str]:
    return {program_id(descriptor): name for name, descriptor in kernel.programs.items()}


def program_id(descriptor: int) -> str:
    """Of a program or a link (kernel/bpf/syscall.c, bpf_prog_show_fdinfo and bpf_link_show_fdinfo)."""
    lines = Path(f"/proc/self/fdinfo/{descriptor}").read_text().splitlines()
    return next(line for line in lines if line.startswith("prog_id:"))


@pytest.mark.live
@pytest.mark.parametrize("mode", ["uprobe_session", "uprobe_multi"])
def test_which_programs_sit_on_the_functions(mode: str, loaded: Callable[[str], KernelRecords], file: Path) -> None:
    kernel, before = loaded(mode).side, open_descriptors()
    attachment = attach(kernel, all_functions(file), file)
    names = [program_ids(kernel)[program_id(descriptor)] for descriptor in attachment.descriptors]
    attachment.close()
    # One link a program, however many functions it sits on.
    assert sorted(names) == PROGRAMS[mode]
    assert attachment.failed == ()
    assert open_descriptors() == before
    if mode == "uprobe_multi":
        # Whoever notes an entry must find the program that picks it up in place.
        assert set(names[:2]) == {"leave_read", "leave_write"}


@pytest.mark.live
def test_perf_uprobes_are_one_a_function_and_side(loaded: Callable[[str], KernelRecords], file: Path) -> None:
    kernel, before = loaded("perf").side, open_descriptors()
    plan = made_plan(file, SSL_read=16, ssl_read_internal=32, SSL_write=48, SSL_free=64)
    attachment = attach(kernel, plan, file)
    kinds = [os.readlink(f"/proc/self/fd/{descriptor}") for descriptor in attachment.descriptors]
    attachment.close()
    assert kinds == ["anon_inode:[perf_event]"] * (2 + 2 + 2 + 1)
    assert open_descriptors() == before


@pytest.mark.live
def test_a_function_that_nobody_knows_is_left_out(loaded: Callable[[str], KernelRecords], file: Path) -> None:
    kernel = loaded("uprobe_multi").side
    attachment = attach(kernel, made_plan(file, SSL_read=16, SSL_write=32, SSL_do_handshake=48), file)
    names = [program_ids(kernel)[program_id(descriptor)] for descriptor in attachment.descriptors]
    attachment.close()
    assert sorted(names) == ["enter_read", "enter_write", "leave_read", "leave_write"]


def test_what_would_be_left_out_is_said_if_it_moves_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert why_not_captured(all_functions(tmp_path)) == ""
    assert why_not_captured(made_plan(tmp_path, SSL_read=16, SSL_write=32, SSL_do_handshake=48)) == ""
    monkeypatch.delitem(ROLES, "SSL_write")
    plan = replace(made_plan(tmp_path, SSL_read=16, SSL_write=32), library="OtherSSL 7")
    assert why_not_captured(plan) == "OtherSSL 7 is located, but not captured yet"


@pytest.mark.live
@pytest.mark.parametrize("mode", MODES)
def test_a_refused_probe_on_data_takes_all_others_back(
    mode: str, loaded: Callable[[str], KernelRecords], file: Path
) -> None:
    kernel, before = loaded(mode).side, open_descriptors()
    plan = made_plan(file, SSL_read=16, SSL_read_ex=32, SSL_free=48, SSL_write=BEHIND_THE_FILE)
    with pytest.raises(CaptureError, match=f"a probe on {file}: Invalid argument") as caught:
        attach(kernel, plan, file)
    assert "doctor" in caught.value.remedy
    assert open_descriptors() == before


@pytest.mark.live
def test_too_few_descriptors_take_all_others_back_and_name_the_limit(
    loaded: Callable[[str], KernelRecords], file: Path
) -> None:
    kernel, before = loaded("perf").side, open_descriptors()
    soft, hard = resource_limits.getrlimit(resource_limits.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource_limits.setrlimit(resource_limits.RLIMIT_NOFILE, (lowest_free + 3, hard))
    try:
        with pytest.raises(CaptureError, match="Too many open files") as caught:
            attach(kernel, made_plan(file, SSL_read=16, SSL_write=32), file)
    finally:
        resource_limits.setrlimit(resource_limits.RLIMIT_NOFILE, (soft, hard))
    assert "LimitNOFILE" in caught.value.remedy
    assert open_descriptors() == before


@pytest.mark.live
@pytest.mark.parametrize("mode", MODES)
def test_a_refused_probe_on_bookkeeping_is_told(mode: str, loaded: Callable[[str], KernelRecords], file: Path) -> None:
    kernel, before = loaded(mode).side, open_descriptors()
    plan = made_plan(file, SSL_read=16, SSL_write=32, SSL_free=BEHIND_THE_FILE, SSL_shutdown=48)
    attachment = attach(kernel, plan, file)
    assert attachment.failed == ("on_free: Invalid argument",)
    assert open_descriptors() == before + len(attachment.descriptors)
    attachment.close()
    assert open_descriptors() == before


@pytest.mark.live
@pytest.mark.parametrize("mode", MODES)
def test_records_come_while_it_is_attached(
    mode: str, loaded: Callable[[str], KernelRecords], private_libssl: Path, tls_identity: TlsIdentity
) -> None:
    kernel = loaded(mode)
    with private_talk(tls_identity, private_libssl) as talk:
        talk.client_says(b"before")
        assert kernel.events() == []
        attachment = attach(kernel.side, plan_of(private_libssl), private_libssl)
        talk.client_says(b"question")
        talk.server_says(b"answer")
        assert kernel.data() == [
            (Direction.WRITE, b"question"),
            (Direction.READ, b"question"),
            (Direction.WRITE, b"answer"),
            (Direction.READ, b"answer"),
        ]
        attachment.close()
        talk.client_says(b"after")
    assert kernel.events() == []


@pytest.mark.live
@pytest.mark.parametrize("mode", MODES)
def test_what_does_not_fit_is_counted_to_the_byte(
    mode: str, loaded: Callable[[str], KernelRecords], private_libssl: Path, tls_identity: TlsIdentity
) -> None:
    kernel = loaded(mode)
    data = b"".join(struct.pack(">I", place) for place in range(0, 1 << 20, 4))
    before = kernel.side.counters()
    attachment = attach(kernel.side, plan_of(private_libssl), private_libssl)
    with private_talk(tls_identity, private_libssl) as talk:
        talk.client_says(data)
        records = [event for event in kernel.events() if isinstance(event, TlsData)]
    attachment.close()
    counted = {name: value - before[name] for name, value in kernel.side.counters().items()}
    captured_bytes = sum(len(record.data) for record in records)
    assert 0 < captured_bytes < RING_BYTES
    assert captured_bytes + counted["ring_full_bytes"] == 2 * len(data)
    assert all(record.data == data[record.offset : record.offset + len(record.data)] for record in records)
    assert {name for name, value in counted.items() if value} == {"ring_full_bytes", "ring_full_records"}
    # The end of each connection says how much there was.
    closed = [event for event in kernel.events() if isinstance(event, ConnectionClosed)]
    assert {(event.read_bytes, event.written_bytes) for event in closed} == {(0, len(data)), (len(data), 0)}
