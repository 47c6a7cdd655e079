"""An MLflow server of our own, for those who have none: a child without capabilities, all its state in one directory.

Invariant: at most one server runs on a data directory (a lock says so; a second daemon uses the first one's server),
and it never outlives the daemon that started it. MLflow itself is never imported here: it would cost 160 MB.
"""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wirespan.errors import DeliveryError

HOST = "127.0.0.1"
DEFAULT_PORT = 5000
_PORTS_TRIED = 20
_POLL_S = 0.2
_START_TIMEOUT_S = 180.0  # measured: 11 to 15 s, 71 s on a loaded machine
_STOP_TIMEOUT_S = 12.0
_GUARD = Path(__file__).with_name("mlflow_guard.py")

Progress = Callable[[float, str], None]

# Nothing of the daemon's environment reaches the server but these: API keys stand in environments, and MLFLOW_*
# variables meant for the daemon would change what the server does.
_PASSED_ON = ("LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "TMPDIR", "TZ")
_OWN_ENVIRONMENT = {
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # saves a job runner and 7 consumers: 0.5 instead of 1.1 GB
    # Else the first span of each provider waits for a download from github.com: +7 s offline, each day, each worker.
    "MLFLOW_MODEL_CATALOG_URI": "",
    # Where litellm is installed too: without a network its import hangs for minutes.
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "PYTHONUNBUFFERED": "1",
}


@dataclass(frozen=True, slots=True)
class _Owner:
    user_id: int
    group_id: int


class EmbeddedMlflow:
    """`start` once, `stop` at any time, also twice. `port` is where to look first; 0 takes any free one."""

    def __init__(self, data_directory: Path, port: int = DEFAULT_PORT, python: str = sys.executable) -> None:
        self._directory = data_directory.absolute()
        self._wanted_port = port
        self._python = python
        self._port: int | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._life_fd: int | None = None
        self.reused = False

    @property
    def uri(self) -> str:
        """Raises RuntimeError before `start`."""
        if self._port is None:
            raise RuntimeError("not started")
        return f"http://{HOST}:{self._port}"

    @property
    def port_moved(self) -> bool:
        """The wanted port was taken by something else."""
        return self._wanted_port not in (0, self._port)

    @property
    def log_file(self) -> Path:
        return self._directory / "mlflow.log"

    def start(self, progress: Progress | None = None) -> str:
        """The server's address, when it answers. `progress` gets seconds so far and the last line of its log.

        Raises DeliveryError: its directory can't be used, or it did not start, with the end of its log.
        """
        report = progress or (lambda elapsed_s, line: None)
        try:
            owner = self._make_directory()
            lock = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DeliveryError(
                f"MLflow's data can't be kept in {self._directory}: {error.strerror}",
                "name another place with mlflow.data_directory",
            ) from error
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._reuse(report)
            else:
                self._launch(lock, owner)
                self._wait(report)
        finally:
            os.close(lock)  # the guard holds it on: a lock belongs to the open file, not to a descriptor
        return self.uri

    def is_running(self) -> bool:
        """Whether the server that this object started still runs."""
        return self._guard is not None and self._guard.poll() is None

    def stop(self, timeout_s: float = _STOP_TIMEOUT_S) -> None:
        """Ends the server if this object started it: politely, then by force. Its state stays."""
        if self._life_fd is not None:
            os.close(self._life_fd)  # the guard sees this and ends the server
            self._life_fd = None
        if self._guard is None:
            return
        try:
            self._guard.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._guard.kill()
            self._guard.wait()
        self._guard = None

    def _make_directory(self) -> _Owner | None:
        """Returns who shall run the server, None for the same user. Never root for the sake of root."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self._directory / "artifacts").mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() != 0:
            return None
        owner = _unprivileged_owner(self._directory)
        if owner is not None:
            for path in (self._directory, *self._directory.iterdir()):
                os.chown(path, owner.user_id, owner.group_id, follow_symlinks=False)
        return owner

    def _launch(self, lock: int, owner: _Owner | None) -> None:
        self._port = _free_port(self._wanted_port)
        _write_private(self._directory / "server.json", json.dumps({"port": self._port}))
        life_read, self._life_fd = os.pipe()
        identity: dict[str, Any] = {}
        if owner is not None:
            identity = {"user": owner.user_id, "group": owner.group_id, "extra_groups": []}
        try:
            with self._open_log() as log:
                self._guard = subprocess.Popen(
                    [sys.executable, "-I", str(_GUARD), str(life_read), *self._command()],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=self._environment(),
                    cwd=self._directory,
                    pass_fds=(life_read, lock),
                    umask=0o077,
                    start_new_session=True,  # Ctrl-C at a terminal must reach the daemon alone
                    **identity,
                )
        except OSError as error:
            raise DeliveryError(f"MLflow can't be started: {error}", f"check that {self._python} runs") from error
        finally:
            os.close(life_read)

    def _command(self) -> list[str]:
        return [
            self._python,
            "-m",
            "mlflow",
            "server",
            f"--host={HOST}",
            f"--port={self._port}",
            "--workers=1",
            f"--backend-store-uri=sqlite:///{self._directory}/mlflow.db",
            f"--artifacts-destination={self._directory}/artifacts",
        ]

    def _environment(self) -> dict[str, str]:
        passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        return {"PATH": os.defpath, **passed, **_OWN_ENVIRONMENT, "HOME": str(self._directory)}

    def _open_log(self) -> Any:
        """Truncated at each start: what it says about an earlier server only misleads."""
        descriptor = os.open(self.log_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        return os.fdopen(descriptor, "wb")

    def _wait(self, report: Progress) -> None:
        started = time.monotonic()
        while not _is_healthy(self._port):
            elapsed_s = time.monotonic() - started
            if not self.is_running() or elapsed_s > _START_TIMEOUT_S:
                what = "did not answer in time" if self.is_running() else "ended at once"
                self.stop()
                raise DeliveryError(
                    f"the MLflow server {what}. Its last words:\n{self._last_lines(5)}",
                    f"read {self.log_file}; or set MLFLOW_TRACKING_URI to a server that runs",
                )
            report(elapsed_s, self._last_lines(1))
            time.sleep(_POLL_S)

    def _reuse(self, report: Progress) -> None:
        """Another daemon started a server on this directory, maybe a moment ago."""
        self.reused = True
        started = time.monotonic()
        while time.monotonic() - started < _START_TIMEOUT_S:
            with suppress(OSError, ValueError, KeyError, TypeError):
                self._port = int(json.loads((self._directory / "server.json").read_text())["port"])
            if _is_healthy(self._port):
                return
            report(time.monotonic() - started, "waiting for the server that another wirespan started")
            time.sleep(_POLL_S)
        raise DeliveryError(
            f"another wirespan holds {self._directory} but its MLflow server does not answer",
            "end that one, or give this one another data directory",
        )

    def _last_lines(self, count: int) -> str:
        with suppress(OSError):
            with self.log_file.open("rb") as log:
                log.seek(max(os.fstat(log.fileno()).st_size - 4096, 0))
                lines = log.read().decode("utf-8", "replace").splitlines()
            return "\n".join([line.strip() for line in lines if line.strip()][-count:])
        return ""


def _unprivileged_owner(directory: Path) -> _Owner | None:
    """Who called sudo, else who owns the directory already."""
    with suppress(KeyError, ValueError):
        owner = _Owner(int(os.environ["SUDO_UID"]), int(os.environ["SUDO_GID"]))
        return owner if owner.user_id != 0 else None
    status = directory.stat()
    return _Owner(status.st_uid, status.st_gid) if status.st_uid != 0 else None


def _free_port(wanted: int) -> int:
    candidates = [wanted, *range(wanted + 1, wanted + _PORTS_TRIED), 0] if wanted else [0]
    for candidate in candidates:
        with socket.socket() as probe, suppress(OSError, OverflowError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, candidate))
            return int(probe.getsockname()[1])
    raise DeliveryError("no TCP port is free on 127.0.0.1", "set MLFLOW_TRACKING_URI to a server that runs")


def _is_healthy(port: int | None) -> bool:
    if port is None:
        return False
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        return answer.status == 200 and answer.read(16) == b"OK"
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
