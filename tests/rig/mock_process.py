"""The mock server as a process of its own, and its truth log read from here."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from wirespan.demo.truth import TruthEntry, read_entries

_TESTS = Path(__file__).resolve().parent.parent
_START_TIMEOUT_S = 30
_TRUTH_TIMEOUT_S = 10


@dataclass
class MockProcess:
    """A running mock. `run_base(id)` is the address under which one program's requests can be told from all others."""

    pid: int
    tls_port: int
    plain_port: int
    ca: Path
    _truth: Path
    _offset: int = 0
    _entries: list[TruthEntry] = field(default_factory=list)

    @property
    def truth(self) -> Path:
        """The file with the truth of all runs."""
        return self._truth

    def run_base(self, run_id: str) -> str:
        return f"https://localhost:{self.tls_port}/run/{run_id}"

    def entries(self, run_id: str) -> list[TruthEntry]:
        """What was on the wire for that run so far, in the order the answers ended."""
        for entry, offset in read_entries(self._truth, self._offset):
            self._entries.append(entry)
            self._offset = offset
        return [entry for entry in self._entries if f"/run/{run_id}/" in entry.path]

    def settled_entries(self, run_id: str) -> list[TruthEntry]:
        """The same when nothing new came for a moment: the server may notice late that a client left."""
        deadline = time.monotonic() + _TRUTH_TIMEOUT_S
        count = -1
        while (entries := self.entries(run_id)) and len(entries) != count and time.monotonic() < deadline:
            count = len(entries)
            time.sleep(0.15)
        return entries


@contextmanager
def run_mock(directory: Path, module: str = "wirespan.demo.server") -> Iterator[MockProcess]:
    """Files go to `directory`. The process is ended at the end, and must end well. `module` is another mock with the
    same arguments, below tests/."""
    ca, truth = directory / "ca.pem", directory / "truth.jsonl"
    command = [sys.executable, "-m", module, "--plain-port", "0"]
    process = subprocess.Popen(
        [*command, "--truth", str(truth), "--ca-out", str(ca)],
        cwd=_TESTS,
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, f"the mock did not start: exit code {process.wait(_START_TIMEOUT_S)}"
        ports = json.loads(line)["ports"]
        yield MockProcess(process.pid, ports["tls"], ports["plain"], ca, truth)
        assert process.poll() is None, "the mock died during the tests"
    finally:
        process.send_signal(signal.SIGTERM)
        exit_code = process.wait(_START_TIMEOUT_S)
        process.stdout.close()
    assert exit_code == 0
