"""Attach probe plans: once per inode, for every process, by file offset.

uprobe_multi links where the kernel has them (>= 6.6; session links >= 6.13): one link a program and file, attached and
detached at once. Else one perf uprobe a site, opened by ourselves: BCC's own `attach_uprobe` passes a garbage
ref_ctr_offset, which makes other tracers of the same function fail, and vice versa.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from wirespan.capture import syscalls
from wirespan.capture.kernel import KernelSide
from wirespan.errors import CaptureError
from wirespan.locate import CallAbi, ProbePlan, ProbeSite

# function -> role; the roles are the suffixes of the BPF programs' names.
ROLES = {
    "SSL_read": "read",
    "SSL_read_ex": "read_ex",
    "ssl_read_internal": "read_ex",
    "SSL_write": "write",
    "SSL_write_ex": "write_ex",
    "ssl_write_internal": "write_ex",
    "ssl_write_internal_ex2": "write_ex5",
    "SSL_free": "free",
    "SSL_shutdown": "shutdown",
    "SSL_set_fd": "rebind",
    "SSL_set_bio": "rebind",
    "SSL_ctrl": "ctrl",
    "SSL_set_tlsext_host_name": "host_name",
}
_CLOSERS = 16
_BOOKKEEPING = frozenset({"free", "shutdown", "rebind", "ctrl", "host_name"})


@dataclass(frozen=True, slots=True)
class _Hook:
    """One program at one side of a function."""

    program: str
    on_return: bool = False
    attach_type: int = syscalls.BPF_TRACE_UPROBE_MULTI


def _hooks(role: str, mode: str) -> tuple[_Hook, ...]:
    """Return programs first: an entry noted before its return program is there would be picked up by no one."""
    if role in _BOOKKEEPING:
        return (_Hook(f"on_{role}"),)
    if mode == "uprobe_session":
        return (_Hook(f"session_{role}", attach_type=syscalls.BPF_TRACE_UPROBE_SESSION),)
    return (_Hook(f"leave_{role.split('_')[0]}", on_return=True), _Hook(f"enter_{role}"))


@dataclass(frozen=True, slots=True)
class Attachment:
    """The descriptors that keep one plan attached. `failed`: what the kernel refused, as text."""

    descriptors: tuple[int, ...]
    failed: tuple[str, ...]

    def close(self) -> None:
        close_all(self.descriptors)


def why_not_captured(plan: ProbePlan) -> str:
    """Why `attach` would leave out what moves data, as a sentence; empty if it would not."""
    left_out = {site.function for site in plan.sites if site.abi is not CallAbi.MOVES_NOTHING} - ROLES.keys()
    return f"{plan.library or plan.family} is located, but not captured yet" if left_out else ""


def _by_hook(sites: Iterable[ProbeSite], mode: str) -> dict[_Hook, list[int]]:
    offsets: dict[_Hook, list[int]] = {}
    for site in sites:
        for hook in _hooks(ROLES[site.function], mode) if site.function in ROLES else ():
            offsets.setdefault(hook, []).append(site.file_offset)
    return dict(sorted(offsets.items(), key=lambda item: not item[0].on_return))


def _attach_links(program_fd: int, path: bytes, offsets: list[int], hook: _Hook) -> list[int]:
    return [
        syscalls.create_uprobe_multi_link(
            program_fd, path, offsets, on_return=hook.on_return, attach_type=hook.attach_type
        )
    ]


def _attach_perf(program_fd: int, path: bytes, offsets: list[int], hook: _Hook) -> list[int]:
    descriptors: list[int] = []
    try:
        for offset in offsets:
            descriptors.append(syscalls.open_perf_uprobe(program_fd, path, offset, on_return=hook.on_return))
    except OSError:
        close_all(descriptors)
        raise
    return descriptors


def close_all(descriptors: Iterable[int]) -> None:
    """Side by side: closing waits for RCU grace periods (~45 ms a link, ~110 ms a perf uprobe), which they share."""
    with ThreadPoolExecutor(max_workers=_CLOSERS) as closers:
        list(closers.map(os.close, descriptors))


def attach(kernel: KernelSide, plan: ProbePlan, path: str | os.PathLike[str]) -> Attachment:
    """Attach `plan` to the inode that `path` opens. All reads and writes, or CaptureError; a refused bookkeeping
    probe (free, shutdown, name) only costs precision and is listed in `failed`."""
    one = _attach_perf if kernel.attach_mode == "perf" else _attach_links
    descriptors: list[int] = []
    failed: list[str] = []
    for hook, offsets in _by_hook(plan.sites, kernel.attach_mode).items():
        try:
            descriptors += one(kernel.programs[hook.program], os.fsencode(path), offsets, hook)
        except OSError as error:
            if hook.program.startswith("on_"):
                failed.append(f"{hook.program}: {error.strerror}")
                continue
            close_all(descriptors)
            raise CaptureError(
                f"the kernel refused a probe on {plan.path_seen}: {error.strerror}", _remedy(kernel.attach_mode, error)
            ) from error
    return Attachment(tuple(descriptors), tuple(failed))


def _remedy(mode: str, error: OSError) -> str:
    if isinstance(error, PermissionError):
        extra = " and CAP_SYS_ADMIN (perf uprobes: this kernel has no uprobe_multi)" if mode == "perf" else ""
        return f"CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH{extra} are needed"
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return "raise the limit of open files (LimitNOFILE): a probe takes up to two descriptors a function"
    return "run `wirespan doctor`; if another tracer holds this function, stop it and retry"
