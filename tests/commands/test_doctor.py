"""`wirespan doctor` as somebody runs it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rig.bystanders import bystander, program_named
from rig.command_line import NO_CAPABILITIES, NOBODY, settings, wirespan
from rig.mlflow_stub import MlflowStub
from rig.otlp_target import OtlpTarget, answer
from wirespan.config import CaptureConfig, Config
from wirespan.status import StatusFile

pytestmark = pytest.mark.live


@dataclass(frozen=True)
class Told:
    ended: subprocess.CompletedProcess[str]
    state: Path
    covered: int
    uncovered: int

    def block(self, title: str) -> list[str]:
        """The lines below a title, up to the next."""
        lines = self.ended.stdout.splitlines()
        start = lines.index(title) + 1
        ends = [place for place in range(start, len(lines)) if not lines[place].startswith(" ")]
        return lines[start : ends[0] if ends else None]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """A host on which all is well, but for an agent that can't be covered and a program with an evil name."""
    directory = tmp_path_factory.mktemp("doctor")
    claude = program_named("claude", directory, b"/registry/src/rustls-0.23.5/src/lib.rs\0")
    with (
        OtlpTarget(MlflowStub({"wirespan": "1"})) as target,
        bystander(
            [sys.executable, "-c", "import ssl, sys; sys.stdin.read()", "--token=canary0", "\x1b[2J\nMISSING"],
            mapped=b"/libssl",
        ) as covered,
        bystander([claude, "60"]) as uncovered,
    ):
        chosen = settings(
            export__to="mlflow,file", export__mlflow_uri=target.url, capture__state_directory=directory / "state"
        )
        (directory / "state").mkdir()
        yield Told(wirespan("doctor", *chosen), directory / "state", covered.pid, uncovered.pid)


def test_all_is_well_here(told: Told) -> None:
    assert (told.ended.returncode, told.ended.stderr) == (0, "")
    assert "MISSING mlflow" not in told.ended.stdout


def test_what_this_host_allows(told: Told) -> None:
    found = dict(line.split(maxsplit=1)[1].split(": ", 1) for line in told.block("This host:"))
    assert found["kernel"] == f"Linux {os.uname().release} {os.uname().machine}"
    assert {"BTF", "uprobes", "pid namespace", "BCC", "CAP_BPF", "CAP_PERFMON", "CAP_SYS_PTRACE"} <= set(found)
    assert found["BPF programs"].startswith("compiled and loaded; attach by ")
    assert all(line.startswith(("  ok  ", "  warning")) for line in told.block("This host:"))


def test_where_spans_go(told: Told) -> None:
    mlflow, file = told.block("Export:")
    assert re.fullmatch(r"  ok      mlflow http://127\.0\.0\.1:\d+: reachable", mlflow)
    assert file == f"  ok      file {told.state}/spans.jsonl: reachable"


def test_it_only_looks(told: Told) -> None:
    # A file made by root, or a line in it, would be in the daemon's way.
    assert list(told.state.iterdir()) == []


def test_what_is_covered_and_by_whom_it_is_used(told: Told) -> None:
    lines = told.block("Covered files:")
    [who] = [line for line in lines if line.startswith(f"      pid {told.covered} (root) ")]
    above = [line for line in lines[: lines.index(who)] if not line.startswith("      ")]
    assert "/libssl" in above[-1]
    assert "(OpenSSL " in above[-1]


def test_no_secret_and_no_control_character_of_a_command_line_is_printed(told: Told) -> None:
    assert "canary0" not in told.ended.stdout
    assert "--token=*** \\x1b[2J\\nMISSING" in told.ended.stdout
    assert "\x1b" not in told.ended.stdout


def test_which_agent_is_not_covered_and_why(told: Told) -> None:
    lines = told.block("Processes that look like LLM clients and are not covered:")
    [place] = [index for index, line in enumerate(lines) if line.startswith(f"  pid {told.uncovered} ")]
    assert lines[place].endswith("/claude 60: Claude Code")
    assert lines[place + 1].startswith("      why: ")
    assert "/claude: rustls 0.23.5" in lines[place + 1]


def test_targets_that_can_not_be_used_are_named_with_what_helps(tmp_path: Path) -> None:
    to_login = answer(302, location="https://login.example/?next=secret")
    with OtlpTarget(lambda _: to_login) as target:
        chosen = settings(
            export__to="mlflow,otlp,file",
            export__mlflow_uri=target.url,
            export__otlp_endpoint="http://127.0.0.1:9/v1/traces",
            export__file=tmp_path / "absent" / "spans.jsonl",
            capture__state_directory=tmp_path,
        )
        ended = wirespan("doctor", "--no-processes", *chosen)
    assert (ended.returncode, ended.stderr) == (1, "")
    lines = ended.stdout.splitlines()
    start = lines.index("Export:")
    assert lines[start + 1 : start + 7] == [
        f"  MISSING mlflow {target.url}: HTTP 302, redirected to https://login.example/",
        "            what to do: give the final address; a login page can't take spans",
        lines[start + 3],
        "            what to do: start it, or change [export] in the configuration",
        f"  MISSING file {tmp_path}/absent/spans.jsonl: can't write {tmp_path}/absent/spans.jsonl",
        "            what to do: name a file that this user may write",
    ]
    assert re.match("  MISSING otlp http://127.0.0.1:9/v1/traces: no answer: .*Connection refused", lines[start + 3])
    assert "Covered files:" not in lines


def test_without_capabilities_it_says_which_and_looks_on() -> None:
    ended = wirespan("doctor", *settings(export__to="none"), prefix=NO_CAPABILITIES)
    assert (ended.returncode, ended.stderr) == (1, "")
    for name in ("BPF programs", "CAP_BPF", "CAP_PERFMON", "CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH"):
        assert f"  MISSING {name}: " in ended.stdout
    assert "what to do: run as root, or give the process CAP_BPF and CAP_PERFMON" in ended.stdout
    assert "Covered files:" in ended.stdout


def test_another_user_is_told_what_only_root_sees(tmp_path: Path) -> None:
    with bystander(["sleep", "60"]):
        ended = wirespan(
            "doctor", *settings(export__to="none", capture__state_directory=tmp_path / "state"), prefix=NOBODY
        )
    assert (ended.returncode, ended.stderr) == (1, "")
    assert "  MISSING CAP_BPF: load BPF programs and maps\n" in ended.stdout
    last = ended.stdout.splitlines()[-1]
    assert last.startswith("  processes that can't be read: ")
    assert last.endswith(": run as root to see them")


def test_a_state_directory_that_is_closed_to_this_user_is_no_fault(tmp_path: Path) -> None:
    closed = tmp_path / "state"
    closed.mkdir(mode=0o700)
    (closed / "status.json").write_text("{}")
    os.seteuid(65534)
    try:
        assert StatusFile.find(Config(capture=CaptureConfig(state_directory=closed))).read() is None
    finally:
        os.seteuid(0)


def test_a_mistake_in_the_configuration_is_one(tmp_path: Path) -> None:
    ended = wirespan("doctor", "--config", tmp_path / "absent.toml")
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert "there is no such file" in ended.stderr
