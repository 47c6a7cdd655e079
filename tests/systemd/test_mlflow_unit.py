"""The unit of the local MLflow under a real systemd: it comes up without any privilege and keeps its traces."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator

import pytest

from rig.systemd_box import SystemdBox

pytestmark = [pytest.mark.systemd, pytest.mark.mlflow]

UNIT = "wirespan-mlflow.service"
_START_TIMEOUT_S = 100


@pytest.fixture(scope="module")
def port(box: SystemdBox) -> Iterator[int]:
    """The unit runs and answers on this port; not 5000, since the box shares the network of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        chosen: int = free.getsockname()[1]
    box.write("/etc/wirespan/mlflow-environment", f"MLFLOW_PORT={chosen}\n")
    box.start(UNIT)
    _wait_for_health(box, chosen)
    yield chosen
    box.stop(UNIT)


def _wait_for_health(box: SystemdBox, port: int) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            if _request(port, "GET", "/health")[0] == 200:
                return
        except OSError:
            assert box.show(UNIT, "ActiveState") == "active", box.journal(UNIT)
        time.sleep(0.2)
    raise AssertionError(f"MLflow does not answer:\n{box.journal(UNIT)}")


def _request(port: int, method: str, path: str, body: dict[str, str] | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_it_runs_without_any_capability(box: SystemdBox, port: int) -> None:
    text = (box.root / "proc" / str(box.main_pid(UNIT)) / "status").read_text()
    status = {line.partition(":")[0]: line.partition(":")[2].strip() for line in text.splitlines()}
    assert [int(status[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd")] == [0] * 5
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


def test_what_it_stores_survives_a_restart_and_is_its_own(box: SystemdBox, port: int) -> None:
    # GIVEN an experiment
    create = "/api/2.0/mlflow/experiments/create"
    status, answer = _request(port, "POST", create, {"name": "kept"})
    assert status == 200, answer
    # WHEN the unit is restarted
    box.stop(UNIT)
    assert box.show(UNIT, "Result") == "success"
    box.start(UNIT)
    _wait_for_health(box, port)
    # THEN it is still there, in a database that nobody else may read
    status, answer = _request(port, "GET", "/api/2.0/mlflow/experiments/get-by-name?experiment_name=kept")
    assert (status, json.loads(answer)["experiment"]["name"]) == (200, "kept")
    state = box.root / "var/lib/private/wirespan-mlflow"
    assert (state / "mlflow.db").stat().st_mode & 0o077 == 0
    assert state.stat().st_mode & 0o077 == 0
