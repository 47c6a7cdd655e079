"""What every command shares: the list of commands, exit codes, errors in words, and output that nobody reads."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from rig.command_line import NO_CAPABILITIES, RECORDINGS, clean_environment, settings, wirespan
from rig.wirespan_process import wirespan_command
from wirespan import errors
from wirespan.capture.recording import MAGIC
from wirespan.cli import main
from wirespan.commands import config as config_command

COMMANDS = ("up", "serve", "run", "demo", "record", "replay", "doctor", "config")
# Its exchanges are more text than a pipe holds (64 KiB).
LARGE = RECORDINGS / "anthropic-python.wsrec"


def test_help_names_every_command_and_what_it_is_for() -> None:
    shown = wirespan("--help")
    assert shown.returncode == 0
    listed = re.findall(r"^    (\w+) +(\S.*)$", shown.stdout, re.MULTILINE)
    assert tuple(name for name, _ in listed) == COMMANDS
    assert all(len(summary) > 15 for _, summary in listed)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: wirespan {command} [-h]")
    assert ("--set SECTION.KEY=VALUE" in shown) == (command != "replay")


def test_the_version_is_the_package_s() -> None:
    text = (Path(__file__).resolve().parents[1] / "pyproject.toml").read_text()
    (version,) = re.findall(r'^version = "(.+)"$', text, re.MULTILINE)
    shown = wirespan("--version")
    assert (shown.returncode, shown.stdout) == (0, f"wirespan {version}\n")


@pytest.mark.parametrize("arguments", [[], ["frobnicate"], ["replay"], ["config", "--set", "log.level"]])
def test_usage_that_makes_no_sense(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("usage: wirespan")


EXIT_CODES = {
    errors.WirespanError: 1,
    errors.ConfigError: 2,
    errors.CaptureError: 3,
    errors.RecordingError: 4,
    errors.DeliveryError: 5,
}


@pytest.mark.parametrize(("kind", "code"), EXIT_CODES.items())
def test_each_kind_of_error_has_its_exit_code_and_its_remedy(
    kind: type[errors.WirespanError], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_arguments: object) -> int:
        raise kind("it went wrong", "try something else")

    monkeypatch.setattr(config_command, "run", fail)
    assert main(["config"]) == code
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err == "wirespan: it went wrong\n  what to do: try something else\n"


def test_there_is_no_other_kind_of_error() -> None:
    assert set(errors.WirespanError.__subclasses__()) == set(EXIT_CODES) - {errors.WirespanError}


def _assert_explained(ended: subprocess.CompletedProcess[str], code: int) -> None:
    assert ended.returncode == code
    assert "what to do: " in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_wrong_setting_is_explained() -> None:
    _assert_explained(wirespan("config", *settings(log__level="loud")), 2)


def test_a_file_that_is_no_recording_is_explained() -> None:
    _assert_explained(wirespan("replay", "/etc/hostname"), 4)


@pytest.mark.live
def test_a_missing_capability_is_explained(tmp_path: Path) -> None:
    environment = clean_environment(WIRESPAN_CAPTURE_STATE_DIRECTORY=str(tmp_path))
    ended = wirespan("demo", prefix=NO_CAPABILITIES, environment=environment)
    _assert_explained(ended, 3)
    assert "run as root" in ended.stderr


@pytest.mark.live
def test_an_mlflow_that_can_not_start_is_explained() -> None:
    _assert_explained(wirespan("up", *settings(mlflow__data_directory="/dev/null/mlflow")), 5)


def test_a_reader_that_goes_away_ends_it_quietly() -> None:
    # GIVEN what `wirespan replay ... | head -1` is
    command = [*wirespan_command(), "replay", str(LARGE), "--emit", "exchanges"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment()) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        # WHEN the reader has what it wants
        assert process.stdout.readline().startswith(b"{")
        process.stdout.close()
        # THEN nobody is told of an error
        assert process.stderr.read() == b""
        assert process.wait(20) == 0


def test_a_reader_that_never_was_is_no_error_either() -> None:
    unread, output = os.pipe()
    os.close(unread)
    ended = subprocess.run(
        [*wirespan_command(), "config"], stdout=output, stderr=subprocess.PIPE, env=clean_environment(), check=False
    )
    os.close(output)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_letters_that_the_terminal_has_not_are_escaped() -> None:
    environment = clean_environment(PYTHONIOENCODING="ascii")
    shown = wirespan("config", *settings(capture__exclude_executables="/opt/ä*"), environment=environment)
    assert shown.returncode == 0, shown.stderr
    assert 'exclude_executables = ["/opt/\\xe4*"]' in shown.stdout


def test_control_c_ends_it_without_a_traceback(tmp_path: Path) -> None:
    pipe = tmp_path / "recording"
    os.mkfifo(pipe)
    command = [*wirespan_command(), "replay", str(pipe)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment()) as process:
        with pipe.open("wb", buffering=0) as recording:  # returns when the command reads
            recording.write(MAGIC)
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 130
        assert process.communicate() == (b"", b"")
