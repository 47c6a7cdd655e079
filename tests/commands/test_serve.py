"""`wirespan serve` as systemd or somebody runs it: what it says, writes and leaves behind. Targets that refuse:
test_serve_targets.py; what it captures: tests/live."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rig.command_line import NO_CAPABILITIES, clean_environment, settings, wirespan
from rig.credentials import credentials_command, credentials_environment, secrets_in
from rig.mock_process import MockProcess
from rig.programs import Program, run_program
from rig.wirespan_process import WirespanProcess, wirespan_command

_STATUS_TIMEOUT_S = 15


@dataclass(frozen=True)
class Served:
    """One life of a daemon: `status` while it ran, the rest when it had ended. `early` and `late` are run ids."""

    pid: int
    early: str
    late: str
    log: str
    status: dict[str, Any]
    status_mode: int
    doctor: str
    directory: Path
    exit_code: int
    stop_s: float

    @property
    def spans(self) -> Path:
        return self.directory / "spans.jsonl"

    def spans_of(self, run_id: str) -> int:
        return self.spans.read_text().count(f"/run/{run_id}/v1/chat/completions")


def _status(path: Path, is_wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    deadline = time.monotonic() + _STATUS_TIMEOUT_S
    while True:
        status: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        if is_wanted(status):
            return status
        assert time.monotonic() < deadline, status
        time.sleep(0.1)


@pytest.fixture(scope="module")
def served(mock_llm: MockProcess, tmp_path_factory: pytest.TempPathFactory) -> Served:
    """Every output it has is on; a call with secrets is made, then one right before SIGTERM. Only the end of the
    daemon sends what waits for company."""
    directory, early, late = tmp_path_factory.mktemp("serve"), uuid.uuid4().hex, uuid.uuid4().hex
    chosen = settings(
        export__to="file,console",
        delivery__batch_delay_seconds=600,
        log__level="debug",
        capture__state_directory=directory,
    )
    daemon = WirespanProcess(["serve", *chosen], clean_environment())
    daemon.start()
    try:
        environment = credentials_environment(mock_llm)
        subprocess.run(credentials_command(mock_llm, early), env=environment, check=True, capture_output=True)
        status = _status(directory / "status.json", lambda found: found.get("counters", {}).get("spans.made", 0) >= 1)
        mode = (directory / "status.json").stat().st_mode & 0o777
        doctor = wirespan("doctor", "--no-processes", *chosen).stdout
        run_program(Program("keep_alive.py"), mock_llm, late)
        began_s = time.monotonic()
        exit_code = daemon.end(signal.SIGTERM)
        stop_s = time.monotonic() - began_s
    finally:
        daemon.kill()
    return Served(daemon.pid, early, late, daemon.log, status, mode, doctor, directory, exit_code, stop_s)


@pytest.mark.live
def test_sigterm_ends_it_well_and_soon(served: Served) -> None:
    assert served.exit_code == 0, served.log
    assert served.stop_s < 10


@pytest.mark.live
def test_it_exports_what_it_had(served: Served) -> None:
    assert served.spans_of(served.early) == 1
    assert served.spans_of(served.late) == 1
    assert served.spans.stat().st_mode & 0o777 == 0o600


@pytest.mark.live
def test_it_says_when_it_is_ready_and_what_came_of_it(served: Served) -> None:
    assert " INFO ready: " in served.log
    assert " TLS libraries probed, " in served.log
    last = served.log.splitlines()[-1]
    assert " INFO stopped: " in last
    assert "Traceback" not in served.log


@pytest.mark.live
def test_its_status_is_for_its_owner_and_names_no_one(served: Served) -> None:
    assert served.status_mode == 0o600
    assert served.status["pid"] == served.pid
    assert {delivery["target"] for delivery in served.status["deliveries"]} == {
        f"file {served.spans}",
        "console",
    }
    assert served.status["counters"]["llm.inferences"] >= 1
    assert any("/libssl" in file["path"] and file["outcome"] == "covered" for file in served.status["coverage"])
    assert not (served.directory / "status.json").exists()  # it is of a daemon that runs


@pytest.mark.live
def test_doctor_finds_it(served: Served) -> None:
    assert f"  ok      daemon: pid {served.pid}, attach by " in served.doctor


@pytest.mark.live
def test_no_secret_is_in_anything_it_writes(served: Served) -> None:
    written = [path for path in served.directory.rglob("*") if path.is_file()]
    assert served.spans in written
    assert "chat mock-gpt" in served.log  # the line of the terminal's exporter
    assert "credentials: what is the weather" in served.spans.read_text()  # the call that carried them
    assert secrets_in(served.log, json.dumps(served.status), served.doctor, *written) == []


def test_all_mistakes_of_its_configuration_are_said_at_once(tmp_path: Path) -> None:
    file = tmp_path / "wirespan.toml"
    file.write_text('[capture]\nring_bytes = 3\natach = "perf"\n[export]\nmlflow_token = "canary"\n[logs]\n')
    ended = wirespan("serve", "--config", file, *settings(log__level="loud", http__max_pipelined=0))
    assert (ended.returncode, ended.stdout) == (2, "")
    first, *mistakes, last = ended.stderr.splitlines()
    assert first == "wirespan: 6 mistakes in the configuration:"
    places = ["capture.ring_bytes", "capture.atach", "export.mlflow_token", "logs", "log.level", "http.max_pipelined"]
    assert [place in mistake for place, mistake in zip(places, mistakes, strict=True)] == [True] * 6
    assert "canary" not in ended.stderr
    assert last == "  what to do: docs/configuration.md lists every key"


@pytest.mark.live
def test_without_capabilities_it_does_not_start(tmp_path: Path) -> None:
    chosen = settings(export__to="none", capture__state_directory=tmp_path)
    ended = wirespan("serve", *chosen, prefix=NO_CAPABILITIES)
    assert ended.returncode == 3
    assert "what to do: run as root" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "ready: " not in ended.stderr
    assert not (tmp_path / "status.json").exists()


@pytest.mark.live
def test_control_c_while_it_starts_is_no_failure(tmp_path: Path) -> None:
    # GIVEN a terminal, whose Ctrl-C reaches every process of the foreground
    chosen = settings(export__to="none", capture__state_directory=tmp_path)
    command = [*wirespan_command(), "serve", *chosen]
    with subprocess.Popen(
        command, env=clean_environment(), stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as daemon:
        assert daemon.stderr is not None
        first = daemon.stderr.readline()
        assert "compiling and loading the BPF programs" in first
        # WHEN it is pressed while the loader is at work
        time.sleep(0.2)
        os.killpg(daemon.pid, signal.SIGINT)
        rest = daemon.stderr.read()
        # THEN it stops as it does later
        assert daemon.wait(30) == 0, rest
    assert "INFO stopped: " in rest
    assert "Traceback" not in rest
