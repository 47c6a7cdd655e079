"""Start the mock and the demo client as processes, as `wirespan demo` shows them to a daemon."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from wirespan.demo.answer import Json
from wirespan.errors import WirespanError

_START_REMEDY = "pip install 'wirespan[demo]', and see the lines above"
_STOP_TIMEOUT_S = 10
_CLIENT_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class DemoMock:
    """`base` is its https address, `certificate` what a client has to trust, `pid` its process."""

    base: str
    certificate: Path
    pid: int


@dataclass(frozen=True, slots=True)
class DemoRun:
    """`pid` of the client process; `reports` are its lines: {"what": ..., details}."""

    pid: int
    reports: tuple[Json, ...]


@contextmanager
def running_mock(directory: Path) -> Iterator[DemoMock]:
    """The mock serves until the end of the block; its certificate lies in `directory`. Raises WirespanError."""
    certificate = directory / "ca.pem"
    command = [sys.executable, "-m", "wirespan.demo.server", "--ca-out", str(certificate)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise WirespanError("the demo server did not start", _START_REMEDY)
            port = json.loads(line)["ports"]["tls"]
            yield DemoMock(f"https://localhost:{port}", certificate, process.pid)
        finally:
            process.terminate()
            try:
                process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()


def demo_client_command(mock: DemoMock) -> list[str]:
    return [sys.executable, "-m", "wirespan.demo.client", "--base", mock.base, "--ca", str(mock.certificate)]


def run_demo_client(mock: DemoMock) -> DemoRun:
    """Run the client to its end. Raises WirespanError if it failed: capture must never change what a program gets."""
    with subprocess.Popen(
        [*demo_client_command(mock), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            output, errors = process.communicate(timeout=_CLIENT_TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise WirespanError("the demo client did not end in time", "run `wirespan demo` again") from error
    if process.returncode != 0:
        raise WirespanError(f"the demo client failed: {errors.strip()}", "please report this with the lines above")
    return DemoRun(process.pid, tuple(json.loads(line) for line in output.splitlines()))
