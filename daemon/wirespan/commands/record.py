"""Write raw capture events to a file, of one command and its children or of the whole host, for `wirespan replay`.

Values of credential headers are masked in place; the rest is what was on the wire, prompts included: keep it private.
"""

from __future__ import annotations

import argparse
import os
import stat
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType

from wirespan.capture import CaptureEvent
from wirespan.capture.recording import MAGIC, encode_event
from wirespan.capture.session import CaptureSession
from wirespan.commands.options import (
    add_config_arguments,
    leave_signals_to,
    read_config,
    start_logging,
    stop_event,
)
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
    session = CaptureSession(session_settings(config), Counters())
    if command is None:
        ended = stop_event().is_set
    else:
        session.follow(command.pid)
        session.expect(command.executable)
        leave_signals_to(command)
        ended = command.has_ended
    try:
        session.open(_say)
        # Only now: where capture is refused, an earlier recording of this name stays.
        with RecordingFile(arguments.output) as output:
            if arguments.raw:
                _say(
                    f"--raw: {arguments.output} may hold credentials: headers, addresses and command lines as they are"
                )
            print("ready: recording", file=sys.stderr, flush=True)
            if command is not None:
                command.release()
            record(session, output, None if arguments.raw else EventMask(), ended)
    finally:
        session.close()
    _say(f"{arguments.output} is written")
    return command.exit_code() if command is not None else 0


def _say(text: str) -> None:
    print(f"wirespan: {text}", file=sys.stderr, flush=True)


class RecordingFile:
    """Made anew, mode 0600: nobody who holds or may read an earlier file of this name sees what is written now. Begins
    with its MAGIC, so a place that takes nothing shows before anything is recorded.

    RecordingError for whatever the file system refuses. Written unbuffered, so what was polled is there after a crash.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            if path.is_symlink() or not path.is_file():  # a device, a pipe; of a link its owner says where it leads
                self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
                if stat.S_ISREG(os.fstat(self._descriptor).st_mode):
                    os.fchmod(self._descriptor, 0o600)
            else:
                path.unlink()
                self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._refused(error) from error
        self.write(MAGIC)

    def __enter__(self) -> RecordingFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def write(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            raise self._refused(error) from error

    def _refused(self, error: OSError) -> RecordingError:
        return RecordingError(f"cannot write {self._path}: {error.strerror}", "choose another --output")


def record(session: CaptureSession, output: RecordingFile, mask: EventMask | None, ended: Callable[[], bool]) -> None:
    """Until shortly after `ended`: what the last writes left in the ring is taken too."""

    def write(events: Iterable[CaptureEvent]) -> None:
        output.write(b"".join(encode_event(event if mask is None else mask.apply(event)) for event in events))

    last_round_s = float("inf")
    while time.monotonic() < last_round_s:
        if last_round_s == float("inf") and ended():
            last_round_s = time.monotonic() + 0.2
        write(session.poll(0.02))
    for events in session.drain():
        write(events)
