from __future__ import annotations

import platform

import pytest

from wirespan.capture import features
from wirespan.capture.features import CAPABILITIES, State

FOUR = ("CAP_BPF", "CAP_PERFMON", "CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH")


def bits(*names: str) -> int:
    return sum(1 << CAPABILITIES[name] for name in names)


def missing(effective: int, *, needs_sys_admin: bool) -> set[str]:
    found = features.capability_findings(effective, needs_sys_admin=needs_sys_admin)
    return {finding.name for finding in found if finding.state is State.MISSING}


def test_four_capabilities_do_where_the_kernel_has_links() -> None:
    assert missing(bits(*FOUR), needs_sys_admin=False) == set()
    assert missing(bits(*FOUR), needs_sys_admin=True) == {"CAP_SYS_ADMIN"}


def test_without_any_each_is_named_with_its_use() -> None:
    assert missing(0, needs_sys_admin=True) == {*FOUR, "CAP_SYS_ADMIN"}
    for finding in features.capability_findings(0, needs_sys_admin=True):
        assert finding.remedy
        assert finding.detail


def test_sys_admin_stands_in_for_the_two_it_was_split_from() -> None:
    assert missing(bits("CAP_SYS_ADMIN"), needs_sys_admin=True) == {"CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH"}


def test_capeff_is_read_from_the_status_file() -> None:
    assert features.effective_capabilities("Name:\tx\nCapEff:\t000000c000080004\nCapBnd:\t0\n") == bits(*FOUR)


@pytest.mark.parametrize(
    ("files", "name", "state"),
    [
        ({"/sys/bus/event_source/devices/uprobe/type": "9"}, "uprobes", State.OK),
        ({}, "uprobes", State.MISSING),
        ({"/sys/kernel/security/lockdown": "none integrity [confidentiality]"}, "lockdown", State.MISSING),
    ],
)
def test_what_the_kernel_lacks_is_said(files: dict[str, str], name: str, state: State) -> None:
    found = {finding.name: finding for finding in features.kernel_findings(files.get, lambda _path: False)}
    assert found[name].state is state
    assert found["BTF"].state is State.WARNING
    if state is State.MISSING:
        assert found[name].remedy


def test_another_architecture_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    (kernel, *_rest) = features.kernel_findings()
    assert kernel.state is State.MISSING
    assert "riscv64" in kernel.detail
