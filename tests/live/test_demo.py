"""`wirespan demo`: a first trace without any API key, captured by itself or by the daemon that runs already."""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from rig.mlflow_reading import only_span, traces_of
from rig.mlflow_server import MlflowReader, Trace
from rig.wirespan_process import WirespanProcess, wirespan_command

pytestmark = [pytest.mark.live, pytest.mark.timeout(200)]


def _settings(state: Path, uri: str, experiment: str) -> list[str]:
    chosen = {
        "export.to": "mlflow",
        "export.mlflow_uri": uri,
        "export.mlflow_experiment": experiment,
        "capture.state_directory": str(state),
    }
    return [word for name, value in chosen.items() for word in ("--set", f"{name}={value}")]


def _demo(settings: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "OTEL_"))}
    return subprocess.run(
        [*wirespan_command(), "demo", *settings],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def _traces(mlflow: MlflowReader, experiment: str, output: str) -> list[Trace]:
    """Of this demo: a daemon sees whatever else this host does."""
    (port,) = re.findall(r"listens on https://localhost:(\d+)", output)
    return traces_of(mlflow, experiment, lambda found: found.get("server.port") == int(port), 5)


def _assert_the_five_calls(traces: list[Trace]) -> None:
    states = sorted((only_span(trace).attributes["gen_ai.request.model"], trace.state) for trace in traces)
    assert states == [
        ("claude-demo", "OK"),
        ("gpt-demo", "OK"),
        ("gpt-demo", "OK"),
        ("mock/rate-limited-once", "ERROR"),
        ("mock/rate-limited-once", "OK"),
    ]
    tools = [trace for trace in traces if "tool_calls" in str(only_span(trace).outputs)]
    assert len(tools) == 1
    assert "get_weather" in str(only_span(tools[0]).outputs)


@pytest.mark.mlflow
def test_by_itself_with_a_link_to_each_trace(mlflow: MlflowReader, tmp_path: Path) -> None:
    shown = _demo(_settings(tmp_path, mlflow.uri, "demo-alone"))
    assert shown.returncode == 0, shown.stderr
    traces = _traces(mlflow, "demo-alone", shown.stdout)
    _assert_the_five_calls(traces)
    for trace in traces:
        assert trace.info["trace_id"] in shown.stdout
    assert shown.stdout.count(mlflow.uri) == 5


@pytest.mark.mlflow
def test_by_the_daemon_that_runs(mlflow: MlflowReader, tmp_path: Path) -> None:
    settings = _settings(tmp_path, mlflow.uri, "demo-daemon")
    with WirespanProcess(["serve", *settings]) as daemon:
        _wait_for(tmp_path / "status.json")
        shown = _demo(settings)
        assert shown.returncode == 0, shown.stderr + daemon.log
    assert f"(pid {daemon.pid}) captures the client" in shown.stdout
    traces = _traces(mlflow, "demo-daemon", shown.stdout)
    _assert_the_five_calls(traces)  # five, not ten: the demo did not capture them once more
    assert f"{mlflow.uri}/#/experiments/" in shown.stdout


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 10
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert path.exists()


def test_without_an_mlflow_it_says_what_to_do(tmp_path: Path) -> None:
    shown = _demo(_settings(tmp_path, "http://127.0.0.1:9", "none"))
    assert shown.returncode == 1
    assert "5 model calls captured" in shown.stdout
    assert "they could not be delivered" in shown.stdout
    assert "./run up" in shown.stdout
