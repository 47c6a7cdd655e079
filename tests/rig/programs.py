"""The client programs: how each is started as a real process, and what it said it got."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rig.mock_process import MockProcess
from rig.node import find_node, install_packages, newest_node, system_node

CLIENTS = Path(__file__).resolve().parent.parent / "clients"
_TIMEOUT_S = 90


@dataclass(frozen=True)
class Program:
    """`script` below tests/clients. `runtime`: python (this one), node (the wheel's), system-node, node26."""

    script: str
    count: int = 1
    runtime: str = "python"

    @property
    def name(self) -> str:
        return f"{self.runtime}:{self.script}"

    def command(self, mock: MockProcess, run_id: str, executable: str | None = None) -> list[str]:
        arguments = ["--base", mock.run_base(run_id), "--ca", str(mock.ca), "--count", str(self.count)]
        return [executable or self.executable(), str(self._path()), *arguments]

    def executable(self) -> str:
        if self.runtime == "python":
            return sys.executable
        node = {"node": find_node, "system-node": system_node, "node26": newest_node}[self.runtime]()
        assert node is not None, "the `node` probe says there is one"
        return str(node)

    def environment(self, mock: MockProcess) -> Mapping[str, str]:
        # -W and coverage settings of the test run are not the program's business; neither are proxies and real keys.
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        return {**kept, "NODE_EXTRA_CA_CERTS": str(mock.ca), "PYTHONDONTWRITEBYTECODE": "1"}

    def _path(self) -> Path:
        if self.runtime == "python":
            return CLIENTS / self.script
        return _node_sources() / self.script


def _node_sources() -> Path:
    """The .mjs files beside the installed node_modules, where Node's import looks for packages."""
    target = install_packages()
    for source in sorted((CLIENTS / "node").glob("*.mjs")):
        place = target / source.name
        if not place.exists() or place.read_bytes() != source.read_bytes():
            place.write_bytes(source.read_bytes())
    return target


@dataclass(frozen=True)
class Outcome:
    """`pid` is the traced process; `calls` are what its SDK returned, in order."""

    run_id: str
    pid: int
    executable: str
    calls: list[dict[str, Any]] = field(repr=False)

    def call(self, case: str) -> dict[str, Any]:
        """The last call of that case."""
        return [call for call in self.calls if call["case"] == case][-1]


def run_program(
    program: Program, mock: MockProcess, run_id: str, prefix: Sequence[str] = (), executable: str | None = None
) -> Outcome:
    """Start it (behind `prefix`, such as unshare) and wait. It must end well: a traced process is never harmed."""
    command = [*prefix, *program.command(mock, run_id, executable)]
    finished = subprocess.run(
        command,
        env=program.environment(mock),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    return read_outcome(run_id, command, finished.returncode, finished.stdout, finished.stderr)


def read_outcome(run_id: str, command: Sequence[str], exit_code: int, stdout: str, stderr: str) -> Outcome:
    assert exit_code == 0, f"{command} ended with {exit_code}:\n{stderr}"
    said = json.loads(stdout.strip().splitlines()[-1])
    return Outcome(run_id, said["pid"], command[0], said["calls"])


class HeldProgram:
    """A program that has started, holds its TLS library and waits for `go()`."""

    def __init__(
        self,
        program: Program,
        mock: MockProcess,
        run_id: str,
        *,
        executable: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._run_id = run_id
        self._command = [*program.command(mock, run_id, executable), "--wait"]
        self.process = subprocess.Popen(
            self._command,
            env={**program.environment(mock), **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if line.strip() != "ready":
            self.process.kill()
            raise AssertionError(f"{self._command} did not start: {self.process.communicate()}")

    def close(self) -> None:
        """End it if it still runs; safe after `go`."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()

    def go(self) -> Outcome:
        """Let it work to its end."""
        self.begin()
        return self.finish()

    def begin(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def finish(self) -> Outcome:
        """Its end; a program that goes on until its standard input is closed gets that."""
        stdout, stderr = self.process.communicate(timeout=_TIMEOUT_S)
        return read_outcome(self._run_id, self._command, self.process.returncode, stdout, stderr)
