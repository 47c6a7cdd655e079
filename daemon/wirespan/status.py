"""What the running daemon says of itself: one line for people, one file for `wirespan doctor` and scripts.

Invariant: no payload, no header, no command line in it; counts, states and paths of executables only.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wirespan import __version__
from wirespan.config import Config
from wirespan.daemon import Daemon

FILE_NAME = "status.json"
_FRESH_S = 15.0
SERVICE_DIRECTORY = Path("/run/wirespan")  # RuntimeDirectory= of systemd/wirespan.service


def summary(daemon: Daemon) -> str:
    """One line: what is covered, what was seen, where it went."""
    files = [file for file in daemon.session.coverage() if file.outcome is not None]
    covered = [file for file in files if file.outcome is not None and file.outcome.value == "covered"]
    processes = {pid for file in covered for pid in file.pids}
    counts = daemon.counters
    delivered = sum(delivery.stats().delivered for delivery in daemon.deliveries)
    return (
        f"{len(covered)} TLS libraries probed, {len(processes)} processes use them; "
        f"{counts['spans.made']} model calls seen, {delivered} spans delivered"
    )


def snapshot(daemon: Daemon) -> dict[str, Any]:
    return {
        "version": __version__,
        "pid": os.getpid(),
        "written_s": time.time(),
        "attach_mode": daemon.session.attach_mode,
        "bcc_version": daemon.session.bcc_version,
        "coverage": [
            {
                "path": file.path_seen,
                "outcome": file.outcome.value if file.outcome else "waiting",
                "description": file.description,
                "pids": list(file.pids),
            }
            for file in daemon.session.coverage()
        ],
        "deliveries": [asdict(delivery.stats()) for delivery in daemon.deliveries],
        "counters": dict(daemon.counters.snapshot()),
    }


class StatusFile:
    """Written whole or not at all, 0600, in the runtime directory if systemd gave one, else beside the state."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, config: Config) -> StatusFile:
        runtime = os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0]
        return cls(Path(runtime or config.capture.state_directory) / FILE_NAME)

    @classmethod
    def find(cls, config: Config) -> StatusFile:
        """Of a daemon that runs: the service's runtime directory is named in its own environment only."""
        places = (cls.of(config), cls(SERVICE_DIRECTORY / FILE_NAME))
        # Path.exists raises for a directory that is closed to this user (before Python 3.14).
        return next((place for place in places if os.access(place.path, os.R_OK)), places[0])

    def write(self, daemon: Daemon) -> None:
        text = json.dumps(snapshot(daemon), default=str)
        try:
            self._replace(text)
        except OSError:
            daemon.counters.add("status.write_failed")

    def _replace(self, text: str) -> None:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{FILE_NAME}.", dir=self.path.parent)  # 0600
        try:
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            Path(temporary).replace(self.path)
        except OSError:
            Path(temporary).unlink()  # a full disk would get another one every two seconds
            raise

    def read(self) -> dict[str, Any] | None:
        """The last snapshot, None if there is none that can be read."""
        try:
            value = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return value if isinstance(value, dict) else None

    def running(self) -> dict[str, Any] | None:
        """The snapshot of a daemon that runs now on this host, as far as we may see it."""
        status = self.read() or {}
        written_s, pid = status.get("written_s"), status.get("pid")
        if not isinstance(written_s, float) or time.time() - written_s > _FRESH_S:
            return None
        return status if Path(f"/proc/{pid}").exists() else None

    def remove(self) -> None:
        with suppress(OSError):
            self.path.unlink()
