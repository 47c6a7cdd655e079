"""A `wirespan` command that runs until it is told to stop: started until it says `ready`, stopped as Ctrl-C does."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

_READY_TIMEOUT_S = 60
_STOP_TIMEOUT_S = 60


def wirespan_command() -> list[str]:
    """The installed command of this interpreter."""
    return [str(Path(sys.executable).with_name("wirespan"))]


class WirespanProcess:
    """Use as a context manager, or `start` and `stop` by hand. `environment` None: ours. `ready` is what it says, on
    either stream, once it watches; `log` holds both."""

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[str, str] | None = None, ready: str = "ready: "
    ) -> None:
        self._arguments = list(arguments)
        self._environment = environment
        self._ready = ready
        self._process: subprocess.Popen[str] | None = None
        self._log: list[str] = []
        self._is_ready = False
        self._ready_or_ended = threading.Event()
        self._reader: threading.Thread | None = None

    def __enter__(self) -> WirespanProcess:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        return self._started().pid

    @property
    def log(self) -> str:
        return "".join(self._log)

    def start(self) -> None:
        """Returns when the probes are in place."""
        self._process = subprocess.Popen(
            [*wirespan_command(), *self._arguments],
            env=None if self._environment is None else dict(self._environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read_log)
        self._reader.start()
        self._ready_or_ended.wait(_READY_TIMEOUT_S)
        if not self._is_ready:
            self.kill()
            raise AssertionError(f"{self._arguments} did not get ready:\n{self.log}")

    def stop(self, number: int = signal.SIGINT) -> None:
        """It must finish what it holds and end well."""
        try:
            exit_code = self.end(number)
        finally:
            self.kill()
        assert exit_code == 0, f"{self._arguments} ended with {exit_code}:\n{self.log}"

    def end(self, number: int, timeout_s: float = _STOP_TIMEOUT_S) -> int:
        """Its exit code after the signal, whatever it is; subprocess.TimeoutExpired if it goes on."""
        process = self._started()
        process.send_signal(number)
        return process.wait(timeout_s)

    def kill(self) -> None:
        """kill -9 where it still runs; safe to call twice."""
        process = self._started()
        if process.poll() is None:
            process.kill()
            process.wait(_STOP_TIMEOUT_S)
        if self._reader is not None:
            self._reader.join(_STOP_TIMEOUT_S)
        if process.stdout is not None:
            process.stdout.close()

    def _started(self) -> subprocess.Popen[str]:
        assert self._process is not None, "not started"
        return self._process

    def _read_log(self) -> None:
        process = self._started()
        assert process.stdout is not None
        for line in process.stdout:
            self._log.append(line)
            # `record` says "ready: ...", `serve` logs it with time and level in front.
            if self._ready in line:
                self._is_ready = True
                self._ready_or_ended.set()
        self._ready_or_ended.set()
