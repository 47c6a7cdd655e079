"""What several commands share: the options of the configuration, logging, signals that end a command."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from wirespan.commands.terminal import visible
from wirespan.config import Config, load
from wirespan.gated_command import GatedCommand


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="configuration file (default: /etc/wirespan/wirespan.toml)"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        type=_setting,
        metavar="SECTION.KEY=VALUE",
        help="one setting; may be given again",
    )


def _setting(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"{text!r} has no value: write {name}=VALUE")
    return name, value


def read_config(arguments: argparse.Namespace, **defaults: str) -> Config:
    """`defaults` are keys with "__" for the dot: what this command takes where nobody chose."""
    chosen = {name.replace("__", "."): value for name, value in defaults.items()}
    return load(arguments.config, overrides=dict(arguments.set), defaults=chosen)


_JOURNAL_LEVELS = {logging.CRITICAL: 3, logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6, logging.DEBUG: 7}


class _Formatter(logging.Formatter):
    """systemd's journal reads "<6>text" as a level (sd-daemon(3)); on a terminal the level is written out. Names of
    files and hosts in a message come from others: further lines are indented, so that nobody forges one of ours."""

    def __init__(self, journal: bool) -> None:
        super().__init__("%(message)s" if journal else "%(asctime)s %(levelname)s %(message)s", "%H:%M:%S")
        self._journal = journal

    def formatMessage(self, record: logging.LogRecord) -> str:
        return "\n  ".join(visible(line) for line in super().formatMessage(record).split("\n"))

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return f"<{_JOURNAL_LEVELS.get(record.levelno, 6)}>{text}" if self._journal else text


def start_logging(level: int, *, journal: bool = False) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(journal))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # It logs each retried request with its address; deliveries say what matters.
    logging.getLogger("urllib3").setLevel(logging.ERROR)


def stop_event() -> threading.Event:
    """Set by SIGTERM, SIGINT and SIGHUP (the terminal went away)."""
    event = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        event.set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    return event


def leave_signals_to(command: GatedCommand) -> None:
    """While a command of the user's runs, signals are its affair, and we end when it does. The terminal sends Ctrl-C to
    both of us, and an agent may read it as "stop this turn"; what was sent to us alone is passed on."""

    def pass_on(number: int, _frame: FrameType | None) -> None:
        command.send(number)

    signal.signal(signal.SIGINT, lambda _number, _frame: None)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, pass_on)
