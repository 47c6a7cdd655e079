"""The loader as a process of its own, with the real BCC and with made-up ones."""

from __future__ import annotations

import array
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from wirespan.capture import loader
from wirespan.capture.kernel import LOADER_MODULE
from wirespan.capture.loader import MAPS, LoadRequest, encode_request, one_source
from wirespan.errors import CaptureError
from wirespan.resources import resource

MULTI, SESSION = 48, 57  # BPF_TRACE_UPROBE_MULTI, BPF_TRACE_UPROBE_SESSION (include/uapi/linux/bpf.h)
BOOKKEEPING = {"on_free", "on_shutdown", "on_rebind", "on_ctrl", "on_host_name"}
PAIRS = {
    "enter_read",
    "enter_read_ex",
    "enter_write",
    "enter_write_ex",
    "enter_write_ex5",
    "leave_read",
    "leave_write",
    "leave_rest",
}
SESSIONS = {"session_read", "session_read_ex", "session_write", "session_write_ex", "session_write_ex5", "leave_rest"}


class Bpf:
    """BCC's BPF object, as far as loading goes. The descriptors it gives are no programs, so the running kernel
    refuses to link them, as one without that kind of link does."""

    def __init__(self, refuses: tuple[int, ...] = ()) -> None:
        self.funcs: dict[bytes, object] = {}
        self.loaded: list[tuple[bytes, int | None]] = []
        self._refuses = refuses
        self._nothing = open(os.devnull)  # noqa: SIM115 - closed with the object

    def load_func(
        self, name: bytes, kind: int, device: object = None, attach_type: int | None = None
    ) -> SimpleNamespace:
        assert name not in self.funcs, "BCC gives back what it loaded before, for whatever attach type"
        if attach_type in self._refuses:
            raise Exception(f"Failed to load BPF program {name!r}: Invalid argument")
        self.funcs[name] = SimpleNamespace(fd=self._nothing.fileno())
        self.loaded.append((name, attach_type))
        return SimpleNamespace(fd=self._nothing.fileno())

    def close(self) -> None:
        self._nothing.close()


class OldBpf(Bpf):
    """Before 0.25 load_func takes no attach type."""

    def load_func(self, name: bytes, kind: int, *extra: object) -> SimpleNamespace:
        if extra:
            raise TypeError("load_func() takes from 3 to 4 positional arguments but 5 were given")
        return super().load_func(name, kind)


BCC = SimpleNamespace(__version__="0.18.0", BPF=SimpleNamespace(KPROBE=2))


@pytest.fixture(params=[Bpf, OldBpf])
def bpf(request: pytest.FixtureRequest) -> Iterator[Bpf]:
    made: Bpf = request.param()
    yield made
    made.close()


def test_a_request_comes_through_as_it_was_sent() -> None:
    request = LoadRequest("/opt/wire span/bpf", 1 << 24, "uprobe_multi")
    assert LoadRequest(**json.loads(encode_request(request))) == request


def test_without_links_the_best_way_is_perf(bpf: Bpf) -> None:
    mode, programs = loader._load_programs(bpf, BCC, "auto")
    assert mode == "perf"
    assert set(programs) == PAIRS | BOOKKEEPING
    # All of them are plain programs in the end, as perf uprobes want them.
    in_the_end = dict(bpf.loaded[-len(programs) :])
    assert in_the_end == {name.encode(): None for name in programs}


@pytest.mark.parametrize("mode", ["uprobe_session", "uprobe_multi"])
def test_a_way_that_is_asked_for_and_can_not_be_had_is_an_error_with_a_remedy(mode: str, bpf: Bpf) -> None:
    with pytest.raises(CaptureError, match=f"0.18.0 can't attach by {mode}") as caught:
        loader._load_programs(bpf, BCC, mode)
    assert 'attach = "auto"' in caught.value.remedy


def test_a_kernel_that_does_not_know_sessions_goes_on_to_the_next_way() -> None:
    bpf = Bpf(refuses=(SESSION,))
    assert loader._load_programs(bpf, BCC, "auto")[0] == "perf"
    # It tried the links of 6.6 too.
    assert (b"enter_read", MULTI) in bpf.loaded
    bpf.close()


def test_a_program_that_the_kernel_refuses_for_another_reason_is_no_missing_feature() -> None:
    """Else a verifier's complaint would look like an old kernel, and cost performance in silence."""
    bpf = Bpf(refuses=(MULTI,))
    with pytest.raises(Exception, match="Failed to load BPF program"):
        loader._load_programs(bpf, BCC, "uprobe_multi")
    bpf.close()


def test_the_modes_load_every_program_there_is() -> None:
    source = (resource("bpf") / "openssl.bpf.c").read_text()
    defined = set(re.findall(r"^int ([a-z_0-9]+)\(struct pt_regs \*ctx\)", source, re.MULTILINE))
    named = {name for names, _, _ in loader._MODES.values() for name in names} | set(loader._BOOKKEEPING)
    assert defined == named == PAIRS | SESSIONS | BOOKKEEPING


def test_headers_of_ours_stand_in_the_source_with_their_own_lines(tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text('#include <asm/page.h>\n#include "one.h"\nint here;\n')
    (tmp_path / "one.h").write_text('int one;\n#include "two.h"\nint more;\n')
    (tmp_path / "two.h").write_text("int two;\n")
    assert one_source(tmp_path / "main.c").splitlines() == [
        "#include <asm/page.h>",
        '#line 1 "one.h"',
        "int one;",
        '#line 1 "two.h"',
        "int two;",
        "",
        '#line 3 "one.h"',
        "int more;",
        "",
        '#line 3 "main.c"',
        "int here;",
    ]


def run_loader(
    request: LoadRequest, environment: Mapping[str, str] | None = None
) -> tuple[dict[str, Any], list[int], int]:
    """What it sent, the descriptors that came with it, and how it ended."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        done = subprocess.run(
            [sys.executable, "-m", LOADER_MODULE, str(theirs.fileno()), encode_request(request)],
            pass_fds=(theirs.fileno(),),
            env={**os.environ, **(environment or {})},
            capture_output=True,
            timeout=60,
            check=False,
        )
        theirs.close()
        ours.settimeout(10)
        data, ancillary, flags, _ = ours.recvmsg(65536, socket.CMSG_SPACE(4 * 64))
    assert not flags & (socket.MSG_CTRUNC | socket.MSG_TRUNC)
    descriptors = array.array("i")
    for _, _, content in ancillary:
        descriptors.frombytes(content)
    return json.loads(data), list(descriptors), done.returncode


def kind_of(descriptor: int) -> str:
    return os.readlink(f"/proc/self/fd/{descriptor}")


@pytest.mark.live
def test_what_is_sent_names_each_descriptor_and_outlives_the_loader() -> None:
    message, descriptors, exit_code = run_loader(LoadRequest(str(resource("bpf")), 1 << 20, "uprobe_multi"))
    kinds = [kind_of(descriptor) for descriptor in descriptors]
    maps = descriptors[len(message["programs"]) :]
    fields = [Path(f"/proc/self/fdinfo/{descriptor}").read_text() for descriptor in maps]
    for descriptor in descriptors:
        os.close(descriptor)
    assert exit_code == 0
    assert message["attach"] == "uprobe_multi"
    assert set(message["programs"]) == PAIRS | BOOKKEEPING
    assert message["maps"] == list(MAPS)
    assert kinds == ["anon_inode:bpf-prog"] * len(message["programs"]) + ["anon_inode:bpf-map"] * len(MAPS)
    # The first is the ring, of the size that was asked for. BPF_MAP_TYPE_RINGBUF is 27.
    assert re.search(r"^map_type:\t27$", fields[0], re.MULTILINE)
    assert re.search(rf"^max_entries:\t{1 << 20}$", fields[0], re.MULTILINE)
    assert Path(message["bcc_file"]).name == "__init__.py"
    assert re.match(r"\d+\.\d+", message["bcc_version"])


_PACKAGE = """
__version__ = "0.18.0"
lib = None
class BPF:
    KPROBE = 2
    def __init__(self, **options):
        {body}
        self.funcs = {{}}
    def load_func(self, name, kind):
        raise AssertionError("not to be reached")
"""


@pytest.mark.parametrize(
    ("attach", "body", "error", "remedy"),
    [
        ("auto", 'raise Exception("Failed to compile BPF module")', "Exception: Failed to compile BPF module", ""),
        ("uprobe_session", "pass", "this kernel and BCC 0.18.0 can't attach by uprobe_session", "auto"),
    ],
)
def test_a_failure_is_sent_as_text(attach: str, body: str, error: str, remedy: str, tmp_path: Path) -> None:
    package = tmp_path / "bcc"
    package.mkdir()
    (package / "__init__.py").write_text(_PACKAGE.format(body=body))
    message, descriptors, exit_code = run_loader(
        LoadRequest(str(resource("bpf")), 1 << 20, attach), {"WIRESPAN_BCC_PATH": str(package)}
    )
    assert (exit_code, descriptors) == (0, [])
    assert message["error"] == error
    assert remedy in message["remedy"]


def test_without_bcc_the_remedy_is_sent_too(tmp_path: Path) -> None:
    request = LoadRequest(str(resource("bpf")), 1 << 20, "auto")
    message, descriptors, exit_code = run_loader(request, {"WIRESPAN_BCC_PATH": str(tmp_path)})
    assert (exit_code, descriptors) == (0, [])
    assert "python3-bpfcc" in message["remedy"]
