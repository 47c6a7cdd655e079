"""The short-lived process that compiles and loads the BPF programs, then hands their descriptors over and exits.

Run as `python -m wirespan.capture.loader FD JSON`. The only module that uses BCC: with it goes LLVM's memory (measured:
38 MiB private with BCC in the process, 5 MiB without). Sends one JSON message over the socket FD; on success the
descriptors named in it travel with it (SCM_RIGHTS).
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wirespan.capture.bcc_binding import load_bcc
from wirespan.capture.syscalls import map_update, supports_uprobe_multi
from wirespan.errors import CaptureError

PROGRAMS = (
    "enter_read",
    "enter_read_ex",
    "enter_write",
    "enter_write_ex",
    "leave_read",
    "leave_write",
    "leave_rest",
    "on_free",
    "on_shutdown",
    "on_rebind",
    "on_ctrl",
)
MAPS = ("records", "connections", "verdicts", "excluded", "settings", "counters", "continuation")

ATTACH_UPROBE_MULTI = 48  # enum bpf_attach_type, include/uapi/linux/bpf.h


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """`attach`: "auto" | "uprobe_multi" | "perf". `ring_bytes` is a power of two."""

    bpf_directory: str
    ring_bytes: int
    attach: str


def _load_functions(bpf: Any, bcc: Any, attach_type: int | None) -> dict[str, int]:
    descriptors = {}
    for name in PROGRAMS:
        bpf.funcs.pop(name.encode(), None)  # one name can't be loaded for two attach types
        extra = () if attach_type is None else (None, attach_type)
        descriptors[name] = int(bpf.load_func(name.encode(), bcc.BPF.KPROBE, *extra).fd)
    return descriptors


def _load_programs(bpf: Any, bcc: Any, attach: str) -> tuple[str, dict[str, int]]:
    """uprobe_multi where kernel (>= 6.6) and BCC (>= 0.25) have it, else programs for perf uprobes."""
    if attach != "perf":
        try:
            programs = _load_functions(bpf, bcc, ATTACH_UPROBE_MULTI)
            if supports_uprobe_multi(programs["on_free"]):
                return "uprobe_multi", programs
            reason = "the kernel has no uprobe_multi links (they came with Linux 6.6)"
        except TypeError:
            reason = "this BCC can't load programs for uprobe_multi links (0.25 can)"
        if attach == "uprobe_multi":
            raise CaptureError(reason, 'set [capture] attach = "auto" to use perf uprobes instead')
    return "perf", _load_functions(bpf, bcc, None)


def load(request: LoadRequest) -> tuple[dict[str, Any], list[int]]:
    """Compile and load. Returns the message and the descriptors in the order the message names them."""
    directory = Path(request.bpf_directory)
    # Our own small kernel headers: no linux-headers package, and half the compile time.
    os.environ.setdefault("BCC_KERNEL_SOURCE", str(directory))
    bcc = load_bcc()
    bpf = bcc.BPF(
        src_file=str(directory / "openssl.bpf.c").encode(),
        cflags=[f"-I{directory}", f"-DWIRESPAN_RING_PAGES={request.ring_bytes // 4096}"],
    )
    mode, programs = _load_programs(bpf, bcc, request.attach)
    maps = {name: int(bpf[name.encode()].map_fd) for name in MAPS}
    # The kernel empties a program array when its last descriptor is closed: the receiver keeps this one open.
    map_update(maps["continuation"], struct.pack("=I", 0), struct.pack("=I", programs["leave_rest"]))
    message = {
        "attach": mode,
        "bcc_version": str(bcc.__version__),
        "bcc_file": str(bcc.__file__),
        "programs": list(programs),
        "maps": list(maps),
    }
    return message, [*programs.values(), *maps.values()]


def encode_request(request: LoadRequest) -> str:
    return json.dumps(asdict(request))


def main(arguments: list[str]) -> int:
    """FD JSON. Exit code 0 when something was sent, also an error."""
    channel = socket.socket(fileno=int(arguments[0]))
    try:
        message, descriptors = load(LoadRequest(**json.loads(arguments[1])))
        socket.send_fds(channel, [json.dumps(message).encode()], descriptors)
    except CaptureError as error:
        channel.send(json.dumps({"error": error.args[0], "remedy": error.remedy}).encode())
    except Exception as error:  # noqa: BLE001 - BCC raises bare Exception for every kind of failure
        channel.send(json.dumps({"error": f"{type(error).__name__}: {error}", "remedy": ""}).encode())
    channel.close()
    sys.stdout.flush()
    sys.stderr.flush()
    # BCC's atexit handlers would close what was just handed over, one by one.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
