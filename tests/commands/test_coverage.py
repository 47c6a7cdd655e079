"""Who on this host is covered and who is not; needs no probes and no root to look at processes of one's own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rig.binutils import system_libssl
from rig.bystanders import bystander, program_named
from wirespan.commands.coverage import HostReport, ProcessReport, describe, examine_host
from wirespan.processes import Process, ProcessKey

# Maps libssl and waits; "openai" stands on its command line.
_WITH_TLS = "import ssl, sys; sys.stdin.read()"
_WITHOUT_TLS = "import sys; sys.stdin.read()"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[HostReport, dict[str, int]]]:
    """One look at a host on which some processes stand, and their pids."""
    directory = tmp_path_factory.mktemp("host")
    claude = program_named("claude", directory, b"/registry/src/rustls-0.23.5/src/lib.rs\0")
    library = os.fsencode(directory) + b"/lib\xffssl.so.3"
    Path(os.fsdecode(library)).write_bytes(system_libssl().read_bytes())
    with (
        bystander([sys.executable, "-c", _WITH_TLS, "openai"], mapped=b"/libssl") as covered,
        bystander([sys.executable, "-c", _WITHOUT_TLS, "openai", "--api-key", "canary0"]) as no_tls,
        bystander([claude, "60"]) as no_plan,
        bystander([program_named("innocent", directory), "60"]) as innocent,
        bystander(["sleep", "60"], {"LD_PRELOAD": library}, mapped=b"\xffssl.so.3") as odd,
    ):
        pids = {"covered": covered, "no_tls": no_tls, "no_plan": no_plan, "innocent": innocent, "odd": odd}
        yield examine_host(), {name: process.pid for name, process in pids.items()}


Host = tuple[HostReport, dict[str, int]]


def _covered(report: HostReport, pid: int) -> list[str]:
    return [file.path for file in report.files if any(who.startswith(f"pid {pid} ") for who in file.processes)]


def _uncovered(report: HostReport, pid: int) -> list[ProcessReport]:
    return [process for process in report.uncovered if process.who.startswith(f"pid {pid} ")]


def test_a_process_with_libssl_is_covered(host: Host) -> None:
    report, pids = host
    [path] = _covered(report, pids["covered"])
    [described] = [file.description for file in report.files if file.path == path]
    assert "/libssl" in path
    assert described.startswith("OpenSSL ")
    assert _uncovered(report, pids["covered"]) == []


def test_a_client_without_any_tls_code_is_named_with_the_reason(host: Host) -> None:
    report, pids = host
    [found] = _uncovered(report, pids["no_tls"])
    assert found.looks_like.endswith("with the OpenAI SDK")
    assert found.reason == "no TLS library is loaded (yet), and no mark of one was found"
    assert "canary0" not in found.who


def test_an_agent_with_tls_that_can_not_be_found_is_named_with_the_file(host: Host) -> None:
    report, pids = host
    [found] = _uncovered(report, pids["no_plan"])
    assert found.looks_like == "Claude Code"
    assert "/claude: rustls 0.23.5" in found.reason


def test_other_programs_are_nobody_s_business(host: Host) -> None:
    report, pids = host
    assert _uncovered(report, pids["innocent"]) == []
    assert _covered(report, pids["innocent"]) == []


def test_a_library_whose_name_is_no_text(host: Host) -> None:
    report, pids = host
    [path] = _covered(report, pids["odd"])
    assert path.endswith("/lib\udcffssl.so.3")


def test_we_are_not_one_of_them(host: Host) -> None:
    # pytest maps libssl too; in the place of `wirespan doctor`
    assert "/libssl" in Path("/proc/self/maps").read_text()
    assert _covered(host[0], os.getpid()) == []


def test_how_a_process_is_told_from_others() -> None:
    found = Process(
        ProcessKey(7, 1), command_args=("agent", "--api-key", "canary0"), user_id=1000, user_name="", command_name="a"
    )
    assert describe(found) == "pid 7 (1000) agent --api-key ***"
    assert describe(Process(ProcessKey(8, 1), command_name="kworker/0:1", user_name="root")) == (
        "pid 8 (root) [kworker/0:1]"
    )
