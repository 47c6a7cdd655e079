"""bpf(2) and perf_event_open(2) as the running kernel answers them."""

from __future__ import annotations

import errno
import os
import platform
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from wirespan.capture import syscalls
from wirespan.capture.kernel import KernelSide, load_kernel_side
from wirespan.resources import resource

FILE_BYTES = 4096


@pytest.fixture(scope="module")
def kernel() -> Iterator[KernelSide]:
    side = load_kernel_side(resource("bpf"), 64 << 10, "perf")
    yield side
    side.close()


@pytest.fixture
def file(tmp_path: Path) -> bytes:
    path = tmp_path / "file"
    path.write_bytes(bytes(FILE_BYTES))
    return os.fsencode(path)


@pytest.mark.parametrize(
    ("text", "count"),
    [("0\n", 1), ("0-3\n", 4), ("0-127\n", 128), ("0,2-5\n", 6), ("0-1,4\n", 5)],
)
def test_how_many_values_a_per_cpu_map_has(text: str, count: int) -> None:
    assert syscalls.possible_cpus(text) == count


def test_of_this_machine_they_are_at_least_its_cpus() -> None:
    assert syscalls.possible_cpus() >= os.sysconf("SC_NPROCESSORS_CONF")


def test_the_kernel_s_errno_is_the_error() -> None:
    # Whoever may not use bpf(2) at all gets EPERM before the command is looked at.
    with pytest.raises(OSError, match=r"Invalid argument|not permitted") as caught:
        syscalls.bpf(9999, bytes(128))
    assert caught.value.errno in (errno.EINVAL, errno.EPERM)


def test_a_machine_whose_numbers_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(OSError, match="no system call numbers for riscv64") as caught:
        syscalls.bpf(syscalls.BPF_MAP_LOOKUP_ELEM, bytes(128))
    assert caught.value.errno == errno.ENOSYS


def test_what_is_no_program_can_not_be_linked(file: bytes) -> None:
    with open(os.devnull) as descriptor:
        number = descriptor.fileno()
        assert not syscalls.supports_uprobe_link(number, syscalls.BPF_TRACE_UPROBE_MULTI)
        with pytest.raises(OSError, match=r"Invalid argument|not permitted"):
            syscalls.create_uprobe_multi_link(number, file, [16], on_return=False)


@pytest.mark.live
def test_a_map_keeps_what_is_put_in(kernel: KernelSide) -> None:
    excluded = kernel.maps["excluded"]
    key, other = struct.pack("=I", 4_000_001), struct.pack("=I", 4_000_002)
    syscalls.map_update(excluded, key, struct.pack("=I", 7))
    assert syscalls.map_lookup(excluded, key, 4) == struct.pack("=I", 7)
    syscalls.map_update(excluded, key, struct.pack("=I", 8))
    assert syscalls.map_lookup(excluded, key, 4) == struct.pack("=I", 8)
    with pytest.raises(FileNotFoundError):
        syscalls.map_lookup(excluded, other, 4)
    assert syscalls.map_delete(excluded, key)
    assert not syscalls.map_delete(excluded, key)
    with pytest.raises(FileNotFoundError):
        syscalls.map_lookup(excluded, key, 4)


@pytest.mark.live
def test_a_full_map_and_a_closed_one_are_errors(kernel: KernelSide) -> None:
    excluded, value = kernel.maps["excluded"], bytes(4)
    *keys, one_more = [struct.pack("=I", 3_000_000 + number) for number in range(4097)]
    for key in keys:
        syscalls.map_update(excluded, key, value)
    with pytest.raises(OSError, match="Argument list too long") as caught:
        syscalls.map_update(excluded, one_more, value)
    assert caught.value.errno == errno.E2BIG  # what a full hash map says
    assert all(syscalls.map_delete(excluded, key) for key in keys)
    assert not syscalls.map_delete(excluded, one_more)
    closed = os.dup(excluded)
    os.close(closed)
    with pytest.raises(OSError, match="Bad file descriptor"):
        syscalls.map_delete(closed, keys[0])


@pytest.mark.live
def test_a_per_cpu_value_has_a_part_for_each_cpu(kernel: KernelSide) -> None:
    cpus = syscalls.possible_cpus()
    raw = syscalls.map_lookup(kernel.maps["counters"], struct.pack("=I", 0), 8 * cpus)
    assert struct.unpack(f"={cpus}Q", raw) == (0,) * cpus


@pytest.mark.live
def test_a_link_that_is_said_to_be_supported_can_be_made_and_no_other(file: bytes) -> None:
    side = load_kernel_side(resource("bpf"), 64 << 10)
    session, multi = syscalls.BPF_TRACE_UPROBE_SESSION, syscalls.BPF_TRACE_UPROBE_MULTI
    said = {}
    for name, attach_type in (("session_read", session), ("enter_read", multi), ("on_free", multi), ("on_free", 9999)):
        if name not in side.programs:  # of another mode
            continue
        said[name, attach_type] = syscalls.supports_uprobe_link(side.programs[name], attach_type)
        assert can_be_linked(side.programs[name], file, attach_type) is said[name, attach_type]
    side.close()
    assert said.pop(("on_free", 9999)) is False
    assert set(said.values()) == {side.attach_mode != "perf"}


def can_be_linked(program: int, file: bytes, attach_type: int) -> bool:
    try:
        os.close(syscalls.create_uprobe_multi_link(program, file, [16], on_return=False, attach_type=attach_type))
    except OSError:
        return False
    return True


@pytest.mark.live
@pytest.mark.parametrize("on_return", [False, True])
def test_a_perf_uprobe_lives_as_long_as_its_descriptor(on_return: bool, kernel: KernelSide, file: bytes) -> None:
    before = len(os.listdir("/proc/self/fd"))
    descriptor = syscalls.open_perf_uprobe(kernel.programs["enter_read"], file, 16, on_return=on_return)
    assert os.readlink(f"/proc/self/fd/{descriptor}") == "anon_inode:[perf_event]"
    assert not os.get_inheritable(descriptor)
    os.close(descriptor)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.live
def test_a_perf_uprobe_that_is_refused_leaves_nothing_open(kernel: KernelSide, file: bytes) -> None:
    before = len(os.listdir("/proc/self/fd"))
    program = kernel.programs["enter_read"]
    with pytest.raises(OSError, match="Invalid argument"):
        syscalls.open_perf_uprobe(program, file, 1 << 20, on_return=False)
    with pytest.raises(FileNotFoundError):
        syscalls.open_perf_uprobe(program, file + b".missing", 16, on_return=False)
    with open(os.devnull) as no_program, pytest.raises(OSError, match="Invalid argument"):
        syscalls.open_perf_uprobe(no_program.fileno(), file, 16, on_return=False)
    assert len(os.listdir("/proc/self/fd")) == before
