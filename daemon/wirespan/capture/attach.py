"""Attach probe plans: once per inode, for every process, by file offset.

uprobe_multi links where the kernel has them (>= 6.6): one link a program and file, attached and detached at once. Else
one perf uprobe a site, opened by ourselves: BCC's own `attach_uprobe` passes a garbage ref_ctr_offset, which makes other
tracers of the same function fail, and vice versa.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from wirespan.capture import syscalls
from wirespan.capture.kernel import KernelSide
from wirespan.errors import CaptureError
from wirespan.locate import ProbePlan, ProbeSite

# function -> ((program, on return), ...)
ROLES: dict[str, tuple[tuple[str, bool], ...]] = {
    "SSL_read": (("enter_read", False), ("leave_read", True)),
    "SSL_read_ex": (("enter_read_ex", False), ("leave_read", True)),
    "SSL_write": (("enter_write", False), ("leave_write", True)),
    "SSL_write_ex": (("enter_write_ex", False), ("leave_write", True)),
    "SSL_free": (("on_free", False),),
    "SSL_shutdown": (("on_shutdown", False),),
    "SSL_set_fd": (("on_rebind", False),),
    "SSL_set_bio": (("on_rebind", False),),
    "SSL_ctrl": (("on_ctrl", False),),
}
ROLES["ssl_read_internal"] = ROLES["SSL_read_ex"]
ROLES["ssl_write_internal"] = ROLES["SSL_write_ex"]


@dataclass(frozen=True, slots=True)
class Attachment:
    """The descriptors that keep one plan attached. `failed`: what the kernel refused, as text."""

    descriptors: tuple[int, ...]
    failed: tuple[str, ...]

    def close(self) -> None:
        for descriptor in self.descriptors:
            os.close(descriptor)


def _by_program(sites: Iterable[ProbeSite]) -> dict[tuple[str, bool], list[int]]:
    offsets: dict[tuple[str, bool], list[int]] = {}
    for site in sites:
        for role in ROLES.get(site.function, ()):
            offsets.setdefault(role, []).append(site.file_offset)
    # Return programs first: an entry noted before its return program is there would be found by no one.
    return dict(sorted(offsets.items(), key=lambda item: not item[0][1]))


def _attach_multi(program_fd: int, path: bytes, offsets: list[int], on_return: bool) -> list[int]:
    return [syscalls.create_uprobe_multi_link(program_fd, path, offsets, on_return=on_return)]


def _attach_perf(program_fd: int, path: bytes, offsets: list[int], on_return: bool) -> list[int]:
    descriptors: list[int] = []
    try:
        for offset in offsets:
            descriptors.append(syscalls.open_perf_uprobe(program_fd, path, offset, on_return=on_return))
    except OSError:
        for descriptor in descriptors:
            os.close(descriptor)
        raise
    return descriptors


def attach(kernel: KernelSide, plan: ProbePlan, path: str | os.PathLike[str]) -> Attachment:
    """Attach `plan` to the inode that `path` opens. All reads and writes, or CaptureError; a refused bookkeeping
    probe (free, shutdown, name) only costs precision and is listed in `failed`."""
    one: Callable[[int, bytes, list[int], bool], list[int]]
    one = _attach_multi if kernel.attach_mode == "uprobe_multi" else _attach_perf
    descriptors: list[int] = []
    failed: list[str] = []
    for (program, on_return), offsets in _by_program(plan.sites).items():
        try:
            descriptors += one(kernel.programs[program], os.fsencode(path), offsets, on_return)
        except OSError as error:
            if program.startswith("on_"):
                failed.append(f"{program}: {error.strerror}")
                continue
            for descriptor in descriptors:
                os.close(descriptor)
            raise CaptureError(
                f"the kernel refused a probe on {plan.path_seen}: {error.strerror}", _remedy(kernel.attach_mode, error)
            ) from error
    return Attachment(tuple(descriptors), tuple(failed))


def _remedy(mode: str, error: OSError) -> str:
    if isinstance(error, PermissionError):
        extra = " and CAP_SYS_ADMIN (perf uprobes: this kernel has no uprobe_multi)" if mode == "perf" else ""
        return f"CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH{extra} are needed"
    return "run `wirespan doctor`; if another tracer holds this function, stop it and retry"
