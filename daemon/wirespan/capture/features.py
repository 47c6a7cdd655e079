"""What this kernel and this process can do for capture, asked of the kernel where asking is possible.

Invariant: a finding is a fact with its consequence, never a guess from the version alone.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

# include/uapi/linux/capability.h
CAPABILITIES = {
    "CAP_DAC_READ_SEARCH": 2,
    "CAP_SYS_PTRACE": 19,
    "CAP_SYS_ADMIN": 21,
    "CAP_PERFMON": 38,
    "CAP_BPF": 39,
}
_WHY = {
    "CAP_BPF": "load BPF programs and maps",
    "CAP_PERFMON": "attach probes, read other processes' maps",
    "CAP_SYS_PTRACE": "open other processes' executables and libraries through /proc/PID/root",
    "CAP_DAC_READ_SEARCH": "read libraries in directories closed to this user",
    "CAP_SYS_ADMIN": "perf uprobes, where the kernel has no uprobe_multi links (before 6.6)",
}


class State(Enum):
    OK = "ok"
    WARNING = "warning"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """`remedy` is empty when there is nothing to do."""

    name: str
    state: State
    detail: str
    remedy: str = ""


def effective_capabilities(status: str | None = None) -> int:
    """CapEff of /proc/self/status as a bit set (proc(5))."""
    text = status if status is not None else Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    return int(text.split("CapEff:")[1].split()[0], 16)


def capability_findings(effective: int, *, needs_sys_admin: bool) -> list[Finding]:
    findings = []
    holds_admin = bool(effective >> CAPABILITIES["CAP_SYS_ADMIN"] & 1)
    for name, bit in CAPABILITIES.items():
        if effective >> bit & 1:
            findings.append(Finding(name, State.OK, _WHY[name]))
        elif name == "CAP_SYS_ADMIN":
            if needs_sys_admin:
                findings.append(Finding(name, State.MISSING, _WHY[name], "run as root or add the capability"))
        elif name in ("CAP_BPF", "CAP_PERFMON") and holds_admin:
            findings.append(Finding(name, State.OK, f"{_WHY[name]} (by CAP_SYS_ADMIN)"))
        else:
            findings.append(Finding(name, State.MISSING, _WHY[name], "run as root or add the capability"))
    return findings


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None


def kernel_findings(
    read: Callable[[str], str | None] = _read, exists: Callable[[str], bool] = os.path.exists
) -> list[Finding]:
    """What can be said without loading anything."""
    release = platform.release()
    findings = [Finding("kernel", State.OK, f"Linux {release} {platform.machine()}")]
    if platform.machine() not in ("x86_64", "aarch64"):
        findings[0] = Finding(
            "kernel", State.MISSING, f"{platform.machine()} is not supported", "run on x86-64 or aarch64"
        )
    if exists("/sys/kernel/btf/vmlinux"):
        findings.append(Finding("BTF", State.OK, "/sys/kernel/btf/vmlinux"))
    else:
        findings.append(Finding("BTF", State.WARNING, "the kernel has no BTF; our programs do without"))
    findings.append(_uprobe_finding(read))
    lockdown = read("/sys/kernel/security/lockdown")
    if lockdown and "[confidentiality]" in lockdown:
        findings.append(
            Finding(
                "lockdown",
                State.MISSING,
                "confidentiality mode forbids reading process memory from BPF",
                "boot with lockdown=integrity or without it",
            )
        )
    findings.append(_pid_namespace_finding())
    return findings


def _uprobe_finding(read: Callable[[str], str | None]) -> Finding:
    if read("/sys/bus/event_source/devices/uprobe/type") is None:
        return Finding(
            "uprobes",
            State.MISSING,
            "the kernel has no uprobe event source",
            "a kernel with CONFIG_UPROBES and CONFIG_UPROBE_EVENTS (all distribution kernels)",
        )
    return Finding("uprobes", State.OK, "the kernel has uprobes")


def _pid_namespace_finding() -> Finding:
    """Records carry pids of the first pid namespace; /proc must be of the same one. 4026531836 is PROC_PID_INIT_INO
    (include/linux/proc_ns.h)."""
    try:
        inside = Path("/proc/self/ns/pid").stat().st_ino
    except OSError as error:
        return Finding("pid namespace", State.WARNING, f"unknown: {error.strerror}")
    if inside == 4026531836:
        return Finding("pid namespace", State.OK, "the host's")
    return Finding(
        "pid namespace",
        State.MISSING,
        "this process is in a pid namespace of its own and can't name others",
        "run the container with --pid=host (Kubernetes: hostPID: true)",
    )
