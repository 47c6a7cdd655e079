from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wirespan.errors import ConfigError
from wirespan.gated_command import GatedCommand


def wait(command: GatedCommand) -> int:
    deadline = time.monotonic() + 20
    while not command.has_ended():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return command.exit_code()


def test_it_runs_only_when_released(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    command = GatedCommand(["/bin/sh", "-c", f"echo $$ > {mark}"])
    time.sleep(0.1)
    assert not mark.exists()
    command.release()
    assert wait(command) == 0
    assert int(mark.read_text()) == command.pid


@pytest.mark.parametrize(("script", "code"), [("exit 7", 7), ("kill -9 $$", 137)])
def test_its_exit_code_is_the_shell_s(script: str, code: int) -> None:
    command = GatedCommand(["/bin/sh", "-c", script])
    command.release()
    assert wait(command) == code


def test_a_command_that_is_not_there() -> None:
    command = GatedCommand(["/nonexistent/program"])
    command.release()
    assert wait(command) == 127


def test_it_ends_without_running_when_we_die() -> None:
    program = (
        "import os, sys; from wirespan.gated_command import GatedCommand;"
        "c = GatedCommand(['/bin/sh', '-c', 'echo ran']); print(c.pid, flush=True); os._exit(0)"
    )
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        timeout=20,
    )
    pid = int(done.stdout.split()[0])
    assert "ran" not in done.stdout
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, "the child outlived its owner"
        time.sleep(0.01)


@pytest.mark.parametrize("rest", [["--"], []])
def test_no_command(rest: list[str]) -> None:
    if not rest:
        assert GatedCommand.from_arguments(rest) is None
        return
    with pytest.raises(ConfigError, match="no command"):
        GatedCommand.from_arguments(rest)


def test_no_signal_is_ignored_that_was_not_before() -> None:
    # SIGPIPE and SIGXFSZ, which Python ignores: `yes | head` would end with an error.
    command = GatedCommand(["/bin/sh", "-c", "grep -q '^SigIgn:.*0000000000000000' /proc/self/status"])
    command.release()
    assert wait(command) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_killed_before_its_release(number: signal.Signals) -> None:
    command = GatedCommand(["/bin/true"])
    command.send(number)
    command.release()
    assert wait(command) == 128 + number


def test_what_ended_gets_no_signal() -> None:
    command = GatedCommand(["/bin/true"])
    command.release()
    assert wait(command) == 0
    command.send(signal.SIGKILL)  # its pid may be another process by now
    assert command.exit_code() == 0


def test_the_program_is_known_before_it_runs(tmp_path: Path) -> None:
    link = tmp_path / "tool"
    link.symlink_to("/bin/sh")
    command = GatedCommand([str(link), "-c", "exit 0"])
    assert command.executable == str(Path("/bin/sh").resolve())
    command.release()
    assert wait(command) == 0
    absent = GatedCommand(["no-such-program-anywhere"])
    assert absent.executable == ""
    absent.release()
    assert wait(absent) == 127
