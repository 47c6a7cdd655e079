from __future__ import annotations

import argparse
import logging
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from wirespan.commands.options import (
    add_config_arguments,
    leave_signals_to,
    read_config,
    start_logging,
    stop_event,
)
from wirespan.config import LogLevel
from wirespan.gated_command import GatedCommand


@pytest.fixture
def empty_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    file = tmp_path / "empty.toml"
    file.touch()
    monkeypatch.delenv("WIRESPAN_LOG_LEVEL", raising=False)
    return str(file)


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def signals() -> Iterator[None]:
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def _parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_config_arguments(parser)
    return parser.parse_args(arguments)


def test_set_beats_what_the_command_itself_chooses(empty_file: str) -> None:
    assert read_config(_parse("--config", empty_file), log__level="warning").log.level is LogLevel.WARNING
    chosen = _parse("--config", empty_file, "--set", "log.level=debug")
    assert read_config(chosen, log__level="warning").log.level is LogLevel.DEBUG


def test_a_value_may_hold_an_equals_sign(empty_file: str) -> None:
    chosen = _parse("--config", empty_file, "--set", "capture.exclude_executables=/opt/a=b")
    assert read_config(chosen).capture.exclude_executables == ("/opt/a=b",)


def test_the_journal_reads_the_level(root_logger: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    start_logging(logging.INFO, journal=True)
    root_logger.warning("held")
    root_logger.info("ready")
    root_logger.debug("not asked for")
    # sd-daemon(3): 4 is warning, 6 information
    assert capsys.readouterr().err == "<4>held\n<6>ready\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_asks_for_the_end(signals: None, number: signal.Signals) -> None:
    event = stop_event()
    assert not event.is_set()
    os.kill(os.getpid(), number)
    assert event.wait(5)


@pytest.mark.parametrize("journal", [True, False])
def test_a_name_in_a_message_forges_no_line_of_ours(
    journal: bool, root_logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    start_logging(logging.INFO, journal=journal)
    root_logger.info("attached to %s", "/tmp/lib\n<0>12:00:00 ERROR the disk is full\x1b[2J.so")
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("attached to /tmp/lib")
    assert second == "  <0>12:00:00 ERROR the disk is full\\x1b[2J.so"


def test_a_setting_without_a_value_is_refused(empty_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        _parse("--config", empty_file, "--set", "export.to")
    assert ended.value.code == 2
    assert "'export.to' has no value: write export.to=VALUE" in capsys.readouterr().err


def test_signals_belong_to_the_command(signals: None) -> None:
    # GIVEN a command that runs and minds SIGTERM
    command = GatedCommand(["sh", "-c", 'trap "exit 5" TERM; while :; do sleep 0.05; done'])
    leave_signals_to(command)
    command.release()
    time.sleep(0.3)
    # WHEN Ctrl-C is pressed, which the terminal sends to the command too
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.2)
    # THEN it is left to the command what to make of it
    assert not command.has_ended()
    # AND what only we got is passed on
    os.kill(os.getpid(), signal.SIGTERM)
    assert command.exit_code() == 5


def test_a_signal_after_its_end_is_nobody_s(signals: None) -> None:
    command = GatedCommand(["true"])
    leave_signals_to(command)
    command.release()
    assert command.exit_code() == 0
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_command_s_own_default_gives_way_to_what_anybody_chose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "wirespan.toml"
    file.write_text('[log]\nlevel = "error"\n')
    assert read_config(_parse("--config", str(file)), log__level="warning").log.level is LogLevel.ERROR
    monkeypatch.setenv("WIRESPAN_LOG_LEVEL", "debug")
    assert read_config(_parse("--config", str(file)), log__level="warning").log.level is LogLevel.DEBUG
