from __future__ import annotations

import argparse
import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from wirespan.commands.options import add_config_arguments, read_config, start_logging, stop_event
from wirespan.config import LogLevel


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
