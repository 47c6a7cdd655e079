"""`wirespan record` around client programs, and `wirespan replay` of what it wrote.

One recorder serves a whole test module, not each test and not the whole run: a start costs about a second, and after a
stop the file is complete, so nothing has to poll a growing file and "nothing more than that" can be asserted.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rig.wirespan_process import WirespanProcess, wirespan_command

_TIMEOUT_S = 110


class Recorder(WirespanProcess):
    """Records the whole host to `path` between start and stop."""

    def __init__(self, path: Path) -> None:
        super().__init__(["record", "--output", str(path)])
        self.path = path


def record_command(path: Path, command: Sequence[str], environment: Mapping[str, str]) -> tuple[str, str]:
    """Record only `command` and its children: (stdout, stderr). For recordings that are to be kept: what else this
    host says through TLS is nobody's business."""
    finished = subprocess.run(
        [*wirespan_command(), "record", "--output", str(path), "--", *command],
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_TIMEOUT_S,
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
        timeout=_TIMEOUT_S,
        check=False,
        text=True,
    )
    assert finished.returncode == 0, f"replay failed:\n{finished.stderr}"
    return [json.loads(line) for line in finished.stdout.splitlines()]
