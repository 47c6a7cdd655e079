"""`wirespan up` with an MLflow that somebody runs already. The one it starts itself: tests/test_embedded_mlflow.py."""

from __future__ import annotations

import pwd
import re
import uuid
from pathlib import Path

import pytest

from rig.command_line import NOBODY, clean_environment, settings, wirespan
from rig.mlflow_reading import only_span, traces_of
from rig.mlflow_server import MlflowReader
from rig.mock_process import MockProcess
from rig.otlp_target import OtlpTarget, answer
from rig.programs import Program, run_program
from rig.wirespan_process import WirespanProcess
from wirespan.commands.up import data_directory
from wirespan.config import Config, MlflowConfig

_CALL = Program("keep_alive.py")
_LINE_OF_A_CALL = re.compile(r"^  \d\d:\d\d:\d\d chat mock-gpt  keep_alive\.py\[(\d+)\]  .* tokens  ok$", re.MULTILINE)


def _up(directory: Path, uri: str, *arguments: str) -> WirespanProcess:
    chosen = settings(
        export__mlflow_uri=uri,
        export__mlflow_experiment="up",
        mlflow__data_directory=directory / "mlflow",
        capture__state_directory=directory,
        delivery__batch_delay_seconds=0.05,
    )
    return WirespanProcess(["up", *arguments, *chosen], clean_environment(), ready="watching; stop with Ctrl-C")


@pytest.mark.live
@pytest.mark.mlflow
@pytest.mark.timeout(200)
def test_a_configured_mlflow_is_used(mlflow: MlflowReader, mock_llm: MockProcess, tmp_path: Path) -> None:
    run_id = uuid.uuid4().hex
    with _up(tmp_path, mlflow.uri) as up:
        outcome = run_program(_CALL, mock_llm, run_id)
        [trace] = traces_of(mlflow, "up", lambda found: f"/run/{run_id}/" in found.get("url.path", ""), 1)
    # No server of its own
    assert not (tmp_path / "mlflow").exists()
    assert "starting MLflow" not in up.log
    # What it said while it ran
    assert f"traces: {mlflow.uri}/#/experiments/{mlflow.experiment_id('up')}/traces\n" in up.log
    assert re.search(r"^  \S*/libssl\S*  \(OpenSSL .*; (?:processes: \d+|no process yet)\)$", up.log, re.MULTILINE)
    assert str(outcome.pid) in _LINE_OF_A_CALL.findall(up.log)
    # Nothing got lost on the way
    assert only_span(trace).attributes["gen_ai.response.id"] == outcome.calls[0]["id"]
    assert "\nstopping\n" in up.log
    assert "Traceback" not in up.log


@pytest.mark.live
def test_quiet_says_nothing_of_calls_but_what_is_wrong(mock_llm: MockProcess, tmp_path: Path) -> None:
    with OtlpTarget(lambda _: answer(403)) as target, _up(tmp_path, target.url, "--quiet") as up:
        run_program(_CALL, mock_llm, uuid.uuid4().hex)
    assert f"mlflow {target.url}: HTTP 403\n  what to do: give this user the right to write" in up.log
    assert re.search(r"; [1-9]\d* model calls seen, 0 spans delivered$", up.log.splitlines()[-1])
    assert "chat mock-gpt" not in up.log


@pytest.mark.live
def test_it_needs_root(tmp_path: Path) -> None:
    ended = wirespan("up", *settings(mlflow__data_directory=tmp_path / "mlflow"), prefix=NOBODY)
    assert (ended.returncode, ended.stdout) == (3, "")
    assert ended.stderr == (
        "wirespan: capturing needs root\n  what to do: run it with sudo (./run up does so by itself)\n"
    )
    assert not (tmp_path / "mlflow").exists()


def test_data_is_kept_where_it_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "nobody")
    assert data_directory(Config(mlflow=MlflowConfig(data_directory=Path("/srv/mlflow")))) == Path("/srv/mlflow")


def test_data_belongs_to_who_called_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "nobody")
    monkeypatch.setenv("XDG_DATA_HOME", "/root/data")  # root's, which sudo may pass on
    home = pwd.getpwnam("nobody").pw_dir
    assert data_directory(Config()) == Path(f"{home}/.local/share/wirespan/mlflow")


@pytest.mark.parametrize("user", ["", "gone-since"])
def test_data_is_our_own_where_nobody_called_sudo(user: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", user)
    monkeypatch.setenv("XDG_DATA_HOME", "/home/ada/data")
    assert data_directory(Config()) == Path("/home/ada/data/wirespan/mlflow")
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", "/home/ada")
    assert data_directory(Config()) == Path("/home/ada/.local/share/wirespan/mlflow")
