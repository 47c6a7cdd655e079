"""`wirespan record` around client programs, and `wirespan replay` of what it wrote.

One recorder serves a whole test module, not each test and not the whole run: a start costs about a second, and after a
stop the file is complete, so nothing has to poll a growing file and "nothing more than that" can be asserted.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_READY_TIMEOUT_S = 60
_STOP_TIMEOUT_S = 60
_REPLAY_TIMEOUT_S = 110


def wirespan_command() -> list[str]:
    """The installed command of this interpreter."""
    return [str(Path(sys.executable).with_name("wirespan"))]


class Recorder:
    """Use as a context manager; the recording can be read after its end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.process: subprocess.Popen[str] | None = None
        self._log: list[str] = []
        self._is_ready = False
        self._started_or_ended = threading.Event()
        self._reader: threading.Thread | None = None

    def __enter__(self) -> Recorder:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Returns when the probes are in place."""
        self.process = subprocess.Popen(
            [*wirespan_command(), "record", "--output", str(self.path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read_log)
        self._reader.start()
        self._started_or_ended.wait(_READY_TIMEOUT_S)
        if not self._is_ready:
            self.kill()
            raise AssertionError(f"wirespan record did not get ready:\n{self.log}")

    def stop(self) -> None:
        """End it as Ctrl-C does; it must write what it still holds and end well."""
        process = self._started()
        process.send_signal(signal.SIGINT)
        try:
            exit_code = process.wait(_STOP_TIMEOUT_S)
        finally:
            self.kill()
        assert exit_code in (0, 130), f"wirespan record ended with {exit_code}:\n{self.log}"

    def kill(self) -> None:
        """kill -9; safe to call twice."""
        process = self._started()
        if process.poll() is None:
            process.kill()
            process.wait(_STOP_TIMEOUT_S)
        if self._reader is not None:
            self._reader.join(_STOP_TIMEOUT_S)
        if process.stderr is not None:
            process.stderr.close()

    @property
    def log(self) -> str:
        return "".join(self._log)

    def _started(self) -> subprocess.Popen[str]:
        assert self.process is not None, "not started"
        return self.process

    def _read_log(self) -> None:
        process = self._started()
        assert process.stderr is not None
        for line in process.stderr:
            self._log.append(line)
            if line.removeprefix("wirespan: ").startswith("ready"):
                self._is_ready = True
                self._started_or_ended.set()
        self._started_or_ended.set()


def record_command(path: Path, command: Sequence[str], environment: Mapping[str, str]) -> tuple[str, str]:
    """Record only `command` and its children: (stdout, stderr). For recordings that are to be kept: what else this
    host says through TLS is nobody's business."""
    finished = subprocess.run(
        [*wirespan_command(), "record", "--output", str(path), "--", *command],
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_REPLAY_TIMEOUT_S,
        check=False,
        text=True,
    )
    assert finished.returncode == 0, f"wirespan record ended with {finished.returncode}:\n{finished.stderr}"
    return finished.stdout, finished.stderr


def replay(path: Path, emit: str) -> list[dict[str, Any]]:
    """What `wirespan replay` prints: "exchanges", "inferences" or "spans"."""
    finished = subprocess.run(
        [*wirespan_command(), "replay", str(path), "--emit", emit],
        capture_output=True,
        timeout=_REPLAY_TIMEOUT_S,
        check=False,
        text=True,
    )
    assert finished.returncode == 0, f"replay failed:\n{finished.stderr}"
    return [json.loads(line) for line in finished.stdout.splitlines()]
