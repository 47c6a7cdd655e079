"""What a running daemon says of itself, and the file in which it does. The kernel's side of it is made up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, cast

import pytest

from wirespan import __version__
from wirespan.capture.session import CaptureSession
from wirespan.config import CaptureConfig, Config, ExportConfig, ExportTarget
from wirespan.daemon import Daemon
from wirespan.processes import FileCoverage, FileKey, LocateOutcome
from wirespan.status import StatusFile, snapshot, summary


class Kernel:
    """What the daemon asks its session for. Three files, one of which nobody maps, one still to be looked at."""

    attach_mode, bcc_version = "uprobe_multi", "0.26.0"

    def __init__(self, path_seen: str = "/usr/lib/libssl.so.3") -> None:
        self.files = [
            FileCoverage(FileKey(1, 1), path_seen, LocateOutcome.COVERED, "OpenSSL 3", (7, 9)),
            FileCoverage(FileKey(1, 2), "/usr/bin/node", LocateOutcome.COVERED, "OpenSSL 3.0.15", (9,)),
            FileCoverage(FileKey(1, 3), "/opt/claude", LocateOutcome.NOT_COVERED, "not captured yet", ()),
            FileCoverage(FileKey(1, 4), "/opt/new", None, "", (7,)),
        ]

    def coverage(self) -> list[FileCoverage]:
        return self.files


def config_of(directory: Path) -> Config:
    return Config(
        capture=CaptureConfig(state_directory=directory),
        export=ExportConfig(to=(ExportTarget.FILE,), file=directory / "spans.jsonl"),
    )


@pytest.fixture
def daemon(tmp_path: Path) -> Daemon:
    made = Daemon(config_of(tmp_path), {})
    made.session = cast(CaptureSession, Kernel())
    return made


def test_a_line_for_people(daemon: Daemon) -> None:
    daemon.counters.add("spans.made", 5)
    assert summary(daemon) == ("2 TLS libraries probed, 2 processes use them; 5 model calls seen, 0 spans delivered")


def test_all_that_is_said(daemon: Daemon, tmp_path: Path) -> None:
    daemon.counters.add("http.exchanges", 3)
    status = snapshot(daemon)
    written_s = status.pop("written_s")
    assert written_s > 1_795_000_000
    (delivery,) = status.pop("deliveries")
    assert delivery["target"] == f"file {tmp_path}/spans.jsonl"
    assert (delivery["state"], delivery["accepted"], delivery["queued_spans"]) == ("ok", 0, 0)
    assert status == {
        "version": __version__,
        "pid": os.getpid(),
        "attach_mode": "uprobe_multi",
        "bcc_version": "0.26.0",
        "coverage": [
            {"path": "/usr/lib/libssl.so.3", "outcome": "covered", "description": "OpenSSL 3", "pids": [7, 9]},
            {"path": "/usr/bin/node", "outcome": "covered", "description": "OpenSSL 3.0.15", "pids": [9]},
            {"path": "/opt/claude", "outcome": "not_covered", "description": "not captured yet", "pids": []},
            {"path": "/opt/new", "outcome": "waiting", "description": "", "pids": [7]},
        ],
        "counters": {"http.exchanges": 3},
    }


def test_it_is_written_for_its_user_alone_and_read_back(daemon: Daemon, tmp_path: Path) -> None:
    file = StatusFile(tmp_path / "status.json")
    old_mask = os.umask(0)
    try:
        file.write(daemon)
    finally:
        os.umask(old_mask)
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["status.json"]
    written = file.read()
    assert written is not None
    assert written["pid"] == os.getpid()
    assert written["coverage"] == snapshot(daemon)["coverage"]


def test_a_path_that_is_no_text_is_written_too(daemon: Daemon, tmp_path: Path) -> None:
    path = os.fsdecode(b"/opt/\xff/libssl.so.3")
    daemon.session = cast(CaptureSession, Kernel(path))
    file = StatusFile(tmp_path / "status.json")
    file.write(daemon)
    written = file.read()
    assert written is not None
    assert written["coverage"][0]["path"] == path


def test_a_reader_never_sees_half_of_it(daemon: Daemon, tmp_path: Path) -> None:
    file = StatusFile(tmp_path / "status.json")
    file.write(daemon)
    done = threading.Event()

    def keep_writing() -> None:
        while not done.is_set():
            file.write(daemon)

    writer = threading.Thread(target=keep_writing)
    writer.start()
    try:
        read: list[dict[str, Any] | None] = [file.read() for _ in range(200)]
    finally:
        done.set()
        writer.join()
    assert all(status is not None and status["pid"] == os.getpid() for status in read)


def test_a_place_that_can_not_be_written_is_counted_and_left_clean(daemon: Daemon, tmp_path: Path) -> None:
    StatusFile(tmp_path / "missing" / "status.json").write(daemon)
    (tmp_path / "taken").mkdir()
    StatusFile(tmp_path / "taken").write(daemon)
    assert daemon.counters["status.write_failed"] == 2
    assert sorted(os.listdir(tmp_path)) == ["taken"]


@pytest.mark.parametrize("content", [None, b"", b'{"pid": 1', b"[1]", b"\xff\xfe"])
def test_what_is_no_status_reads_as_none(content: bytes | None, tmp_path: Path) -> None:
    file = StatusFile(tmp_path / "status.json")
    if content is not None:
        file.path.write_bytes(content)
    assert file.read() is None
    file.remove()
    file.remove()
    assert not file.path.exists()


def test_it_lies_in_the_runtime_directory_or_else_beside_the_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    assert StatusFile.of(config_of(tmp_path)).path == tmp_path / "status.json"
    # systemd.exec(5): several directories are separated by colons.
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/one:/run/two")
    assert StatusFile.of(config_of(tmp_path)).path == Path("/run/one/status.json")


def test_the_one_beside_the_state_is_found_first_then_the_service_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    own, service = tmp_path / "own", tmp_path / "service"
    own.mkdir()
    service.mkdir()
    monkeypatch.setattr("wirespan.status.SERVICE_DIRECTORY", service)
    found = [StatusFile.find(config_of(own)).path]
    (service / "status.json").write_text("{}")
    found.append(StatusFile.find(config_of(own)).path)
    (own / "status.json").write_text("{}")
    found.append(StatusFile.find(config_of(own)).path)
    assert found == [own / "status.json", service / "status.json", own / "status.json"]


_FIND = """
import os, sys
from pathlib import Path
from wirespan.config import CaptureConfig, Config
from wirespan.status import StatusFile
config = Config(capture=CaptureConfig(state_directory=Path(sys.argv[1])))
os.setuid(54321)
file = StatusFile.find(config)
print(file.path, file.read())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_directory_that_is_closed_to_this_user_is_as_if_there_were_none(tmp_path: Path) -> None:
    (tmp_path / "status.json").write_text(json.dumps({"pid": 1}))
    tmp_path.chmod(0o700)
    environment = {name: value for name, value in os.environ.items() if name != "RUNTIME_DIRECTORY"}
    done = subprocess.run(
        [sys.executable, "-c", _FIND, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**environment, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    path, said = done.stdout.split()
    assert Path(path) in (tmp_path / "status.json", Path("/run/wirespan/status.json"))
    assert said == "None"
