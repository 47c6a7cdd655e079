"""The loaded kernel side as this process holds it: program and map descriptors, without BCC.

Invariant: closing a `KernelSide` leaves nothing behind in the kernel.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wirespan.capture import syscalls
from wirespan.capture.layout import Layouts, load_layouts
from wirespan.capture.loader import LoadRequest, encode_request
from wirespan.errors import CaptureError

LOADER_MODULE = "wirespan.capture.loader"
LOAD_TIMEOUT_S = 60.0
_DESCRIPTORS_MAX = 64


class KernelSide:
    """Programs and maps by name, and the few map writes user space makes."""

    def __init__(self, layouts: Layouts, message: Mapping[str, Any], descriptors: list[int]) -> None:
        names = [*message["programs"], *message["maps"]]
        by_name = dict(zip(names, descriptors, strict=True))
        self.layouts = layouts
        self.attach_mode: str = message["attach"]
        self.bcc_version: str = message["bcc_version"]
        self.bcc_file: str = message["bcc_file"]
        self.programs = {name: by_name[name] for name in message["programs"]}
        self.maps = {name: by_name[name] for name in message["maps"]}

    def set_budgets(self, undecided_bytes: int, wanted_bytes: int) -> None:
        """Per request and connection; 0 is no limit."""
        value = self.layouts.structs["settings"].pack(undecided_bytes=undecided_bytes, wanted_bytes=wanted_bytes)
        syscalls.map_update(self.maps["settings"], bytes(4), value)

    def set_verdict(self, pid: int, handle: int, generation: int, kind: int, request_seq: int) -> None:
        key = self.layouts.structs["connection_key"].pack(handle=handle, process_id=pid)
        value = self.layouts.structs["verdict"].pack(generation=generation, kind=kind, request_seq=request_seq)
        syscalls.map_update(self.maps["verdicts"], key, value)

    def exclude(self, pid: int) -> None:
        """Not a byte of this process is copied from now on."""
        syscalls.map_update(self.maps["excluded"], struct.pack("=I", pid), struct.pack("=I", 1))

    def include(self, pid: int) -> None:
        syscalls.map_delete(self.maps["excluded"], struct.pack("=I", pid))

    def counters(self) -> dict[str, int]:
        """The kernel's own counts, summed over CPUs, by the lower-case name after COUNTER_ in events.h."""
        cpus = syscalls.possible_cpus()
        counts = {}
        for name, index in self.layouts.constants.items():
            if name.startswith("COUNTER_") and name != "COUNTER_WAKEUP_BYTES":
                raw = syscalls.map_lookup(self.maps["counters"], struct.pack("=I", index), 8 * cpus)
                counts[name.removeprefix("COUNTER_").lower()] = sum(struct.unpack(f"={cpus}Q", raw))
        return counts

    def close(self) -> None:
        for descriptor in (*self.programs.values(), *self.maps.values()):
            os.close(descriptor)
        self.programs, self.maps = {}, {}


def load_kernel_side(bpf_directory: Path, ring_bytes: int, attach: str = "auto") -> KernelSide:
    """Start the loader, take the descriptors it sends. CaptureError says what is missing and the remedy."""
    layouts = load_layouts(bpf_directory / "events.h")
    request = LoadRequest(str(bpf_directory), ring_bytes, attach)
    return run_loader([sys.executable, "-m", LOADER_MODULE], request, layouts)


def run_loader(command: Sequence[str], request: LoadRequest, layouts: Layouts) -> KernelSide:
    """`command` runs the loader module under some interpreter, maybe in another root; `request` is as seen there."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        os.set_inheritable(theirs.fileno(), True)
        process = subprocess.Popen(
            [*command, str(theirs.fileno()), encode_request(request)],
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C at a terminal is ours to answer: it must not look like a failed load
        )
        theirs.close()
        return _receive(ours, process, layouts)


def _receive(channel: socket.socket, process: subprocess.Popen[bytes], layouts: Layouts) -> KernelSide:
    channel.settimeout(LOAD_TIMEOUT_S)
    try:
        data, descriptors, _flags, _address = socket.recv_fds(channel, 65536, _DESCRIPTORS_MAX)
    except TimeoutError:
        process.kill()
        output, _ = process.communicate()
        raise CaptureError(
            f"the BPF loader did not finish in {LOAD_TIMEOUT_S:.0f} s: {_tail(output)}",
            "if the machine is not overloaded, report this text with the output of `wirespan doctor`",
        ) from None
    output, _ = process.communicate()
    if not data:
        raise CaptureError(
            f"the BPF loader ended without a result: {_tail(output)}", "run `wirespan doctor` to see what is missing"
        )
    message = json.loads(data)
    if "error" in message:
        raise CaptureError(*explain_load_failure(message["error"], message["remedy"], output))
    return KernelSide(layouts, message, list(descriptors))


def _tail(output: bytes) -> str:
    return output.decode("utf-8", "replace").strip()[-600:] or "no output"


def explain_load_failure(error: str, remedy: str, output: bytes) -> tuple[str, str]:
    """BCC reports a refused map, a refused program and a compile error alike; tell them apart for the user."""
    if remedy:
        return error, remedy
    text = f"{error}\n{_tail(output)}"
    if "Operation not permitted" in text or "EPERM" in text or _lacks_capabilities():
        return (
            f"the kernel refused to load the BPF programs ({error})",
            "run as root, or give the process CAP_BPF and CAP_PERFMON (kernels before 5.8: CAP_SYS_ADMIN); in a "
            "container also --security-opt seccomp=unconfined where its default filter blocks bpf(2)",
        )
    if "Invalid argument" in text:
        return (
            f"the kernel does not know something the BPF programs need ({error}): {_tail(output)}",
            "Linux 5.8 or newer with CONFIG_BPF_SYSCALL, CONFIG_UPROBES and CONFIG_BPF_EVENTS is needed",
        )
    return f"{error}: {_tail(output)}", "run `wirespan doctor`, and report this text with its output"


def _lacks_capabilities() -> bool:
    """CAP_PERFMON (38) or CAP_BPF (39) absent, and no CAP_SYS_ADMIN (21) in their stead."""
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    effective = int(status.split("CapEff:")[1].split()[0], 16)
    return not (effective >> 21 & 1 or (effective >> 38 & 1 and effective >> 39 & 1))
