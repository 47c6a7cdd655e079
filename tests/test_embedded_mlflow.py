from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from wirespan.embedded_mlflow import EmbeddedMlflow
from wirespan.errors import DeliveryError

# Stands in for `python -m mlflow server …`: answers /health, says who it is. Real ones are in the last two tests.
FAKE = """#!{python} -I
import http.server, json, os, sys
options = dict(a[2:].split("=", 1) for a in sys.argv[1:] if a.startswith("--") and "=" in a)
status = dict(l.split(":\\t", 1) for l in open("/proc/self/status").read().splitlines() if ":\\t" in l)
told = {{"args": sys.argv[1:], "env": dict(os.environ), "uid": os.getuid(), "groups": os.getgroups(),
        "cap": status["CapEff"] + status["CapBnd"], "cwd": os.getcwd()}}
json.dump(told, open("told.json", "w"))
print("starting up", flush=True)
{before}
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "2"); self.end_headers(); self.wfile.write(b"OK")
    def log_message(self, *a): pass
http.server.HTTPServer(("127.0.0.1", int(options["port"])), Handler).serve_forever()
"""


def fake_python(directory: Path, before: str = "") -> str:
    path = directory / "fake-python"
    path.write_text(FAKE.format(python=os.path.realpath(sys.executable), before=before))
    path.chmod(0o755)
    return str(path)


@contextmanager
def running(server: EmbeddedMlflow) -> Iterator[EmbeddedMlflow]:
    server.start()
    try:
        yield server
    finally:
        server.stop()


def answers(uri: str) -> bool:
    try:
        with urllib.request.urlopen(f"{uri}/health", timeout=5) as answer:
            return bool(answer.read() == b"OK")
    except OSError:
        return False


def test_it_runs_until_it_is_stopped_and_its_state_stays(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = EmbeddedMlflow(data, port=0, python=fake_python(tmp_path))
    with running(server):
        assert answers(server.uri)
        assert server.is_running()
        assert stat.S_IMODE(data.stat().st_mode) == 0o700
        told = json.loads((data / "told.json").read_text())
        port = server.uri.rpartition(":")[2]
        assert told["args"] == [
            "-m",
            "mlflow",
            "server",
            "--host=127.0.0.1",
            f"--port={port}",
            "--workers=1",
            f"--backend-store-uri=sqlite:///{data}/mlflow.db",
            f"--artifacts-destination={data}/artifacts",
        ]
        assert told["cwd"] == str(data)
    assert not answers(server.uri)
    assert not server.is_running()
    server.stop()
    assert (data / "artifacts").is_dir()


def test_nothing_of_our_environment_reaches_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere")
    with running(EmbeddedMlflow(tmp_path / "data", port=0, python=fake_python(tmp_path))):
        environment = json.loads((tmp_path / "data" / "told.json").read_text())["env"]
    assert "OPENAI_API_KEY" not in environment
    assert "MLFLOW_TRACKING_URI" not in environment
    expected = {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_MODEL_CATALOG_URI": "",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "HOME": str(tmp_path / "data"),
    }
    assert {name: environment[name] for name in expected} == expected


def test_it_has_no_capabilities(tmp_path: Path) -> None:
    with running(EmbeddedMlflow(tmp_path / "data", port=0, python=fake_python(tmp_path))):
        told = json.loads((tmp_path / "data" / "told.json").read_text())
    assert int(told["cap"][:16], 16) == 0
    if os.geteuid() == 0:
        assert int(told["cap"], 16) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_under_sudo_it_runs_as_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    reach = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", "test", "-x", sys.executable], check=False)
    if reach.returncode != 0:
        pytest.skip("the interpreter lies where another user may not go")
    monkeypatch.setenv("SUDO_UID", "65534")
    monkeypatch.setenv("SUDO_GID", "65534")
    place = Path(tempfile.mkdtemp(prefix="wirespan-test-"))
    try:
        place.chmod(0o755)
        data = place / "data"
        data.mkdir()
        (data / "mlflow.db").write_bytes(b"made by root before")
        with running(EmbeddedMlflow(data, port=0, python=fake_python(place))):
            told = json.loads((data / "told.json").read_text())
        assert (told["uid"], told["groups"], int(told["cap"][:16], 16)) == (65534, [], 0)
        assert (data / "mlflow.db").stat().st_uid == 65534
    finally:
        shutil.rmtree(place)


def test_progress_says_how_long_and_what_the_log_says(tmp_path: Path) -> None:
    server = EmbeddedMlflow(tmp_path / "data", port=0, python=fake_python(tmp_path, "import time; time.sleep(0.8)"))
    reports: list[tuple[float, str]] = []
    try:
        server.start(lambda elapsed_s, line: reports.append((elapsed_s, line)))
    finally:
        server.stop()
    assert reports[-1][0] >= 0.4
    assert reports[-1][1] == "starting up"


def test_a_server_that_ends_at_once_is_told_with_its_last_words(tmp_path: Path) -> None:
    python = fake_python(tmp_path, "raise SystemExit('no such option: --workers')")
    with pytest.raises(DeliveryError, match="no such option: --workers") as caught:
        EmbeddedMlflow(tmp_path / "data", port=0, python=python).start()
    assert "MLFLOW_TRACKING_URI" in caught.value.remedy


def test_an_interpreter_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DeliveryError):
        EmbeddedMlflow(tmp_path / "data", port=0, python=str(tmp_path / "nothing")).start()


def test_a_taken_port_moves_it_on(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        with running(EmbeddedMlflow(tmp_path / "data", port=taken, python=fake_python(tmp_path))) as server:
            assert server.uri != f"http://127.0.0.1:{taken}"
            assert server.port_moved
            assert answers(server.uri)


def test_a_second_daemon_uses_the_first_ones_server(tmp_path: Path) -> None:
    python = fake_python(tmp_path)
    with running(EmbeddedMlflow(tmp_path / "data", port=0, python=python)) as first:
        second = EmbeddedMlflow(tmp_path / "data", port=0, python=python)
        assert second.start() == first.uri
        assert second.reused
        second.stop()
        assert answers(first.uri)
    with running(EmbeddedMlflow(tmp_path / "data", port=0, python=python)) as third:
        assert not third.reused


def test_it_does_not_outlive_a_daemon_that_was_killed(tmp_path: Path) -> None:
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from wirespan.embedded_mlflow import EmbeddedMlflow\n"
        "print(EmbeddedMlflow(Path(sys.argv[1]), port=0, python=sys.argv[2]).start(), flush=True)\n"
        "time.sleep(60)\n"
    )
    source = str(Path(__file__).parent.parent / "daemon")
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "data"), fake_python(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": source},
    ) as daemon:
        assert daemon.stdout is not None
        uri = daemon.stdout.readline().strip()
        assert answers(uri)
        daemon.kill()
    deadline = time.monotonic() + 10
    while answers(uri) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not answers(uri)


def test_its_address_is_not_known_before(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        _ = EmbeddedMlflow(tmp_path).uri


@pytest.mark.mlflow
@pytest.mark.timeout(300)
def test_a_real_one_keeps_its_experiments_over_a_restart(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(EmbeddedMlflow(data, port=0)) as first:
        create = urllib.request.Request(
            f"{first.uri}/api/2.0/mlflow/experiments/create",
            json.dumps({"name": "kept"}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(create, timeout=30) as answer:
            identity = json.load(answer)["experiment_id"]
        with urllib.request.urlopen(f"{first.uri}/", timeout=30) as page:
            assert b"<title>MLflow</title>" in page.read()
    assert stat.S_IMODE((data / "mlflow.db").stat().st_mode) == 0o600
    with running(EmbeddedMlflow(data, port=0)) as second:
        look_up = f"{second.uri}/api/2.0/mlflow/experiments/get-by-name?experiment_name=kept"
        with urllib.request.urlopen(look_up, timeout=30) as answer:
            assert json.load(answer)["experiment"]["experiment_id"] == identity
