"""Processes that only stand there to be looked at."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_START_TIMEOUT_S = 10


@contextmanager
def bystander(
    arguments: Sequence[str | bytes | Path],
    environment: Mapping[str, bytes] | None = None,
    mapped: bytes = b"",
) -> Iterator[subprocess.Popen[bytes]]:
    """Runs until the end of the block, from the moment a file with `mapped` in its path is among its mappings."""
    process = subprocess.Popen(
        [os.fsencode(part) for part in arguments],
        env={**os.environb, **{name.encode(): value for name, value in (environment or {}).items()}},
        stdin=subprocess.PIPE,
    )
    try:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while mapped not in Path(f"/proc/{process.pid}/maps").read_bytes():
            assert time.monotonic() < deadline, f"{arguments} never maps {mapped!r}"
            time.sleep(0.01)
        yield process
    finally:
        process.kill()
        process.communicate()


def program_named(name: str, directory: Path, appended: bytes = b"") -> Path:
    """A copy of `sleep` under another name. `appended`: what a linked TLS stack would leave in its file."""
    copy = directory / name
    shutil.copy("/bin/sleep", copy)
    with copy.open("ab") as file:
        file.write(appended)
    return copy
