"""The locators on what people run, as published. The offsets were measured on their own, before this code was written,
with other programs (a disassembler, live probes), or read from symbols, where a file has them.

Two packages by default; all of them with WIRESPAN_PUBLISHED=all (see rig/published.py).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rig import binutils
from rig.published import Published, unpacked_by_copilot
from wirespan.locate import ProbePlan, TlsCode, locate_file
from wirespan.locate.boringssl import find_sites
from wirespan.locate.byte_source import FileSource
from wirespan.locate.elf import ElfFile
from wirespan.locate.marks import find_marks

pytestmark = [pytest.mark.node, pytest.mark.timeout(600)]

BUN = "bin/bun"
CODEX = "vendor/x86_64-unknown-linux-musl/bin/codex"
CODEX_0_99 = "vendor/x86_64-unknown-linux-musl/codex/codex"
CLAUDE = Published("@anthropic-ai/claude-code-linux-x64@2.1.330", "claude")
CODEX_0_169 = Published("@openai/codex@0.169.0-linux-x64", CODEX)
COPILOT = Published("@github/copilot-linux-x64@1.0.102", "copilot")
UV = Published("uv==0.13.9", "uv-0.13.9.data/scripts/uv")
large = pytest.mark.skipif(not UV.wanted, reason="a large download: WIRESPAN_PUBLISHED=all")


def _bun(version: str, package: str = "@oven/bun-linux-x64", by_default: bool = False) -> Published:
    return Published(f"{package}@{version}", BUN, by_default)


# (program, SSL_read, SSL_write)
BORINGSSL: list[tuple[Published, int, int]] = [
    (_bun("1.0.36"), 0x3701570, 0x3701970),
    (_bun("1.1.45"), 0x5919FE0, 0x591ACC0),
    (_bun("1.2.5"), 0x5B05800, 0x5B064E0),
    (_bun("1.2.23"), 0x5EDFAC0, 0x5EE07D0),
    (_bun("1.3.0"), 0x5F42C80, 0x5F43990),
    (_bun("1.3.6"), 0x5B77760, 0x5B78470),
    (_bun("1.3.14"), 0x3A027C0, 0x3A02B50),
    (_bun("1.3.14", "@oven/bun-linux-x64-baseline"), 0x367F3F0, 0x367F780),
    (_bun("1.4.4"), 0x265F3B0, 0x26F55C0),
    (_bun("1.4.5", by_default=True), 0x237E500, 0x23FFC30),
    (CLAUDE, 0x311D810, 0x311D660),
    (Published("@anthropic-ai/claude-code-linux-x64@2.1.197", "claude"), 0x320D010, 0x320D3A0),
    (Published("opencode-linux-x64@1.18.33", "bin/opencode"), 0x367F3F0, 0x367F780),
    # GCC, position-independent; the offsets are those a disassembler shows.
    (Published("grpcio==1.85.1", "grpc/_cython/cygrpc.cpython-311-x86_64-linux-gnu.so"), 0xBB60C0, 0xBB42E0),
]
# (program, ssl_read_internal, ssl_write_internal, how many pairs of rustls). Probes sit 4 bytes on, behind endbr64.
OPENSSL_AND_RUSTLS: list[tuple[Published, int, int, int]] = [
    (Published("@openai/codex@0.99.0-linux-x64", CODEX_0_99, by_default=True), 0x3E06C60, 0x3E070B0, 3),
    (Published("@openai/codex@0.142.2-linux-x64", CODEX), 0xD006B60, 0xD006FB0, 7),
    (Published("@openai/codex@0.160.1-linux-x64", CODEX), 0xD86B180 + 4, 0xD86B770 + 4, 7),
    (CODEX_0_169, 0x10E63C50 + 4, 0x10E64240 + 4, 7),
]
CODEX_ENCRYPT = (0x10275DC0, 0x10279B70, 0x10277010, 0x1027A810, 0x10277CE0, 0x10276560, 0x10277780)
CODEX_DECRYPT = (0x10275B70, 0x10279870, 0x10276E20, 0x1027A5A0, 0x10277B40, 0x10276310, 0x102775E0)
# (program, pairs, an encrypter and its decrypter that live probes saw called). Deno is built with frame pointers.
RUSTLS: list[tuple[Published, int, int, int]] = [
    (UV, 4, 0x931610, 0x926EF0),
    (Published("deno==2.9.8", "deno-2.9.8.data/scripts/deno"), 4, 0x568101E, 0x5680F71),
]


def _located(path: Path) -> TlsCode:
    found = locate_file(path, "/seen/here")
    assert found is not None
    assert found.not_covered == ()
    with path.open("rb") as file:
        for plan in found.plans:
            for site in plan.sites:
                assert os.pread(file.fileno(), 16, site.file_offset) == site.code
    return found


def _offsets(plan: ProbePlan, function: str) -> tuple[int, ...]:
    return tuple(site.file_offset for site in plan.sites if site.function == function)


def _id(value: object) -> str:
    return value.name if isinstance(value, Published) else str(value)


@pytest.mark.parametrize(("program", "read", "write"), [row for row in BORINGSSL if row[0].wanted], ids=_id)
def test_boringssl_is_found_where_it_was_measured(program: Published, read: int, write: int) -> None:
    (plan,) = _located(program.path()).plans
    assert (plan.family, plan.method, plan.library) == ("openssl", "error-reasons", "BoringSSL")
    offsets = {site.function: site.file_offset for site in plan.sites}
    assert (offsets.pop("SSL_read"), offsets.pop("SSL_write")) == (read, write)
    assert set(offsets) == {"SSL_shutdown", "SSL_set_tlsext_host_name"}


@pytest.mark.parametrize(
    ("program", "read", "write", "pairs"),
    [row for row in OPENSSL_AND_RUSTLS if row[0].wanted],
    ids=_id,
)
def test_both_stacks_of_codex_are_found(program: Published, read: int, write: int, pairs: int) -> None:
    openssl, rustls = _located(program.path()).plans
    assert (openssl.family, openssl.method) == ("openssl", "function-names")
    offsets = {site.function: site.file_offset for site in openssl.sites}
    assert (offsets["ssl_read_internal"], offsets["ssl_write_internal_ex2"]) == (read, write)
    assert (rustls.family, rustls.method) == ("rustls", "vtables")
    assert [len(_offsets(rustls, function)) for function in ("rustls_encrypt", "rustls_decrypt")] == [pairs, pairs]


@large
def test_each_cipher_suite_of_codex_is_found_where_it_was_measured() -> None:
    openssl, rustls = _located(CODEX_0_169.path()).plans
    assert (openssl.library, rustls.library) == ("OpenSSL 3.6.4", "rustls 0.23.46")
    assert _offsets(rustls, "rustls_encrypt") == CODEX_ENCRYPT
    assert _offsets(rustls, "rustls_decrypt") == CODEX_DECRYPT


@large
@pytest.mark.parametrize(("program", "pairs", "encrypt", "decrypt"), RUSTLS, ids=_id)
def test_rustls_is_found_where_it_was_seen_to_be_called(
    program: Published, pairs: int, encrypt: int, decrypt: int
) -> None:
    (plan,) = _located(program.path()).plans
    assert plan.family == "rustls"
    encrypters, decrypters = _offsets(plan, "rustls_encrypt"), _offsets(plan, "rustls_decrypt")
    assert (len(encrypters), len(decrypters)) == (pairs, pairs)
    assert encrypters.index(encrypt) == decrypters.index(decrypt)


@large
def test_copilot_and_the_library_it_unpacks() -> None:
    program = COPILOT.path()
    (node,) = _located(program).plans
    assert (node.method, node.library) == ("symbols", "OpenSSL 3.5.7")
    openssl, rustls = _located(unpacked_by_copilot(program)).plans
    offsets = {site.function: site.file_offset for site in openssl.sites}
    assert (offsets["ssl_read_internal"], offsets["ssl_write_internal_ex2"]) == (0x7FBCF80, 0x7FBD730)
    assert (openssl.library, rustls.library) == ("OpenSSL 3.5.8", "rustls 0.23.46")
    assert len(_offsets(rustls, "rustls_encrypt")) == len(_offsets(rustls, "rustls_decrypt")) == 4


@large
def test_symbols_agree_where_a_file_has_them() -> None:
    """curl_cffi's BoringSSL is not stripped: the finder is asked all the same."""
    path = Published("curl_cffi==0.17.0", "curl_cffi/_wrapper.abi3.so").path()
    functions = binutils.functions(path)
    with path.open("rb") as file:
        elf = ElfFile(FileSource(file.fileno()))
        sites = find_sites(elf, find_marks(elf).boringssl_files)
    assert {site.function for site in sites} >= {"SSL_read", "SSL_write", "SSL_shutdown", "SSL_set_tlsext_host_name"}
    for site in sites:
        assert site.file_offset in {binutils.file_offset(path, address) for address in functions[site.function]}
    (plan,) = _located(path).plans
    assert (plan.method, plan.library) == ("symbols", "BoringSSL")


RIPGREP = Published("@openai/codex@0.99.0-linux-x64", "vendor/x86_64-unknown-linux-musl/path/rg", by_default=True)


@pytest.mark.parametrize("path", [RIPGREP.path, lambda: Path(sys.executable).with_name("ruff")], ids=["rg", "ruff"])
def test_programs_without_tls_have_nothing(path: Callable[[], Path]) -> None:
    """Rust programs of the same kind as those that have."""
    assert path().stat().st_size > 4 << 20
    assert locate_file(path(), "/x") is None


# VmHWM, since the peak of getrusage(2) is handed on from the process that forked.
_MEASURE = """
import re, sys, time
from wirespan.locate import locate_file
assert locate_file(sys.argv[1], "/x")
print(time.process_time(), re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""


@pytest.mark.parametrize(
    ("program", "limit_s"),
    [*((row[0], 2.0) for row in BORINGSSL if row[0].wanted), *([(CODEX_0_169, 5.0)] if CODEX_0_169.wanted else [])],
    ids=_id,
)
def test_it_takes_little_time_and_memory(program: Published, limit_s: float) -> None:
    """Processor time, in a process of its own: Claude Code takes 0.6 s and Codex 0.7 s on two shared cores. The peak of
    memory is that of the whole interpreter, which begins with 15 MiB."""
    program_path = str(program.path())
    finished = subprocess.run(
        [sys.executable, "-c", _MEASURE, program_path], capture_output=True, text=True, timeout=60, check=False
    )
    assert finished.returncode == 0, finished.stderr
    cpu_s, peak_kib = finished.stdout.split()
    assert float(cpu_s) < limit_s
    assert int(peak_kib) < 80 << 10
