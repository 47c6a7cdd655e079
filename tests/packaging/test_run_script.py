"""./run with stand-ins for python, pip and the package managers: what it does first, again, and after a failure."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from rig.wheel import REPOSITORY

_PACKAGE_MANAGERS = ("apt-get", "dnf", "zypper", "pacman")
# As interpreter: `-m venv DIR` makes DIR/bin/python of itself, `-m pip install` makes DIR/bin/wirespan; all is noted.
_PYTHON = """#!/bin/sh
echo "$@" >>"{calls}"
case "$*" in
"-m venv "*)
    mkdir -p "$3/bin" && cp "$0" "$3/bin/python"
    ;;
"-m pip install --help") echo " --group <[path:]group>" ;;
"-m pip install "*)
    [ ! -e "{calls}.fail" ] || exit 3
    while [ -e "{calls}.wait" ]; do sleep 0.05; done
    printf '#!/bin/sh\\necho "wirespan $*"\\n' >"$(dirname "$0")/wirespan"
    chmod +x "$(dirname "$0")/wirespan"
    ;;
esac
"""


@dataclass(frozen=True)
class Stage:
    directory: Path

    @property
    def venv(self) -> Path:
        return self.directory / "venv"

    @property
    def calls_file(self) -> Path:
        return self.directory / "calls"

    def run(self, *arguments: str, venv: Path | None = None) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{self.directory / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin",
            "WIRESPAN_VENV": str(venv or self.venv),
            "WIRESPAN_PYTHON": str(self.directory / "bin" / "python"),
        }
        command = ["sh", str(REPOSITORY / "run"), *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)

    def calls(self) -> list[str]:
        """What the interpreter was asked to do since the last look, without the questions whether it works."""
        lines = self.calls_file.read_text().splitlines() if self.calls_file.exists() else []
        self.calls_file.unlink(missing_ok=True)
        return [line for line in lines if line.startswith("-m ") and not line.endswith("--help")]


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    made = Stage(tmp_path)
    tools = dict.fromkeys(_PACKAGE_MANAGERS, "#!/bin/sh\necho 'nothing may be installed here' >&2\nexit 9\n")
    tools["python"] = _PYTHON.format(calls=made.calls_file)
    tools["sudo"] = '#!/bin/sh\n[ "$1" != -E ] || shift\nexec "$@"\n'
    (tmp_path / "bin").mkdir()
    for name, text in tools.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    return made


def _fresh(stage: Stage) -> list[str]:
    return [f"-m venv {stage.venv}", "-m pip install -e .[mlflow,demo]"]


def test_help_and_usage(stage: Stage) -> None:
    assert stage.run("help").stdout.startswith("usage: ./run COMMAND")
    assert stage.run().stdout.startswith("usage: ./run COMMAND")
    wrong = stage.run("tset")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("usage: ./run COMMAND")


def test_the_first_start_installs_and_the_second_does_nothing(stage: Stage) -> None:
    first = stage.run("up", "--quiet")
    assert first.returncode == 0, first.stderr
    assert first.stdout.splitlines()[-1] == "wirespan up --quiet"
    assert stage.calls() == _fresh(stage)
    second = stage.run("up")
    assert second.stdout.splitlines()[-1] == "wirespan up"
    assert stage.calls() == []


def test_progress_is_told_step_by_step(stage: Stage) -> None:
    lines = stage.run("setup").stdout.splitlines()
    assert lines[0].startswith("run: making a virtual environment with ")
    assert lines[0].endswith(" ...")
    assert re.fullmatch(r"run: making a virtual environment with \S+: done in \d+ s", lines[1])
    assert lines[-1] == f"run: ready: {stage.venv}/bin/wirespan"


def test_what_the_tests_need_is_installed_on_top_and_holds_what_up_needs(stage: Stage) -> None:
    stage.run("setup")
    stage.calls()
    stage.run("setup", "test")
    assert stage.calls() == ["-m pip install -e .[mlflow,demo] --group test"]
    (stage.venv / ".wirespan-up").unlink()
    stage.run("setup")
    assert stage.calls() == []


def test_a_changed_project_is_installed_again(stage: Stage) -> None:
    stage.run("setup")
    stage.calls()
    stamp = stage.venv / ".wirespan-up"
    stamp.write_text("the hash of an older pyproject.toml")
    stage.run("setup")
    assert stage.calls() == ["-m pip install -e .[mlflow,demo]"]


def test_a_failed_installation_is_shown_and_not_trusted(stage: Stage) -> None:
    # GIVEN an installation that fails half-way
    failing = Path(f"{stage.calls_file}.fail")
    failing.touch()
    failed = stage.run("setup")
    assert failed.returncode == 1
    assert "failed (exit status 3); the whole output is in" in failed.stderr
    stage.calls()
    # WHEN the cause is gone
    failing.unlink()
    again = stage.run("setup")
    # THEN nothing of the first try is used
    assert again.returncode == 0, again.stderr
    assert "making it anew" in again.stdout
    assert stage.calls() == _fresh(stage)


def test_a_venv_whose_interpreter_is_gone_is_made_anew(stage: Stage) -> None:
    stage.run("setup")
    stage.calls()
    (stage.venv / "bin" / "python").unlink()
    assert stage.run("setup").returncode == 0
    assert stage.calls() == _fresh(stage)


def test_a_moved_venv_is_made_anew(stage: Stage) -> None:
    stage.run("setup", venv=stage.directory / "elsewhere")
    (stage.directory / "elsewhere").rename(stage.venv)
    stage.calls()
    assert stage.run("setup").returncode == 0
    assert stage.calls() == _fresh(stage)


def test_a_directory_that_is_no_venv_is_never_deleted(stage: Stage) -> None:
    stage.venv.mkdir()
    (stage.venv / "thesis.tex").touch()
    refused = stage.run("setup")
    assert refused.returncode == 1
    assert "is no virtual environment" in refused.stderr
    assert [path.name for path in stage.venv.iterdir()] == ["thesis.tex"]


def test_an_interrupted_installation_ends_at_once_and_is_not_trusted(stage: Stage) -> None:
    # GIVEN an installation that goes on
    endless = Path(f"{stage.calls_file}.wait")
    endless.touch()
    environment = {**os.environ, "WIRESPAN_VENV": str(stage.venv), "WIRESPAN_PYTHON": f"{stage.directory}/bin/python"}
    running = subprocess.Popen(
        ["sh", str(REPOSITORY / "run"), "setup"], env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 30
    while not any("install -e" in call for call in _peek(stage)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    # WHEN Ctrl-C arrives
    running.send_signal(signal.SIGINT)
    # THEN it says so and ends, and the next run starts from scratch
    _, errors = running.communicate(timeout=30)
    assert b"interrupted: installing wirespan" in errors
    assert running.returncode == 1
    endless.unlink()
    stage.calls()
    assert stage.run("setup").returncode == 0
    assert stage.calls() == _fresh(stage)


def _peek(stage: Stage) -> list[str]:
    return stage.calls_file.read_text().splitlines() if stage.calls_file.exists() else []


def test_two_at_once_take_turns(stage: Stage) -> None:
    environment = {**os.environ, "WIRESPAN_VENV": str(stage.venv), "WIRESPAN_PYTHON": f"{stage.directory}/bin/python"}
    command = ["sh", str(REPOSITORY / "run"), "setup"]
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert stage.calls() == _fresh(stage)
