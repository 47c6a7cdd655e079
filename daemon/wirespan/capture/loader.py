"""The short-lived process that compiles and loads the BPF programs, then hands their descriptors over and exits.

Run as `python -m wirespan.capture.loader FD JSON`. The only module that uses BCC: with it goes LLVM's memory (measured:
38 MiB private with BCC in the process, 5 MiB without). Sends one JSON message over the socket FD; on success the
descriptors named in it travel with it (SCM_RIGHTS).
"""

from __future__ import annotations

import json
import os
import re
import socket
import struct
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wirespan.capture.bcc_binding import load_bcc
from wirespan.capture.syscalls import (
    BPF_TRACE_UPROBE_MULTI,
    BPF_TRACE_UPROBE_SESSION,
    map_update,
    supports_uprobe_link,
)
from wirespan.errors import CaptureError

_BOOKKEEPING = ("on_free", "on_shutdown", "on_rebind", "on_ctrl", "on_host_name")
_PAIRS = (
    "enter_read",
    "enter_read_ex",
    "enter_write",
    "enter_write_ex",
    "enter_write_ex5",
    "leave_read",
    "leave_write",
    "leave_rest",
)
_SESSIONS = (
    "session_read",
    "session_read_ex",
    "session_write",
    "session_write_ex",
    "session_write_ex5",
    "leave_rest",
)
MAPS = ("records", "connections", "verdicts", "excluded", "settings", "counters", "continuation")

_OWN_INCLUDE = re.compile(r'^#include "([a-z_0-9.]+)"$', re.MULTILINE)

# Best first. Each with what its data programs and its bookkeeping programs are loaded for (None: a plain kprobe
# program, as perf uprobes want it).
_MODES: dict[str, tuple[tuple[str, ...], int | None, int | None]] = {
    "uprobe_session": (_SESSIONS, BPF_TRACE_UPROBE_SESSION, BPF_TRACE_UPROBE_MULTI),
    "uprobe_multi": (_PAIRS, BPF_TRACE_UPROBE_MULTI, BPF_TRACE_UPROBE_MULTI),
    "perf": (_PAIRS, None, None),
}


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """`attach`: "auto" | "uprobe_session" | "uprobe_multi" | "perf". `ring_bytes` is a power of two."""

    bpf_directory: str
    ring_bytes: int
    attach: str


def _load_functions(bpf: Any, bcc: Any, names: tuple[str, ...], attach_type: int | None) -> dict[str, int]:
    descriptors = {}
    for name in names:
        bpf.funcs.pop(name.encode(), None)  # BCC refuses a name that it loaded before for another attach type
        extra = () if attach_type is None else (None, attach_type)
        descriptors[name] = int(bpf.load_func(name.encode(), bcc.BPF.KPROBE, *extra).fd)
    return descriptors


def _load_mode(bpf: Any, bcc: Any, mode: str) -> dict[str, int] | None:
    """The programs of one mode; None where kernel (session >= 6.13, multi >= 6.6) or BCC (>= 0.25) can't."""
    names, data_type, bookkeeping_type = _MODES[mode]
    try:
        programs = _load_functions(bpf, bcc, names, data_type)
    except TypeError:  # load_func has no attach_type before BCC 0.25
        return None
    except Exception:
        if data_type != BPF_TRACE_UPROBE_SESSION:
            raise
        return None  # the kernel does not know the attach type at all
    if data_type is not None and not supports_uprobe_link(programs[names[0]], data_type):
        return None
    return programs | _load_functions(bpf, bcc, _BOOKKEEPING, bookkeeping_type)


def _load_programs(bpf: Any, bcc: Any, attach: str) -> tuple[str, dict[str, int]]:
    for mode in _MODES if attach == "auto" else (attach,):
        programs = _load_mode(bpf, bcc, mode)
        if programs is not None:
            return mode, programs
    raise CaptureError(
        f"this kernel and BCC {bcc.__version__} can't attach by {attach}",
        'set [capture] attach = "auto": it takes the best way there is',
    )


def one_source(path: Path) -> str:
    """The program with our own headers put in place of their #include lines: BCC rewrites map methods in the main file
    only (in a header `calls.lookup(..)` stays a call through a pointer, which the kernel refuses as opcode 8d)."""

    def included(match: re.Match[str]) -> str:
        name = match[1]
        return f'#line 1 "{name}"\n{one_source(path.with_name(name))}\n#line {_line_of(match) + 1} "{path.name}"'

    return _OWN_INCLUDE.sub(included, path.read_text(encoding="utf-8"))


def _line_of(match: re.Match[str]) -> int:
    return match.string.count("\n", 0, match.start()) + 1


def load(request: LoadRequest) -> tuple[dict[str, Any], list[int]]:
    """Compile and load. Returns the message and the descriptors in the order the message names them."""
    directory = Path(request.bpf_directory)
    # Our own small kernel headers: no linux-headers package, and half the compile time.
    os.environ.setdefault("BCC_KERNEL_SOURCE", str(directory))
    bcc = load_bcc()
    bpf = bcc.BPF(
        text=one_source(directory / "openssl.bpf.c").encode(),
        cflags=[f"-DWIRESPAN_RING_PAGES={request.ring_bytes // 4096}"],
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
