from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from wirespan import mlflow_guard

GUARD = mlflow_guard.__file__

# Writes its pid and that of a child of its own, as `mlflow server` has a worker; then both wait.
FAMILY = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
with open(sys.argv[1] + ".new", "w") as file:
    file.write(f"{os.getpid()} {child.pid}")
os.rename(sys.argv[1] + ".new", sys.argv[1])
time.sleep(60)
"""
STATUS = "import sys; open(sys.argv[1], 'w').write(open('/proc/self/status').read())"


@contextmanager
def guarded(*command: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A guard and the end of the pipe that keeps its command alive."""
    life_read, life_write = os.pipe()
    guard = subprocess.Popen([sys.executable, "-I", GUARD, str(life_read), *command], pass_fds=(life_read,))
    os.close(life_read)
    try:
        yield guard, life_write
    finally:
        with suppress(OSError):
            os.close(life_write)
        guard.wait(20)


def family(file: Path) -> list[int]:
    """The pids that FAMILY wrote, once it has."""
    deadline = time.monotonic() + 10
    while not file.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return [int(pid) for pid in file.read_text().split()]


def gone(pids: list[int], timeout_s: float = 10.0) -> bool:
    """Whether none of them runs any more; a zombie that nobody collects does not."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if not any(_runs(pid) for pid in pids):
            return True
        time.sleep(0.05)
    return False


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_all_of_it_ends_when_the_pipe_closes(tmp_path: Path) -> None:
    with guarded(sys.executable, "-c", FAMILY, str(tmp_path / "pids")) as (guard, life):
        pids = family(tmp_path / "pids")
        assert not gone(pids, 0.3)
        os.close(life)
        assert gone(pids)
        guard.wait(10)


def test_all_of_it_ends_when_the_parent_is_killed(tmp_path: Path) -> None:
    parent_program = (
        "import os, subprocess, sys, time\n"
        "r, w = os.pipe()\n"
        "subprocess.Popen([sys.executable, '-I', sys.argv[1], str(r), *sys.argv[2:]], pass_fds=(r,))\n"
        "os.close(r)\n"
        "time.sleep(60)\n"
    )
    command = [sys.executable, "-c", FAMILY, str(tmp_path / "pids")]
    with subprocess.Popen([sys.executable, "-c", parent_program, GUARD, *command]) as parent:
        pids = family(tmp_path / "pids")
        parent.kill()
    assert gone(pids)


def test_a_signal_to_the_guard_ends_all_of_it(tmp_path: Path) -> None:
    with guarded(sys.executable, "-c", FAMILY, str(tmp_path / "pids")) as (guard, _):
        pids = family(tmp_path / "pids")
        guard.send_signal(signal.SIGTERM)
        assert gone(pids)


def test_a_command_that_ends_by_itself_ends_the_guard_with_its_status() -> None:
    with guarded(sys.executable, "-c", "raise SystemExit(7)") as (guard, _):
        assert guard.wait(10) == 7


def test_what_does_not_hear_is_killed() -> None:
    deaf = "import signal, sys, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE, start_new_session=True) as child:
        assert child.stdout is not None
        child.stdout.readline()
        started = time.monotonic()
        mlflow_guard.end_group(child, 0.3)
        assert child.returncode == -signal.SIGKILL
        assert 0.25 < time.monotonic() - started < 5


def test_the_command_has_no_capability_and_gets_none(tmp_path: Path) -> None:
    with guarded(sys.executable, "-c", STATUS, str(tmp_path / "status")) as (guard, _):
        assert guard.wait(10) == 0
    fields = dict(line.split(":\t", 1) for line in (tmp_path / "status").read_text().splitlines() if ":\t" in line)
    assert fields["NoNewPrivs"] == "1"
    assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == int(fields["CapAmb"], 16) == 0
    if os.geteuid() == 0:
        assert int(fields["CapBnd"], 16) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_two_signals_are_as_good_as_one(tmp_path: Path, number: int) -> None:
    with guarded(sys.executable, "-c", FAMILY, str(tmp_path / "pids")) as (guard, _):
        pids = family(tmp_path / "pids")
        guard.send_signal(number)
        guard.send_signal(number)
        assert gone([*pids, guard.pid])
