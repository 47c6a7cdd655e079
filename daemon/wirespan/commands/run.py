"""Run one command, capture what it and its children say to LLMs, and print where the traces are."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan

from wirespan.commands.links import trace_links
from wirespan.commands.options import add_config_arguments, leave_signals_to, read_config, start_logging
from wirespan.commands.terminal import counted
from wirespan.daemon import Daemon
from wirespan.gated_command import GatedCommand
from wirespan.status import StatusFile

SUMMARY = "capture one command and its children"

# What the process wrote last is still in the ring, and a close is seen a moment after the exit.
_SETTLE_S = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_arguments(parser)
    parser.add_argument("rest", nargs=argparse.REMAINDER, metavar="-- CMD...")


def run(arguments: argparse.Namespace) -> int:
    command = GatedCommand.from_arguments(arguments.rest or ["--"])
    assert command is not None  # from_arguments refuses an empty command
    config = read_config(arguments, log__level="warning")
    start_logging(config.log.level.number)
    status = StatusFile.find(config).running()
    if status is not None:
        pid = status["pid"]
        print(
            f"wirespan: the daemon that runs (pid {pid}) captures this too: calls will be there twice", file=sys.stderr
        )
    seen: list[ReadableSpan] = []

    def remember(spans: Sequence[ReadableSpan]) -> None:
        seen.extend(spans)

    daemon = Daemon(config, os.environ, on_spans=remember)
    daemon.session.follow(command.pid)
    daemon.session.expect(command.executable)
    leave_signals_to(command)
    try:
        daemon.start()
        command.release()
        while not command.has_ended():
            time.sleep(0.05)
        time.sleep(_SETTLE_S)
    finally:
        daemon.stop()
    print(f"wirespan: {counted(len(seen), 'model call')} captured", file=sys.stderr)
    for link in trace_links(daemon, seen):
        print(f"  {link}", file=sys.stderr)
    return command.exit_code()
