"""Write raw capture events to a file, of one command and its children or of the whole host, for `wirespan replay`.

Values of credential headers are masked in place; the rest is what was on the wire, prompts included: keep it private.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from wirespan.capture.recording import MAGIC, encode_event
from wirespan.capture.session import CaptureSession
from wirespan.commands.options import add_config_arguments, read_config, start_logging, stop_event
from wirespan.counters import Counters
from wirespan.daemon import session_settings
from wirespan.errors import RecordingError
from wirespan.gated_command import GatedCommand
from wirespan.masking import EventMask

SUMMARY = "write raw capture events to a file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_arguments(parser)
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="made anew, mode 0600")
    parser.add_argument("--raw", action="store_true", help="do not mask credential headers")
    parser.add_argument("rest", nargs=argparse.REMAINDER, metavar="-- CMD...", help="record only this command")


def run(arguments: argparse.Namespace) -> int:
    config = read_config(arguments)
    start_logging(config.log.level.number)
    command = GatedCommand.from_arguments(arguments.rest)
    counters = Counters()
    session = CaptureSession(session_settings(config), counters)
    if command is not None:
        session.follow(command.pid)
    stopping = stop_event()
    with _create(arguments.output) as output:
        session.open(lambda text: print(f"wirespan: {text}", file=sys.stderr, flush=True))
        try:
            mask = None if arguments.raw else EventMask()
            print("ready: recording", file=sys.stderr, flush=True)
            if command is not None:
                command.release()
            ended = command.has_ended if command is not None else lambda: False
            record(session, output, mask, stopping, ended)
        finally:
            session.close()
    print(f"wirespan: {arguments.output} is written", file=sys.stderr)
    return command.exit_code() if command is not None else 0


def _create(path: Path) -> BinaryIO:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise RecordingError(f"cannot write {path}: {error.strerror}", "choose another --output") from error
    return open(descriptor, "wb")


def record(
    session: CaptureSession,
    output: BinaryIO,
    mask: EventMask | None,
    stopping: threading.Event,
    ended: Callable[[], bool],
) -> None:
    """Until `stopping`, or shortly after `ended`: what the last writes left in the ring is taken too."""
    output.write(MAGIC)
    last_round_s = float("inf")
    while time.monotonic() < last_round_s:
        if last_round_s == float("inf") and (stopping.is_set() or ended()):
            last_round_s = time.monotonic() + 0.2
        for event in session.poll(0.02):
            output.write(encode_event(event if mask is None else mask.apply(event)))
        output.flush()
